"""How pairs and views are made: crops, time-step masks, dropout.

Draws that are the same for the whole batch take the step's key; draws of one example take one key per example, made by
`example_keys` from its row id, so that nothing depends on how a batch is spread over devices.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jax import lax

from tsrl.errors import InputError
from tsrl.types import Array, Batch, Key

Draw = Callable[[Key, Batch, Array], Batch]
MaskMode = Literal["binomial", "continuous", "all_true", "all_false", "mask_last"]


def example_keys(key: Key, index: Array) -> Key:
    """One key per row id: `[B]` int -> `[B]` keys."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, index)


class Crops(NamedTuple):
    """Two overlapping crops of each series; lengths are the same for the batch, starts differ by series.

    Attributes:
      start1: `[B]` first step of view 1, whose last `overlap` steps are shared.
      length1: scalar, steps in view 1.
      start2: `[B]` first step of view 2, whose first `overlap` steps are shared.
      length2: scalar, steps in view 2.
      overlap: scalar, shared steps.
    """

    start1: Array
    length1: Array
    start2: Array
    length2: Array
    overlap: Array


def overlapping_crops(key: Key, index: Array, length: int, temporal_unit: int = 0) -> Crops:
    """Draws the two crops of TS2Vec's contextual consistency.

    Args:
      key: the step's key.
      index: `[B]` row ids.
      length: steps T of the series.
      temporal_unit: the overlap has at least `2**(temporal_unit + 1)` steps.

    Returns:
      Crops with `0 <= start`, `start + length <= T` in every row.

    Raises:
      InputError: the series is shorter than the smallest overlap.

    References: TS2Vec (arXiv 2106.10466), section 3.2 "random cropping"; ranges from the released code.
    """
    smallest = 2 ** (temporal_unit + 1)
    if length < smallest:
        raise InputError(
            f"temporal_unit: found {temporal_unit} for series of {length} steps, want at most "
            f"{max(length.bit_length() - 2, 0)} (the overlap has at least 2**(temporal_unit + 1) steps)"
        )
    overlap_key, start_key, left_key, right_key, shift_key = jax.random.split(key, 5)
    overlap = jax.random.randint(overlap_key, (), smallest, length + 1)
    start = jax.random.randint(start_key, (), 0, length - overlap + 1)
    end = start + overlap
    left = jax.random.randint(left_key, (), 0, start + 1)
    right = jax.random.randint(right_key, (), end, length + 1)
    shift = jax.vmap(lambda k: jax.random.randint(k, (), -left, length - right + 1))(example_keys(shift_key, index))
    return Crops(shift + left, end - left, shift + start, right - start, overlap)


def take_crop(x: Array, start: Array, size: int) -> Array:
    """`size` steps from `start` (scalar or `[B]`), zeros beyond the end: `[B, T, ...] -> [B, size, ...]`."""
    padded = jnp.pad(x, [(0, 0), (0, size)] + [(0, 0)] * (x.ndim - 2))
    if start.ndim == 0:
        return lax.dynamic_slice_in_dim(padded, start, size, 1)
    return jax.vmap(lambda row, first: lax.dynamic_slice_in_dim(row, first, size))(padded, start)


def random_window(draw: Draw, max_length: int) -> Draw:
    """Wraps a method's `draw`: a batch longer than `max_length` is cut to one random window, the same for all its rows.

    References: the released TS2Vec code, which does so with sections that are still longer than `max_train_length`.
    """

    def windowed(key: Key, data: Batch, index: Array) -> Batch:
        draw_key, window_key = jax.random.split(key)
        batch = draw(draw_key, data, index)
        steps = batch.mask.shape[1]
        if steps <= max_length:
            return batch
        start = jax.random.randint(window_key, (), 0, steps - max_length + 1)
        cut = lambda array: lax.dynamic_slice_in_dim(array, start, max_length, 1)  # noqa: E731
        stepwise = (batch.fields, batch.mask, batch.time)
        fields, mask, time = jax.tree.map(cut, stepwise)
        return dataclasses.replace(batch, fields=fields, mask=mask, time=time)

    return windowed


