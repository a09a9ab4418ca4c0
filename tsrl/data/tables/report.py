"""What was found in a table: lengths, steps, gaps, missing values, suspicious channels and series."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tsrl.data.draw import equal_series
from tsrl.data.tables.steps import Grid, Rows
from tsrl.data.tables.time import Stamps

# A channel whose level or spread changes by this factor has probably changed its unit or sensor. A straight line stays
# below it: at 3/4 of its way the spreads before and after are as 3 to 1.
JUMP = 10.0
_PARTS = 8
_LEAST = 2
_DRAWN = 16
# The standard deviation of a normal distribution for a median absolute deviation of 1.
_NORMAL = 1.4826
_SHOWN = 5
_DURATIONS = (("d", 86_400 * 10**6), ("h", 3600 * 10**6), ("min", 60 * 10**6), ("s", 10**6), ("ms", 10**3))


@dataclass(frozen=True)
class Validation:
    """What was found in a table and done with it; lists are cut to their first five entries beside the full count.

    Attributes:
      source: in words.
      rows: of the table.
      series: how many.
      lengths: shortest, median and longest, in steps.
      time_range: first and last time stamp, as text; None without time.
      time_zone: what was done about it.
      step: the step, as text: asked for, or the median.
      irregular_steps: how many steps had another length, before anything was done about it.
      gaps: places where whole steps are missing, and how many places: series, last step before, first after, steps.
      gap_count: how many gaps.
      missing: column -> missing values inside the series, where there are any.
      constant: channels with one value in all series.
      constant_in: channel -> how many of several series have the same value in it twice or more, and no other.
      jumps: series, channel, step and factor of the changes that `scale_jumps` finds.
      jump_count: how many.
      duplicates: groups of ids whose series are equal in every value.
      duplicate_count: how many series have an equal one before them.
      unused: columns that were not read.
      changes: what was changed, in words.
    """

    source: str
    rows: int
    series: int
    lengths: tuple[int, float, int]
    missing: dict[str, int]
    constant: tuple[str, ...]
    constant_in: dict[str, int]
    jumps: tuple[tuple[Any, str, int, float], ...]
    jump_count: int
    duplicates: tuple[tuple[Any, ...], ...]
    duplicate_count: int
    unused: tuple[str, ...]
    changes: tuple[str, ...]
    time_range: tuple[str, str] | None = None
    time_zone: str | None = None
    step: str | None = None
    irregular_steps: int = 0
    gaps: tuple[tuple[Any, str, str, int], ...] = ()
    gap_count: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            key: [list(entry) if isinstance(entry, tuple) else entry for entry in value]
            if isinstance(value, tuple)
            else value
            for key, value in asdict(self).items()
        }

    def __str__(self) -> str:
        short, median, long = self.lengths
        lines = [
            f"{self.source}: {self.rows} rows, {self.series} series of {short} to {long} steps (median {median:g})"
        ]
        if self.time_range:
            lines.append(f"time: {self.time_range[0]} to {self.time_range[1]}, step {self.step}; {self.time_zone}")
        if self.irregular_steps:
            lines.append(f"steps of another length: {self.irregular_steps}")
        gaps = [f"{id}: {before} to {after} ({steps} steps)" for id, before, after, steps in self.gaps]
        jumps = [f"{id}: {channel} at step {step} by {factor:.3g}" for id, channel, step, factor in self.jumps]
        equal = [" = ".join(map(str, ids)) for ids in self.duplicates]
        for what, count, entries in [
            ("gaps", self.gap_count, gaps),
            ("missing values", sum(self.missing.values()), _counted(self.missing)),
            ("constant channels", len(self.constant), list(self.constant[:_SHOWN])),
            ("series with a constant channel", sum(self.constant_in.values()), _counted(self.constant_in)),
            ("jumps of level or spread", self.jump_count, jumps),
            ("series equal to an earlier one", self.duplicate_count, equal),
            ("columns not read", len(self.unused), list(self.unused[:_SHOWN])),
        ]:
            if count:
                lines.append(f"{what}: {count} ({'; '.join(entries)})")
        return "\n".join([*lines, *(f"changed: {change}" for change in self.changes)])


def _counted(counts: dict[str, int]) -> list[str]:
    largest = sorted(counts.items(), key=lambda item: -item[1])
    return [f"{name}: {count}" for name, count in largest[:_SHOWN]]


def describe(
    x: np.ndarray,
    lengths: np.ndarray,
    ids: np.ndarray,
    columns: tuple[str, ...],
    **found: Any,
) -> Validation:
    """Looks at the series.

    Args:
      x: `[N, T, C]` float32, NaN = missing or beyond the end.
      lengths: `[N]` steps.
      ids: `[N]`.
      columns: names of the C channels.
      found: the fields of `Validation` that are not seen in the series.
    """
    inside = np.arange(x.shape[1]) < lengths[:, None]
    missing = (np.isnan(x) & inside[..., None]).sum((0, 1))
    low, high = np.fmin.reduce(x, 1), np.fmax.reduce(x, 1)
    constant = np.fmin.reduce(low, 0) == np.fmax.reduce(high, 0)
    several = (~np.isnan(x)).sum(1) > 1
    constant_in = ((low == high) & several).sum(0) if len(x) > 1 else np.zeros(len(columns), int)
    jumps = scale_jumps(x, lengths)
    twins = equal_series(x, lengths)
    groups: dict[int, list[int]] = {}
    for row in np.flatnonzero(twins != np.arange(len(x))):
        groups.setdefault(int(twins[row]), [int(twins[row])]).append(int(row))
    names = ids.tolist()
    return Validation(
        series=len(x),
        lengths=(int(lengths.min()), float(np.median(lengths)), int(lengths.max())),
        missing={column: int(count) for column, count in zip(columns, missing, strict=True) if count},
        constant=tuple(column for column, is_one in zip(columns, constant, strict=True) if is_one),
        constant_in={column: int(count) for column, count in zip(columns, constant_in, strict=True) if count},
        jumps=tuple((names[row], columns[channel], step, factor) for row, channel, step, factor in jumps[:_SHOWN]),
        jump_count=len(jumps),
        duplicates=tuple(tuple(names[row] for row in rows[:_SHOWN]) for rows in list(groups.values())[:_SHOWN]),
        duplicate_count=sum(len(rows) - 1 for rows in groups.values()),
        **found,
    )


def about_time(rows: Rows, grid: Grid, time: Stamps, ids: np.ndarray) -> dict[str, Any]:
    """The fields of `Validation` on time.

    Args:
      rows: before they are resampled.
      grid: of `stepping`.
      time: of `stamps`.
      ids: `[N]`.
    """

    def text(stamp: Any) -> str:
        if not time.calendar:
            return f"{stamp}"
        found = np.datetime64(int(stamp), "us")
        return str(found.astype("datetime64[s]") if stamp % 10**6 == 0 else found)

    step = None
    if grid.step is not None:
        unit, length = next(((unit, length) for unit, length in _DURATIONS if grid.step % length == 0), ("s", 10**6))
        step = f"{grid.step / length:.12g}{unit}" if time.calendar else f"{grid.step:.12g}"
    gaps = [
        (ids[rows.series[row]].item(), text(rows.time[row - 1]), text(rows.time[row]), int(missing))
        for row, missing in zip(grid.gaps[:_SHOWN], grid.missing, strict=False)
    ]
    return {
        "time_range": (text(rows.time.min()), text(rows.time.max())),
        "time_zone": time.treatment,
        "step": step,
        "irregular_steps": len(grid.irregular),
        "gaps": tuple(gaps),
        "gap_count": len(grid.gaps),
    }


def scale_jumps(x: np.ndarray, lengths: np.ndarray) -> list[tuple[int, int, int, float]]:
    """Channels whose level or spread changes for good, as when a unit or a sensor changes.

    The medians and the median absolute deviations (times 1.4826) of all that comes before and of all that comes after
    are compared at the second to sixth eighth of a series, on 16 steps drawn from each eighth. It is a jump where the
    medians differ by 10 times the larger deviation, or one deviation is 10 times the other. Series of fewer than 128
    steps are passed over.

    Args:
      x: `[N, T, C]` float32, NaN = missing or beyond the end.
      lengths: `[N]` steps.

    Returns:
      Series, channel, step and factor of each channel that jumps, the largest factor first. The step is the eighth at
      which the factor is largest; a change of spread may lie some eighths further.

    References:
      Rousseeuw and Croux 1993, Alternatives to the Median Absolute Deviation, for the deviation and its constant. The
      rule itself is a plain one of our own: a hint to look, no test.
    """
    rows = np.flatnonzero(lengths >= _PARTS * _DRAWN)
    if not len(rows):
        return []
    edges = lengths[rows, None] * np.arange(_PARTS + 1) // _PARTS
    # Random steps: evenly spaced ones could all fall on one phase of a season.
    share = np.random.default_rng(0).random((_PARTS, _DRAWN))
    steps = edges[:, :-1, None] + (share * np.diff(edges)[..., None]).astype(np.int64)
    drawn = x[rows[:, None, None], steps].reshape(len(rows), _PARTS * _DRAWN, -1)
    largest = np.zeros((len(rows), x.shape[-1]))
    where = np.zeros(largest.shape, np.int64)
    for part in range(_LEAST, _PARTS - _LEAST + 1):
        (before, before_spread), (after, after_spread) = (
            _level(side) for side in (drawn[:, : part * _DRAWN], drawn[:, part * _DRAWN :])
        )
        wide, narrow = np.maximum(before_spread, after_spread), np.minimum(before_spread, after_spread)
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.fmax(
                np.where(wide > 0, np.abs(before - after) / wide, 0), np.where(narrow > 0, wide / narrow, 0)
            )
        higher = factor > largest
        largest[higher], where[higher] = factor[higher], part
    found = [
        (int(rows[row]), int(channel), int(edges[row, where[row, channel]]), float(largest[row, channel]))
        for row, channel in np.argwhere(largest >= JUMP)
    ]
    return sorted(found, key=lambda jump: -jump[-1])


def _level(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and scaled median absolute deviation over axis 1, NaN where fewer than 8 of its values are there."""
    level = _median(values)
    return level, _NORMAL * _median(np.abs(values - level[:, None]))


def _median(values: np.ndarray) -> np.ndarray:
    count = (~np.isnan(values)).sum(1, keepdims=True)
    ordered = np.sort(values, 1)  # NaN last
    low, high = (np.take_along_axis(ordered, (count - odd).clip(0) // 2, 1) for odd in (1, 0))
    return np.where(count >= _DRAWN // 2, (low.astype(np.float64) + high) / 2, np.nan)[:, 0]
