"""Tables of the user's own data to series: `read_table`."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from tsrl.data.tables.columns import Keys, is_numeric, keys, numbers, row_list
from tsrl.data.tables.report import about_time, describe
from tsrl.data.tables.series import SeriesTable
from tsrl.data.tables.settings import Table
from tsrl.data.tables.source import Source, check_columns, read_source
from tsrl.data.tables.steps import (
    Rows,
    check_regular,
    in_order,
    resampled,
    since_previous,
    stepping,
    without_duplicates,
)
from tsrl.data.tables.time import Stamps, of_wall_clock, stamps, wall_clock
from tsrl.errors import InputError, nearest

__all__ = ["SeriesTable", "Table", "read_table"]

_DEFAULT = Table()
# 8 GiB of float32.
_LARGEST = 2**31
# Beyond it float32 no longer tells whole numbers apart.
_LARGEST_WHOLE = 2**24
_DAY = 86_400 * 10**6
_SHOWN = 5


class _Made(NamedTuple):
    """Rows in their order, each with its place in its series, and what is known of their time.

    `clock` is the zone whose wall clock the rows' time shows; None where it is as in `time`.
    """

    rows: Rows
    places: np.ndarray
    columns: tuple[str, ...]
    time: Stamps | None = None
    step: float | None = None
    clock: str | None = None
    about: Mapping[str, Any] = {}


def read_table(source: Any, settings: Table = _DEFAULT, /, **overrides: Any) -> SeriesTable:
    """Series of a table, checked.

    Nothing is changed that the settings do not ask for; `report` of the result says what was found and done.

    Args:
      source: the path of a .csv, .parquet or .jsonl (.ndjson) file, text also as .gz; a pandas or polars
        DataFrame, an Arrow table, or a mapping
        from names to arrays `[R]`. A data frame's index is a column too: by its name, or as "index". Rows need not be
        sorted by series. An empty cell is a missing value; so are NA, N/A, #N/A, <NA>, NaN, null and None in a .csv
        file, unless they are quoted in a column of text. A data frame's index, a column without a name and one named
        "Unnamed: 0", as pandas writes and reads its index, are channels only where `values` names them.
      settings: what the columns mean.
      overrides: settings by name, as in `read_table("sales.csv", id="shop", time="day")`.

    Returns:
      The series in order of first appearance, padded with NaN to the longest.

    Raises:
      InputError: a file that cannot be read, unknown columns or settings, cells of another kind, missing ids or time
        stamps, infinite values, series without values; labels, groups or splits that change inside a series; time that
        goes back, occurs twice or steps unequally, unless the settings say what to do. Names source, column, the
        rows (from 0, as in the table, without the header) and the setting.
    """
    settings = _overridden(settings, overrides)
    roles = settings.roles
    texts = [column for column, role in roles.items() if role != "values"]
    read = read_source(source, texts, settings)
    check_columns(read, roles)
    free = [name for name in read.table.column_names if name not in texts]
    columns = settings.values or tuple(
        name for name in free if name not in read.frame_index and is_numeric(read.table[name])
    )
    if not columns:
        raise InputError(f"{read.source}: values: found no column of numbers beside {texts}, want at least one")
    values = np.stack([numbers(read, name) for name in columns], -1)
    series = _series(read, settings)
    static = {
        role: None if name is None else _static(read, name, role, series)
        for role, name in [("label", settings.label), ("group", settings.group), ("split", settings.split)]
    }
    changes = _rounded(columns, values)
    made = (_wide if settings.layout == "wide" else _long)(read, settings, series, columns, values, changes)
    lengths = np.zeros(len(series.values), np.int64)
    np.maximum.at(lengths, made.rows.series, made.places + 1)
    x = _padded(made, lengths, read.source)
    empty = np.isnan(x[..., : len(columns)]).all((1, 2))
    if empty.any():
        lacking = ", ".join(str(id) for id in series.values[empty][:_SHOWN].tolist())
        raise InputError(
            f"{read.source}: found no value in {empty.sum()} series ({lacking}), want at least one in each"
        )
    report = describe(
        x,
        lengths,
        series.values,
        made.columns,
        source=read.source,
        rows=len(values),
        unused=tuple(name for name in free if name not in columns),
        changes=tuple(changes),
        **made.about,
    )
    return SeriesTable(
        read.name,
        read.source,
        x,
        series.values,
        made.columns,
        lengths,
        report,
        time=None if made.time is None else _padded_time(made, lengths),
        zone=None if made.time is None else made.time.zone,
        labels=static["label"],
        groups=static["group"],
        split=static["split"],
        id_name=settings.id or "id",
        time_name=settings.time or "step",
    )


def _overridden(settings: Table, overrides: Mapping[str, Any]) -> Table:
    known = [field.name for field in fields(Table)]
    given = dict(overrides)
    for name in given:
        if name not in known:
            raise InputError(f"{name}: not a setting of a table; {nearest(name, known)}")
    if "values" in given:
        values = given["values"]
        given["values"] = (values,) if isinstance(values, str) else tuple(map(str, values))
    # Names of a data frame's columns may be numbers.
    given |= {
        name: str(given[name]) for name in ("id", "time", "label", "group", "split") if given.get(name) is not None
    }
    if isinstance(given.get("every"), int | float):
        given["every"] = np.format_float_positional(given["every"], trim="-")
    return replace(settings, **given)


def _series(read: Source, settings: Table) -> Keys:
    """The series of each row."""
    count = read.table.num_rows
    if settings.id is not None:
        return keys(read, settings.id, "id")
    if settings.layout == "wide":
        return Keys(np.arange(count), np.arange(count))
    return Keys(np.zeros(count, np.int64), np.zeros(1, np.int64))


def _rounded(columns: tuple[str, ...], values: np.ndarray) -> list[str]:
    """Says which columns hold whole numbers that become others, often their neighbours, in float32."""
    largest: dict[str, float] = {}
    for name, column in zip(columns, values.T, strict=True):
        large = column[(np.abs(column) > _LARGEST_WHOLE) & (column == np.floor(column))]
        change = np.abs(large.astype(np.float32) - large) / np.abs(large)
        if change.any():
            largest[name] = change.max()
    if not largest:
        return []
    shown = ", ".join(map(repr, list(largest)[:_SHOWN])) + ", ..." * (len(largest) > _SHOWN)
    return [
        f"rounded to float32: whole numbers above 2^24 in {len(largest)} columns ({shown}), largest relative change "
        f"{max(largest.values()):.1e}"
    ]


def _static(read: Source, name: str, role: str, series: Keys) -> np.ndarray:
    """A column that is the same in all rows of a series, `[N]`."""
    found = keys(read, name, role)
    first = np.zeros(len(series.values), np.int64)
    first[series.codes[::-1]] = np.arange(len(series.codes))[::-1]
    changed = np.flatnonzero(found.codes != found.codes[first][series.codes])
    if len(changed):
        id = series.values[series.codes[changed[0]]]
        raise InputError(
            f"{read.source}: column {name!r} ({role}): found another value than the series had before in "
            f"{row_list(changed)} (series {id}), want one for each series"
        )
    return found.values[found.codes[first]]


def _wide(
    read: Source, settings: Table, series: Keys, columns: tuple[str, ...], values: np.ndarray, changes: list[str]
) -> _Made:
    """Every cell is a step; the missing ones at the end are beyond the series' end."""
    count, steps = values.shape
    row, place = np.repeat(np.arange(count), steps), np.tile(np.arange(steps), count)
    rows = Rows(row, series.codes[row], place, values.reshape(-1, 1))
    what = f"{read.source}: column {settings.id!r} (id)"
    rows = without_duplicates(in_order(rows, True, what, []), settings.on_duplicate, what, changes)
    rows = rows.take(~np.isnan(rows.values[:, 0]))
    return _Made(rows, rows.time, ("value",))


