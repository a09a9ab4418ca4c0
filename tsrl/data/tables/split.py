"""Splits of the user's own series into train and test, and what still reaches from one into the other."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from tsrl.data.draw import drawn, equal_series
from tsrl.data.tables.series import SeriesTable
from tsrl.errors import InputError, nearest

__all__ = ["leaks", "split"]

By = Literal["series", "group", "time", "column"]


def split(
    series: SeriesTable, by: By = "series", test_share: float = 0.2, seed: int = 0
) -> tuple[SeriesTable, SeriesTable]:
    """Train and test.

    Statistics such as a scaler's are to be computed on the first of the two alone.

    Args:
      series: all of them.
      by: "series" draws whole series; where that leaves at least one series of each label for test, on average, the
        same share of each. Series that are equal in every value stay together. "group" draws whole groups. "time" cuts
        all series at one time stamp, which has `test_share` of all steps at or after it, so that no series is trained
        on another's future; without time stamps it cuts the last `test_share` of each series' steps. "column" takes
        what the column `split` says.
      test_share: share of the series, for "time" of the steps; nearly, as series and groups are whole.
      seed: of the draw.

    Returns:
      Train and test, both with at least one series, in the order of `series`. Their reports are that of the
      whole table.

    Raises:
      InputError: an unknown way, a share that is not between 0 and 1, nothing left for one of the two, no groups, or a
        column that says anything but train and test.
    """
    if not 0 < test_share < 1:
        raise InputError(f"test_share: found {test_share}, want between 0 and 1")
    if by == "time":
        return _by_time(series, test_share)
    if by == "series":
        units = equal_series(series.x, series.lengths)
        test = drawn(units, series.labels, test_share, seed)
    elif by == "group":
        if series.groups is None:
            raise InputError("by: found 'group' in a table without groups, want the setting group, or by='series'")
        test = drawn(np.unique(series.groups, return_inverse=True)[1], None, test_share, seed)
    elif by == "column":
        if series.split is None:
            raise InputError("by: found 'column' in a table without that column, want the setting split")
        said = series.split.astype(str)
        test = said == "test"
        other = np.flatnonzero(~test & (said != "train"))
        if len(other):
            row = other[0]
            raise InputError(
                f"{series.source}: split: found {said[row].item()!r} for series {series.ids[row]}, want train or test"
            )
    else:
        raise InputError(f"by: found {by!r}; {nearest(str(by), ('series', 'group', 'time', 'column'))}")
    if test.all() or not test.any():
        raise InputError(
            f"by: found {test.sum()} of {len(test)} series for test when split by {by}, want some for train and some "
            "for test; by='time' splits a single series"
        )
    return series.take(np.flatnonzero(~test)), series.take(np.flatnonzero(test))


def leaks(train: SeriesTable, test: SeriesTable) -> tuple[str, ...]:
    """What reaches from train into test, in words; empty where nothing does.

    Args:
      train: the one part.
      test: the other.

    Returns:
      Series of test that are equal to one of train in every value. Where no series is in both, groups that are; where
      series are, their labels, and steps of train at or after the first step of test, if they have time stamps.
    """
    found = []
    shared = np.intersect1d(train.ids, test.ids)
    if train.groups is not None and test.groups is not None and not len(shared):
        groups = np.intersect1d(train.groups, test.groups).tolist()
        if groups:
            found.append(f"{len(groups)} groups are in both: {', '.join(map(str, groups[:5]))}")
    known = {series[:length].tobytes() for series, length in zip(train.x, train.lengths, strict=True)}
    equal = [
        id
        for id, series, length in zip(test.ids.tolist(), test.x, test.lengths, strict=True)
        if series[:length].tobytes() in known
    ]
    if equal:
        found.append(f"{len(equal)} series of test are equal to one of train: {', '.join(map(str, equal[:5]))}")
    if len(shared) and train.time is not None and test.time is not None:
        last, first = train.time[train.steps()].max(), test.time[test.steps()].min()
        if last >= first:
            found.append(f"{len(shared)} series are in both, and train ends at {last}, test begins at {first}")
    if len(shared) and train.labels is not None:
        found.append(f"{len(shared)} series are in both with their labels")
    return tuple(found)


def _by_time(series: SeriesTable, share: float) -> tuple[SeriesTable, SeriesTable]:
    inside = series.steps()
    if series.time is None:
        starts = series.lengths - np.rint(share * series.lengths).astype(np.int64)
        cut = "its last steps"
    else:
        stamps = np.sort(series.time[inside])
        at = stamps[-max(round(share * len(stamps)), 1)]
        starts = (inside & (series.time < at)).sum(1)
        cut = f"time {at}"
    early, late = np.flatnonzero(starts > 0), np.flatnonzero(starts < series.lengths)
    if not len(early) or not len(late):
        raise InputError(f"by: found no steps for {'train' if len(late) else 'test'} at {cut}, want another test_share")
    length = series.x.shape[1]
    place = np.arange(length)
    # Steps of test move to the front; what comes after wraps around and is cut off or is padding anyway.
    moved = (place + starts[:, None]) % length
    ends = series.lengths - starts

    def parts(array: np.ndarray, beyond: Any) -> tuple[np.ndarray, np.ndarray]:
        shape = (len(starts), length, *[1] * (array.ndim - 2))
        before, after = ((place < stop[:, None]).reshape(shape) for stop in (starts, ends))
        shifted = np.take_along_axis(array, moved.reshape(shape), 1)
        return np.where(before, array, beyond), np.where(after, shifted, beyond)

    x = parts(series.x, np.float32(np.nan))
    time: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
    if series.time is not None:
        # The smallest int64 is NaT.
        empty = np.nan if series.time.dtype.kind == "f" else np.array(np.iinfo(np.int64).min).astype(series.time.dtype)
        time = parts(series.time, empty)
    train = replace(series, x=x[0], lengths=starts, time=time[0]).take(early)
    return train, replace(series, x=x[1], lengths=ends, time=time[1]).take(late)