def time_step_mask(
    mode: MaskMode,
    keys: Key,
    steps: int,
    length: Array | int | None = None,
    *,
    keep: float = 0.5,
    runs: int = 5,
    run_share: float = 0.1,
) -> Array:
    """Which steps an encoder may see.

    Args:
      mode: `binomial` keeps each step with probability `keep`; `continuous` hides `runs` stretches of
        `run_share * length` steps; `all_true`, `all_false`; `mask_last` hides the last step.
      keys: `[B]` one key per example.
      steps: size of the mask's time axis.
      length: true length when the last steps are padding; a draw depends on it, not on `steps`.
      keep: probability to keep a step.
      runs: stretches to hide, at most half the length.
      run_share: share of the length in one stretch.

    Returns:
      `[B, steps]` bool, True = visible.

    Raises:
      InputError: unknown mode.

    References: TS2Vec (arXiv 2106.10466), section 3.2 "timestamp masking"; modes from the released code.
    """
    length = steps if length is None else length
    step = jnp.arange(steps)

    def continuous(key: Key) -> Array:
        run = jnp.maximum(jnp.floor(run_share * length).astype(int), 1)
        drawn = jax.random.randint(key, (runs,), 0, length - run + 1)[:, None]
        hidden = (step >= drawn) & (step < drawn + run)
        active = jnp.arange(runs) < jnp.clip(length // 2, 1, runs)
        return ~jnp.any(hidden & active[:, None], 0)

    # One-dimensional draws have the same leading values whatever their size, so `steps` does not change the mask.
    rules = {
        "binomial": lambda key: jax.random.bernoulli(key, keep, (steps,)),
        "continuous": continuous,
        "all_true": lambda key: jnp.ones(steps, bool),
        "all_false": lambda key: jnp.zeros(steps, bool),
        "mask_last": lambda key: step != length - 1,
    }
    if mode not in rules:
        raise InputError(f"mask: found {mode!r}, want one of {', '.join(get_args(MaskMode))}")
    return jax.vmap(rules[mode])(keys)


def dropout(keys: Key, z: Array, rate: float) -> Array:
    """Zeroes elements of `[B, T, D]` with probability `rate` and scales the rest by `1 / (1 - rate)`.

    One key per example; the draw at step t does not depend on T, hence not on padding. A draw has 16 bits: the
    probability is exact to 1e-5, and one random number, which costs more than all else here, serves two elements.
    """
    if rate == 0:
        return z
    steps, width = z.shape[1:]
    pairs = jax.vmap(lambda key: jax.random.bits(key, (steps, -(-width // 2)), jnp.uint32))(keys)
    draws = jnp.concatenate([pairs & 0xFFFF, pairs >> 16], -1)[..., :width]
    return jnp.where(draws >= round(rate * 2**16), z / (1 - rate), 0)


def perturbed(keys: Key, x: Array, sigma: float = 0.5, probability: float = 0.5) -> Array:
    """Scales, then shifts, then jitters series, each with some probability.

    Args:
      keys: `[B]` one key per example.
      x: `[B, T, C]`.
      sigma: standard deviation of the factors around 1 and of the shifts, drawn for each channel, and of the noise,
        drawn for each value.
      probability: of each of the three.

    Returns:
      `[B, T, C]`.

    References: CoST (arXiv 2202.01575), appendix B "data augmentations".
    """

    def one(key: Key, series: Array) -> Array:
        which_key, *noise_keys = jax.random.split(key, 4)
        shapes = (series.shape[-1:], series.shape[-1:], series.shape)
        scale, shift, jitter = (
            sigma * jax.random.normal(noise_key, shape) for noise_key, shape in zip(noise_keys, shapes, strict=True)
        )
        which = jax.random.bernoulli(which_key, probability, (3,))
        return series * (1 + which[0] * scale) + which[1] * shift + which[2] * jitter

    return jax.vmap(one)(keys, x)
