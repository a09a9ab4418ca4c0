"""Checks and preparation of an array of series `[N, T, C]`; NaN = missing."""

from typing import Any

import numpy as np

from tsrl.errors import InputError

_RANK_HINTS = {
    1: "; add the series and channel axes: x[None, :, None]",
    2: "; add the channel axis: x[..., None]",
}


def check_series(x: Any, argument: str = "x", min_length: int = 2) -> np.ndarray:
    """The series as float32, or an error that says what is wrong with them.

    Args:
      x: `[N, T, C]` numbers; a step with NaN in any channel is missing.
      argument: what the error message calls `x`.
      min_length: smallest T.

    Returns:
      `[N, T, C]` float32; the caller's own array when it already is that.

    Raises:
      InputError: another rank, an empty axis, fewer than `min_length` steps, no numbers, infinite values, or not one
        step with all channels observed.
    """
    try:
        found = np.asarray(x)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{argument}: found {type(x).__name__} that numpy cannot make an array of ({error}), want [N, T, C]; "
            "pad shorter series with NaN"
        ) from error
    shape = found.shape
    if found.dtype.kind not in "iuf":
        if hasattr(x, "x"):
            raise InputError(f"{argument}: found {type(x).__name__}, want [N, T, C] of numbers: its attribute x")
        raise InputError(f"{argument}: found dtype {found.dtype} in shape {shape}, want [N, T, C] of numbers")
    if found.ndim != 3:
        raise InputError(f"{argument}: found shape {shape}, want [N, T, C]{_RANK_HINTS.get(found.ndim, '')}")
    for axis, least, what in [(0, 1, "series"), (1, min_length, "time steps"), (2, 1, "channels")]:
        if shape[axis] < least:
            raise InputError(f"{argument}: found {shape[axis]} {what} in shape {shape}, want at least {least}")
    # A float64 beyond float32 becomes infinite here and is reported below.
    with np.errstate(over="ignore"):
        found = found.astype(np.float32, copy=False)
    infinite = np.isinf(found).any((1, 2))
    if infinite.any():
        raise InputError(
            f"{argument}: found values infinite in float32 in {infinite.sum()} of {shape[0]} series, first in series "
            f"{infinite.argmax()}, want finite numbers, NaN = missing"
        )
    if np.isnan(found).any(-1).all():
        # Whole steps count as missing, so a channel that is always NaN would leave a model nothing to see.
        missing = np.isnan(found).all((0, 1))
        which = f" (channels {np.flatnonzero(missing).tolist()} hold nothing else)" if missing.any() else ""
        raise InputError(
            f"{argument}: found NaN in every step of shape {shape}{which}, want steps with all channels observed"
        )
    return found


def centre(x: np.ndarray) -> np.ndarray:
    """Shifts every series so that its missing steps before and after are equal in number.

    The odd step goes to the end, as in TS2Vec's released code. Steps missing inside a series move with it.

    Args:
      x: `[N, T, C]` floats; a step counts as missing when all its channels are NaN.

    Returns:
      `[N, T, C]`; series that start and end observed, and series without any observed step, are unchanged.
    """
    length = x.shape[1]
    observed = ~np.isnan(x).all(-1)
    before, after = observed.argmax(1), observed[:, ::-1].argmax(1)
    shift = (before + after) // 2 - before
    # The shift never exceeds the missing margin, so the wrap-around carries nothing but NaN.
    source = (np.arange(length) - shift[:, None]) % length
    return np.take_along_axis(x, source[..., None], axis=1)


def pad_to(x: np.ndarray, length: int, both_sides: bool = False) -> np.ndarray:
    """Pads with missing steps.

    Args:
      x: `[N, T, C]` floats.
      length: steps afterwards, at least T.
      both_sides: half of the padding before, the odd step after; otherwise all of it after.

    Returns:
      `[N, length, C]`, NaN in the new steps.

    Raises:
      InputError: the series are longer than `length`.
    """
    extra = length - x.shape[1]
    if extra < 0:
        raise InputError(f"length: found {length}, want at least the {x.shape[1]} steps of x")
    before = extra // 2 if both_sides else 0
    return np.pad(x, ((0, 0), (before, extra - before), (0, 0)), constant_values=np.nan)


def split_sections(x: np.ndarray, sections: int) -> np.ndarray:
    """Cuts every series into consecutive sections whose lengths differ by at most one step.

    Args:
      x: `[N, T, C]` floats.
      sections: how many, 1 to T; the first ones are the longer ones.

    Returns:
      `[sections * N, ceil(T / sections), C]`: the first section of all series, then the second of all, and so on;
      shorter sections end in one NaN step.

    Raises:
      InputError: `sections` is out of range.
    """
    length = x.shape[1]
    if not 1 <= sections <= length:
        raise InputError(f"sections: found {sections}, want 1 to {length}, the steps of x")
    longest = -(-length // sections)
    return np.concatenate([pad_to(section, longest) for section in np.array_split(x, sections, axis=1)])


def prepare_train(x: np.ndarray, max_train_length: int) -> np.ndarray:
    """Prepares a training set as TS2Vec's released code does: split long series, centre short ones, drop empty ones.

    Args:
      x: `[N, T, C]` floats as `check_series` returns them.
      max_train_length: series of at least twice this many steps are cut into floor(T / max_train_length) sections,
        which may still be longer than it (training cuts a random window out of those).

    Returns:
      `[N', T', C]`; no row is without values.

    Raises:
      InputError: `max_train_length` is below 1.

    References:
      Yue et al. 2022, TS2Vec: Towards Universal Representation of Time Series, arXiv 2106.10466; the steps are in the
      released code, not in the paper.
    """
    if max_train_length < 1:
        raise InputError(f"max_train_length: found {max_train_length}, want at least 1")
    sections = x.shape[1] // max_train_length
    if sections >= 2:
        x = split_sections(x, sections)
    # The released code centres all rows when any row misses its first or last step; the other rows do not move.
    margins = np.isnan(x[:, [0, -1]]).all(-1)
    if margins.any():
        x = centre(x)
    return x[~np.isnan(x).all((1, 2))]