def _long(
    read: Source, settings: Table, series: Keys, columns: tuple[str, ...], values: np.ndarray, changes: list[str]
) -> _Made:
    """Every row is a step."""
    for column, observed in zip(columns, ~np.isnan(values).all(0), strict=True):
        if not observed:
            raise InputError(f"{read.source}: column {column!r}: found no value in any row, want some, or other values")
    time = stamps(read, settings) if settings.time is not None else None
    row = np.arange(len(values))
    rows = Rows(row, series.codes, row if time is None else time.values, values)
    what = f"{read.source}{'' if settings.id else ', as one series (no id)'}: column {settings.time!r} (time)"
    rows = in_order(rows, settings.on_unsorted == "sort", what, changes)
    rows = without_duplicates(rows, settings.on_duplicate, what, changes)
    places = _since_first(rows.series, np.arange(len(rows.row)))
    if time is None:
        return _Made(rows, places, columns)
    grid = stepping(rows, settings.step(time.calendar))
    about = about_time(rows, grid, time, series.values)
    step, clock = None, None
    if settings.irregular == "error":
        check_regular(rows, grid, about["step"], what)
    elif settings.irregular == "delta":
        since = since_previous(rows, 10**6 if time.calendar else 1)
        rows = rows._replace(values=np.concatenate([rows.values, since], 1))
        columns = (*columns, f"{settings.time}_delta")
        unit = "seconds" if time.calendar else "time"
        changes.append(f"added: the channel {columns[-1]}, {unit} since the step before")
    elif settings.irregular == "keep" and len(grid.irregular):
        changes.append("kept: steps of unequal length, as if they were equal")
    elif settings.irregular == "resample" and len(grid.irregular) and grid.step is not None:
        step = grid.step
        if time.calendar and settings.timezone is not None and step >= _DAY:
            clock = settings.timezone
            rows = rows._replace(time=wall_clock(rows.time, clock))
            # A clock that is set back at midnight shows the day before once more.
            rows = rows.take(np.lexsort((rows.time, rows.series)))
        rows, places = resampled(rows, step, settings.aggregate, changes)
        if clock is not None:
            changes.append(f"steps follow the clocks of {clock}")
        places = _since_first(rows.series, places)
    return _Made(rows, places, columns, time, step, clock, about)


