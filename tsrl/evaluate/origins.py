"""Forecast origins: the splits of a series, the origins, windows and targets they have, and the checks.

An origin t sees steps up to t and predicts `x[t+1..t+H]`. The origins of a split are its steps whose H targets all lie
inside it; what an origin sees may reach back into earlier splits.
"""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import NamedTuple

import numpy as np

from tsrl.errors import InputError


class Splits(NamedTuple):
    """Steps of the parts of a series, in order of time; each slice has a start and a stop."""

    train: slice
    valid: slice
    test: slice


def origins(split: slice, horizon: int, skip: int = 0) -> np.ndarray:
    """The forecast origins of a split: its steps without the first `skip` and the last `horizon`."""
    return np.arange(split.start + skip, split.stop - horizon)


def all_origins(splits: Splits, horizons: Sequence[int], skip: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Origins of train (without the first `skip`), valid and test for the shortest horizon: those of all horizons."""
    shortest = min(horizons)
    return origins(splits.train, shortest, skip), origins(splits.valid, shortest), origins(splits.test, shortest)


def cut_windows(x: np.ndarray, length: int) -> Callable[[np.ndarray], np.ndarray]:
    """The function from origins `[n]` to the windows `[n, length, C]` of x `[T, C]` that end at them."""
    every = np.lib.stride_tricks.sliding_window_view(x, length, axis=0)
    return lambda asked: np.ascontiguousarray(every[asked - (length - 1)].swapaxes(1, 2))


def window_means(x: np.ndarray, length: int) -> np.ndarray:
    """`[T, C]`: the mean of the `length` steps that end at each step; zeros before there are as many."""
    mean = np.zeros_like(x)
    mean[length - 1 :] = np.lib.stride_tricks.sliding_window_view(x, length, axis=0).mean(-1)
    return mean


def check_series(
    x: np.ndarray,
    splits: Splits,
    horizons: Sequence[int],
    *,
    skip: int = 0,
    look_back: int | None = None,
    scale: np.ndarray | None = None,
) -> np.ndarray:
    """The series to forecast in float64, after a check of what all protocols take.

    Args:
      x: `[T, C]` scaled values.
      splits: see `Splits`.
      horizons: steps ahead.
      skip: training origins left out.
      look_back: length of a window, all of which lies inside train for a training origin.
      scale: `[C]` or None.

    Returns:
      `[T, C]`.

    Raises:
      InputError: shapes; splits out of order, empty or outside the series; horizons that are no whole numbers from 1
        up, repeated, or too long for a split; NaN or infinity between the start of train and the end of test.
    """
    x = np.asarray(x)
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(f"x: found shape {x.shape}, want [T, C] with at least one step and one channel")
    bounds = [bound for split in splits for bound in (split.start, split.stop)]
    ordered = all(isinstance(bound, Integral) for bound in bounds) and bounds[0] >= 0 and bounds == sorted(bounds)
    if (
        not ordered
        or bounds[-1] > len(x)
        or any(split.start == split.stop or split.step is not None for split in splits)
    ):
        raise InputError(
            f"splits: found {splits}, want slices with start < stop and no step, one after another, "
            f"within {len(x)} steps"
        )
    if not len(horizons) or any(not isinstance(h, Integral) or isinstance(h, bool) or h < 1 for h in horizons):
        raise InputError(f"horizons: found {horizons!r}, want whole numbers from 1 up")
    if len(set(horizons)) < len(horizons):
        raise InputError(f"horizons: found {list(horizons)}, want each of them once")
    if look_back is not None:
        if not isinstance(look_back, Integral) or isinstance(look_back, bool) or look_back < 1:
            raise InputError(f"look_back: found {look_back!r}, want a whole number from 1 up")
        skip = look_back - 1
    elif not isinstance(skip, Integral) or skip < 0:
        raise InputError(f"skip: found {skip!r}, want a whole number from 0 up")
    for name, split in splits._asdict().items():
        left = split.stop - split.start - (skip if name == "train" else 0)
        if left <= max(horizons):
            context = "" if name != "train" or not skip else f", {max(left, 0)} after the first {skip}"
            rows = split.stop - split.start
            raise InputError(
                f"horizons: found {max(horizons)} for {rows} rows of {name}{context}, want more rows than steps ahead"
            )
    used = np.arange(splits.train.start, splits.test.stop)
    check_finite("x", x[used], used)
    if scale is not None and (np.shape(scale) != x.shape[1:] or not np.isfinite(scale).all()):
        raise InputError(f"scale: found shape {np.shape(scale)}, want {x.shape[1:]} finite numbers, one a channel of x")
    return x.astype(np.float64)


def check_finite(name: str, values: np.ndarray, rows: np.ndarray) -> None:
    """Refuses rows `[n, ...]` with NaN or infinity.

    Args:
      name: of the argument.
      values: its rows.
      rows: `[n]` their numbers.

    Raises:
      InputError: names the argument and the first such row.
    """
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise InputError(
            f"{name}: found NaN or infinity in {len(bad)} of {len(finite)} rows, the first {rows[bad[0]]}; "
            "want finite numbers"
        )


class Series(NamedTuple):
    """What is forecast, in float64.

    Attributes:
      x: `[C, T]`.
      anchors: `[C, V, T]` values of the origin that are subtracted from its targets and added back to the forecast, one
        variant of the forecast each.
    """

    x: np.ndarray
    anchors: np.ndarray

    def columns(self, channel: int, origins: np.ndarray, horizon: int) -> np.ndarray:
        """Anchors and future of one channel: `[n, V + H]`."""
        variants = self.anchors.shape[1]
        columns = np.empty((len(origins), variants + horizon))
        columns[:, :variants] = self.anchors[channel][:, origins].T
        columns[:, variants:] = np.lib.stride_tricks.sliding_window_view(self.x[channel], horizon)[origins + 1]
        return columns


def make_series(x: np.ndarray, anchors: Sequence[np.ndarray]) -> Series:
    """The series `[T, C]` and its anchors, each `[T, C]`, laid out for `ridge`."""
    return Series(
        np.ascontiguousarray(x.T, np.float64), np.ascontiguousarray(np.stack(anchors).transpose(2, 0, 1), np.float64)
    )
