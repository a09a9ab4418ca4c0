"""The rows that fine-tuning reads: checked, some held out, in batches of one shape."""

import math
from collections.abc import Iterator
from functools import partial
from numbers import Integral, Real
from typing import get_args

import jax
import numpy as np

from tsrl.errors import InputError
from tsrl.evaluate.linear_head import Loss, Mode
from tsrl.types import Array, Aux, Batch, Method, Params, as_batch

VALIDATION_SHARE = 0.2
# A class of fewer rows has none to spare for validation.
LEAST_ROWS = 5


def on_host(x: np.ndarray | Batch) -> Batch:
    """Series `[N, T, C]` as a batch that need not fit on the device; a batch as it is."""
    return x if isinstance(x, Batch) else as_batch(x, on_host=True)


@partial(jax.jit, static_argnums=0)
def _embedded(method: Method, params: Params, aux: Aux, batch: Batch) -> Array:
    return method.embed(params, aux, batch)


def embed_rows(method: Method, params: Params, aux: Aux, x: Batch, size: int) -> np.ndarray:
    """Embeddings `[N, D]` by the one program for `size` rows, however few there are."""
    count, made = len(x.mask), []
    for first in range(0, count, size):
        rows = np.minimum(np.arange(first, first + size), count - 1)
        made.append(np.asarray(_embedded(method, params, aux, x.take(rows)))[: count - first])
    return np.concatenate(made)


def held_out_rows(group: np.ndarray, seed: int) -> np.ndarray:
    """Whether each row validates, `[N]` bool: a fifth of each group, or none where a group is too small."""
    held_out = np.zeros(len(group), bool)
    if np.bincount(group).min() >= LEAST_ROWS:
        random = np.random.default_rng(seed)
        for number in range(group.max() + 1):
            rows = random.permutation(np.flatnonzero(group == number))
            held_out[rows[: round(VALIDATION_SHARE * len(rows))]] = True
    return held_out


def batches(order: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Row numbers in batches of one size, and which count; the last batch is filled up with rows that do not."""
    for first in range(0, len(order), size):
        part = order[first : first + size]
        filled = np.concatenate([part, np.repeat(part[-1:], size - len(part))])
        yield filled, (np.arange(size) < len(part)).astype(np.float32)


def check_settings(mode: Mode, counts: dict[str, int], rates: dict[str, float]) -> None:
    """Refuses an unknown mode, counts below 1 and rates that are not above 0."""
    if mode not in get_args(Mode):
        raise InputError(f"mode: found {mode!r}, want one of {', '.join(get_args(Mode))}")
    for name, count in counts.items():
        if not isinstance(count, Integral) or count < 1:
            raise InputError(f"{name}: found {count!r}, want a whole number from 1 up")
    for name, rate in rates.items():
        if not isinstance(rate, Real) or not 0 < rate < math.inf:
            raise InputError(f"{name}: found {rate!r}, want a finite number above 0")


def checked_split(split: str, x: np.ndarray | Batch, y: np.ndarray, loss: Loss) -> tuple[Batch, np.ndarray]:
    """The rows of one split as a batch, and their labels or float targets `[N]`.

    Raises:
      InputError: see `fit_finetuned`.
    """
    if loss not in get_args(Loss):
        raise InputError(f"loss: found {loss!r}, want one of {', '.join(get_args(Loss))}")
    y = np.asarray(y)
    if not isinstance(x, Batch):
        x = np.asarray(x)
        if x.ndim != 3 or 0 in x.shape:
            raise InputError(
                f"x_{split}: found shape {x.shape}, want [N, T, C] with at least one row, step and channel"
            )
        if np.isinf(x).any():
            raise InputError(f"x_{split}: found infinite values, want finite ones, or NaN where missing")
    x = on_host(x)
    count = len(x.mask)
    if not count or y.shape != (count,):
        raise InputError(f"y_{split}: found shape {y.shape}, want [{count}], one entry for each row of x_{split}")
    if loss == "squared":
        if y.dtype.kind not in "biuf":
            raise InputError(f"y_{split}: found type {y.dtype}, want numbers")
        y = y.astype(np.float64)
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise InputError(f"y_{split}: found NaN or infinity, want finite numbers")
    return x, y