def _since_first(series: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Places counted from the first of each series; `series` rises."""
    starts = np.flatnonzero(np.r_[True, series[1:] != series[:-1]])
    return places - np.repeat(places[starts], np.diff(np.r_[starts, len(places)]))


def _padded(made: _Made, lengths: np.ndarray, source: str) -> np.ndarray:
    shape = (len(lengths), int(lengths.max()), len(made.columns))
    if shape[0] * shape[1] * shape[2] > _LARGEST:
        raise InputError(
            f"{source}: found {shape[0]} series of up to {shape[1]} steps and {shape[2]} channels, padded more than "
            f"{_LARGEST} values, want fewer: a longer step (every), or shorter or fewer series"
        )
    x = np.full(shape, np.nan, np.float32)
    with np.errstate(over="ignore"):
        x[made.rows.series, made.places] = made.rows.values
    if np.isinf(x).any():
        raise InputError(f"{source}: found sums that float32 cannot hold, want smaller numbers")
    return x


def _padded_time(made: _Made, lengths: np.ndarray) -> np.ndarray:
    """Time stamps `[N, T]`; on a grid, steps without a row have theirs too."""
    assert made.time is not None
    stamped = made.rows.time
    floats = stamped.dtype.kind == "f"
    # The smallest int64 is NaT.
    time = np.full((len(lengths), lengths.max()), np.nan if floats else np.iinfo(np.int64).min, stamped.dtype)
    if made.step is None:
        time[made.rows.series, made.places] = stamped
    else:
        first = stamped[np.flatnonzero(made.places == 0)]
        series, place = np.nonzero(np.arange(lengths.max()) < lengths[:, None])
        found = first[series] + place * (made.step if floats else int(made.step))
        time[series, place] = found if made.clock is None else of_wall_clock(found, made.clock)
    return time.astype("datetime64[us]") if made.time.calendar else time
