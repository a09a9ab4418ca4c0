"""Rows of a table in the order of series and time: duplicates, gaps and steps of unequal length."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tsrl.data.tables.columns import row_list
from tsrl.errors import InputError

# Time stamps that are broken numbers are equal to a step but for rounding.
_ROUNDING = 1e-6
_MANY = 2.0**60


class Rows(NamedTuple):
    """Rows of a table, of several series.

    Attributes:
      row: `[R]` int64, their number in the table; of merged rows the first.
      series: `[R]` int64 codes.
      time: `[R]` int64 or float64; the rows' number in a table without time stamps.
      values: `[R, C]` float64, NaN = missing.
    """

    row: np.ndarray
    series: np.ndarray
    time: np.ndarray
    values: np.ndarray

    def take(self, chosen: np.ndarray) -> "Rows":
        """Some of the rows, by index or mask."""
        return Rows(*(part[chosen] for part in self))


class Grid(NamedTuple):
    """How the time of the rows steps.

    Attributes:
      step: the length that was asked for, or the median one; None where no series has two rows.
      gaps: `[G]` the rows (their index) before which whole steps are missing; none where fewer than half of the steps
        are, to the nearest whole number, one median step.
      missing: `[G]` how many.
      irregular: `[I]` the rows whose time is not one step after the row before.
    """

    step: float | None
    gaps: np.ndarray
    missing: np.ndarray
    irregular: np.ndarray


def in_order(rows: Rows, sort: bool, what: str, changes: list[str]) -> Rows:
    """The rows of each series together, in the order of time; of equal times in the order of the table.

    Args:
      rows: in any order.
      sort: rows whose time goes back are sorted, not refused.
      what: the time column, for messages.
      changes: what was done is added to it.

    Returns:
      All rows.

    Raises:
      InputError: time goes back inside a series.
    """
    if (np.diff(rows.series) < 0).any():
        rows = rows.take(np.argsort(rows.series, kind="stable"))
    backwards = 1 + np.flatnonzero((rows.series[1:] == rows.series[:-1]) & (rows.time[1:] < rows.time[:-1]))
    if not len(backwards):
        return rows
    if not sort:
        raise InputError(
            f"{what}: found a time before that of the series' previous row in {row_list(rows.row[backwards])}, want "
            "rising time; on_unsorted=sort sorts"
        )
    changes.append(f"sorted: time went back in {row_list(rows.row[backwards])}")
    return rows.take(np.lexsort((rows.time, rows.series)))


def without_duplicates(rows: Rows, how: str, what: str, changes: list[str]) -> Rows:
    """One row for each series and time.

    Args:
      rows: as `in_order` returns them.
      how: "error", "first", "last", "mean" or "sum".
      what: the columns of series and time, for messages.
      changes: what was done is added to it.

    Returns:
      The rows, fewer where some were dropped or merged.

    Raises:
      InputError: `how` is "error" and there are such rows.
    """
    again = (rows.series[1:] == rows.series[:-1]) & (rows.time[1:] == rows.time[:-1])
    if not again.any():
        return rows
    starts = np.flatnonzero(np.r_[True, ~again])
    doubles = 1 + np.flatnonzero(again)
    before, after = rows.values[doubles - 1], rows.values[doubles]
    same = int(((before == after) | (np.isnan(before) & np.isnan(after))).all(-1).sum())
    found = f"the series and time of another row in {row_list(rows.row[doubles])} ({same} of them repeat all values)"
    if how == "error":
        raise InputError(f"{what}: found {found}, want one row; on_duplicate=first, last, mean or sum chooses")
    if how in ("mean", "sum"):
        changes.append(f"merged to their {how}: {found}")
        return rows.take(starts)._replace(values=aggregated(rows.values, starts, how))
    changes.append(f"kept the {how}: {found}")
    return rows.take(starts if how == "first" else np.r_[starts[1:], len(rows.row)] - 1)


def stepping(rows: Rows, every: float | None) -> Grid:
    """How the time of the rows steps.

    Args:
      rows: with time, as `without_duplicates` returns them.
      every: the step that is asked for; by default the median over all series.
    """
    inside = 1 + np.flatnonzero(rows.series[1:] == rows.series[:-1])
    steps = rows.time[inside] - rows.time[inside - 1]
    none = np.zeros(0, np.int64)
    if every is None and not len(steps):
        return Grid(None, none, none, none)
    # The lower median: a step that occurs.
    step = float(np.partition(steps, (len(steps) - 1) // 2)[(len(steps) - 1) // 2]) if every is None else every
    missing = _whole(steps, step) - 1
    gaps = missing > 0
    # Where few steps are near the median it is no step of a grid that others miss.
    if every is None and (missing == 0).mean() < 0.5:
        gaps = np.zeros(len(steps), bool)
    return Grid(step, inside[gaps], missing[gaps], inside[np.abs(steps - step) > _tolerance(rows.time, step)])


def resampled(rows: Rows, step: float, aggregate: str, changes: list[str]) -> tuple[Rows, np.ndarray]:
    """The rows on a grid of equal steps.

    Where all stamps of each series are whole steps apart they stay as they are. Otherwise the grid is the multiples of
    the step since 1970, or since 0, and a value belongs to the multiple at or before it.

    Args:
      rows: with time that rises in each series.
      step: in the unit of time.
      aggregate: "mean", "last", "sum", "max" or "min" of the values of a channel that are there.
      changes: what was done is added to it.

    Returns:
      A row for each series and step with any row, and its place on the grid, `[R']` int64.
    """
    if rows.time.dtype.kind == "i" and step == int(step):
        step = int(step)
    first = np.flatnonzero(np.r_[True, rows.series[1:] != rows.series[:-1]])
    since = rows.time - np.repeat(rows.time[first], np.diff(np.r_[first, len(rows.row)]))
    places = _whole(since, step)
    origin = rows.time - since
    if (np.abs(since - places * step) > _tolerance(rows.time, step)).any():
        origin = np.zeros_like(rows.time)
        exact = isinstance(step, int)
        places = rows.time // step if exact else _whole(rows.time, step, np.floor)
    starts = np.flatnonzero(np.r_[True, (rows.series[1:] != rows.series[:-1]) | (places[1:] != places[:-1])])
    merged = rows.take(starts)._replace(values=aggregated(rows.values, starts, aggregate))
    changes.append(f"resampled: {len(rows.row)} rows became {len(starts)} steps, their {aggregate}")
    return merged._replace(time=origin[starts] + places[starts] * step), places[starts]


def _whole(time: np.ndarray, step: float, rounded: Callable[[np.ndarray], np.ndarray] = np.rint) -> np.ndarray:
    """How many steps; more than could ever be stored are cut to that."""
    with np.errstate(over="ignore"):
        return rounded(np.clip(time / step + _ROUNDING * (rounded is np.floor), -_MANY, _MANY)).astype(np.int64)


def _tolerance(time: np.ndarray, step: float) -> float:
    return _ROUNDING * step + 4 * np.spacing(np.abs(time).max()) if time.dtype.kind == "f" else 0.0


def aggregated(values: np.ndarray, starts: np.ndarray, how: str) -> np.ndarray:
    """Of each run of rows one row; missing values are passed over.

    Args:
      values: `[R, C]` float64, NaN = missing.
      starts: `[G]` first row of each run, rising from 0.
      how: "mean", "last", "sum", "max" or "min".

    Returns:
      `[G, C]`, NaN where a run has no value.
    """
    if how in ("max", "min"):
        return (np.fmax if how == "max" else np.fmin).reduceat(values, starts)
    observed = ~np.isnan(values)
    if how == "last":
        last = np.maximum.reduceat(np.where(observed, np.arange(len(values))[:, None], -1), starts)
        return np.where(last < 0, np.nan, np.take_along_axis(values, last.clip(0), 0))
    count = np.add.reduceat(observed, starts, dtype=np.int64)
    total = np.add.reduceat(np.where(observed, values, 0), starts)
    return np.where(count > 0, total / count.clip(1) if how == "mean" else total, np.nan)


def since_previous(rows: Rows, unit: float) -> np.ndarray:
    """Time since the series' previous row, in units of `unit`; 0 in the first row.

    Returns:
      `[R, 1]` float64.
    """
    inside = rows.series[1:] == rows.series[:-1]
    since = np.zeros((len(rows.row), 1))
    since[1:, 0] = np.where(inside, (rows.time[1:] - rows.time[:-1]) / unit, 0.0)
    return since


def check_regular(rows: Rows, grid: Grid, step: str, what: str) -> None:
    """Refuses steps of unequal length.

    Args:
      rows: with time.
      grid: of `stepping`.
      step: its step in words.
      what: the time column, for messages.

    Raises:
      InputError: says in which rows, and what the setting `irregular` offers.
    """
    if len(grid.irregular):
        raise InputError(
            f"{what}: found a step of another length than {step} before {row_list(rows.row[grid.irregular])}, "
            f"{len(grid.gaps)} of them gaps, want equal steps; irregular=resample, delta or keep chooses"
        )
