"""Files that hold one long series with its dates: tables, .npz and Monash's .tsf."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsrl.data.locate import TABLE_SUFFIXES, suffix_of
from tsrl.data.npz import npz_source, readable
from tsrl.data.tables.settings import Table, check_unused
from tsrl.errors import InputError, nearest

SUFFIXES = (*TABLE_SUFFIXES, ".npz", ".tsf")
_DATE = "date"
# Monash's names of a step, in seconds or, of those that vary in length, months.
_TSF_SECONDS = {
    "minutely": 60,
    "10_minutes": 600,
    "half_hourly": 1800,
    "hourly": 3600,
    "daily": 86_400,
    "weekly": 604_800,
    "4_seconds": 4,
}
_TSF_MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}


class Read(NamedTuple):
    """What a file holds, not checked yet.

    Attributes:
      source: in words; the same on every machine.
      values: `[T, C]` float32.
      time: `[T]` datetime64[s].
      columns: C names.
      notes: what was found in a table of the user's own and done with it, in lines.
    """

    source: str
    values: np.ndarray
    time: np.ndarray
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_forecast_file(path: Path, table: Table, published: bool) -> Read:
    """Reads one long series.

    Args:
      path: of a file with one of `SUFFIXES`.
      table: what a table's columns mean; its `time` is by default the column date. Of other formats and of published
        tables `values` alone.
      published: a table is read as the field reads it: with time stamps that occur twice, and gaps.

    Raises:
      InputError: the file cannot be read or lacks a column, holds several series or no dates, or a setting does not
        apply; the message names file and column, or the setting.
    """
    suffix = suffix_of(path.name, SUFFIXES)
    if suffix in TABLE_SUFFIXES:
        if published and replace(table, values=()) == Table():
            return _read_published(path, table.values)
        return _read_table(path, table)
    check_unused(table, f"a {suffix} file", ("values",))
    read = _read_npz(path) if suffix == ".npz" else _read_tsf(path)
    return read._replace(**chosen(read.source, read.values, read.columns, table.values))


def chosen(source: str, values: np.ndarray, columns: Sequence[str], wanted: Sequence[str]) -> dict[str, Any]:
    """Some of the columns.

    Args:
      source: for messages.
      values: `[T, C]`.
      columns: C names.
      wanted: W of them; none: all.

    Returns:
      The values `[T, W]` and the names, as `values` and `columns`.

    Raises:
      InputError: there is no such column.
    """
    for column in wanted:
        if column not in columns:
            raise InputError(f"{source}: values: found no column {column!r}; {nearest(column, columns)}")
    names = tuple(wanted or columns)
    return {"values": values[:, [columns.index(name) for name in names]] if wanted else values, "columns": names}


def _read_published(path: Path, columns: Sequence[str]) -> Read:
    """A published table as it is: Weather's has a time stamp twice and a gap, and is in every published number so."""
    from tsrl.data.tables.columns import is_numeric, numbers
    from tsrl.data.tables.source import check_columns, read_source
    from tsrl.data.tables.time import stamps

    try:
        read = read_source(path, [_DATE], Table())
    except InputError:
        # Weather's file is latin-1, in which every byte is a character.
        read = read_source(path, [_DATE], Table(encoding="latin-1"))
    check_columns(read, {_DATE: "time"} | dict.fromkeys(columns, "values"))
    names = columns or [
        name
        for name in read.table.column_names
        if name != _DATE and name not in read.frame_index and is_numeric(read.table[name])
    ]
    if not names:
        raise InputError(f"{read.source}: values: found no column of numbers beside {_DATE!r}, want at least one")
    values = np.stack([numbers(read, name) for name in names], -1).astype(np.float32)
    time = stamps(read, Table(time=_DATE))
    if not time.calendar:
        raise InputError(f"{read.source}: column {_DATE!r} (time): found numbers, want dates")
    return Read(read.source, values, _in_seconds(time.values.astype("datetime64[us]"), read.source), tuple(names))


def _read_table(path: Path, table: Table) -> Read:
    """A table of the user's own, in which nothing is passed over that its settings do not ask for."""
    for name in ("label", "group", "split"):
        if getattr(table, name) is not None:
            raise InputError(f"{name}: found {getattr(table, name)!r}, want none: no forecast uses it")
    if table.layout == "wide":
        raise InputError("layout: found 'wide', want long: a row for each time step, a column for each channel")
    if table.irregular == "delta":
        raise InputError(
            "irregular: found 'delta', want error, resample or keep: a channel of the time between steps would be "
            "forecast like the others"
        )
    from tsrl.data.tables.read import read_table

    read = read_table(path, table, time=table.time or _DATE)
    if len(read) > 1:
        shown = ", ".join(map(str, read.ids[:3])) + ", ..." * (len(read) > 3)
        raise InputError(
            f"{read.source}: column {table.id!r} (id): found {len(read)} series ({shown}), want one: a file for each "
            "series, or no id and the series as columns of one table"
        )
    assert read.time is not None
    if read.time.dtype.kind != "M":
        raise InputError(
            f"{read.source}: column {read.time_name!r} (time): found numbers, such as {read.time[0, 0]}, want dates, "
            "whose calendar is part of the input; time_format reads dates written as numbers, such as %Y%m%d"
        )
    return Read(
        read.source,
        read.x[0],
        _in_seconds(read.time[0], read.source),
        read.columns,
        tuple(str(read.report).splitlines()),
    )


def _in_seconds(time: np.ndarray, source: str) -> np.ndarray:
    """`[T]` datetime64[s] of datetime64 that are whole seconds."""
    whole = time.astype("datetime64[s]")
    broken = np.flatnonzero(whole != time)
    if len(broken):
        raise InputError(
            f"{source}: time: found {time[broken[0]]} in step {broken[0]}, want whole seconds (in a table "
            "irregular=resample with every=1s makes them)"
        )
    return whole


def _read_npz(path: Path) -> Read:
    source = npz_source(path)
    with readable(source, "no readable arrays"), np.load(path, allow_pickle=False) as stored:
        if missing := [key for key in ("values", "time") if key not in stored.files]:
            raise InputError(f"{source}: found no {', '.join(missing)}, want values [T, C] and time [T]")
        values, time = stored["values"], stored["time"]
        names = stored["columns"] if "columns" in stored.files else None
    if values.ndim != 2 or values.dtype.kind not in "iuf":
        raise InputError(f"{source}: values: found {values.dtype} of shape {values.shape}, want numbers [T, C]")
    if time.shape != values.shape[:1]:
        raise InputError(f"{source}: time: found shape {time.shape}, want {values.shape[:1]} as values")
    if time.dtype.kind == "U":
        with readable(f"{source}: time", "text that is no date"):
            time = time.astype("datetime64[us]")
    if time.dtype.kind != "M" or np.isnat(time).any():
        raise InputError(f"{source}: time: found {time.dtype} values, want datetime64 or ISO text, none missing")
    columns = [str(i) for i in range(values.shape[1])] if names is None else [str(name) for name in names]
    if len(columns) != values.shape[1]:
        raise InputError(f"{source}: columns: found {len(columns)} names, want {values.shape[1]} as values")
    return Read(source, values.astype(np.float32), _in_seconds(time, source), tuple(columns))


def _read_tsf(path: Path) -> Read:
    from aeon.datasets import load_from_tsf_file

    source = f"tsf file {path.name}"
    with readable(source, "no readable .tsf file"):
        frame, about = load_from_tsf_file(str(path))
        series = [np.asarray(values, np.float64) for values in frame["series_value"]]
        names = [str(name) for name in frame["series_name"]]
    if len({len(one) for one in series}) != 1:
        raise InputError(f"{source}: found series of unequal length, want one length: each becomes a column")
    if "start_timestamp" not in frame or frame["start_timestamp"].nunique() != 1:
        raise InputError(f"{source}: found no common start_timestamp, want one for all series")
    frequency, start = about.get("frequency"), frame["start_timestamp"].iloc[0]
    count = np.arange(len(series[0]))
    if frequency in _TSF_SECONDS:
        time = np.datetime64(start, "s") + count * np.timedelta64(_TSF_SECONDS[frequency], "s")
    elif frequency in _TSF_MONTHS:
        time = (np.datetime64(start, "M") + count * _TSF_MONTHS[frequency]).astype("datetime64[s]")
    else:
        known = ", ".join((*_TSF_SECONDS, *_TSF_MONTHS))
        raise InputError(f"{source}: found the frequency {frequency!r}, want one of {known}")
    return Read(source, np.stack(series, -1).astype(np.float32), time, tuple(names))
