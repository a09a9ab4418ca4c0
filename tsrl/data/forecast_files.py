"""Files that hold one long series with its dates: tables, .npz and Monash's .tsf."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsrl.data.locate import TABLE_SUFFIXES, suffix_of
from tsrl.data.npz import npz_source, readable
from tsrl.errors import InputError, nearest

SUFFIXES = (*TABLE_SUFFIXES, ".npz", ".tsf")
_DATE_FORMATS = (
    "%Y/%m/%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y-%m-%dT%H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
)
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
    """

    source: str
    values: np.ndarray
    time: np.ndarray
    columns: tuple[str, ...]


def read_forecast_file(path: Path, date: str, columns: Sequence[str]) -> Read:
    """Reads one long series.

    Args:
      path: of a file with one of `SUFFIXES`.
      date: a table's column of dates.
      columns: the values' columns, of all formats; none: all but the dates.

    Raises:
      InputError: the file cannot be read or lacks a column; the message names file and column.
    """
    suffix = suffix_of(path.name, SUFFIXES)
    if suffix == ".npz":
        return _chosen(_read_npz(path), columns)
    if suffix == ".tsf":
        return _chosen(_read_tsf(path), columns)
    source = f"{suffix[1:]} file {path.name}"
    table = _read_parquet(path, source) if suffix == ".parquet" else _read_csv(path, source, date)
    return _read_table(table, source, date, columns)


def _chosen(read: Read, columns: Sequence[str]) -> Read:
    if not columns:
        return read
    for column in columns:
        if column not in read.columns:
            raise InputError(f"{read.source}: found no column {column!r}; {nearest(column, read.columns)}")
    places = [read.columns.index(column) for column in columns]
    return read._replace(values=read.values[:, places], columns=tuple(columns))


def _read_csv(path: Path, source: str, date: str) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    convert = csv.ConvertOptions(column_types={date: pa.timestamp("s")}, timestamp_parsers=list(_DATE_FORMATS))
    try:
        # Weather's file is latin-1, in which every byte is a character: it reads UTF-8 numbers as well.
        return csv.read_csv(path, csv.ReadOptions(encoding="latin-1"), convert_options=convert)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{source}: {str(error).splitlines()[0]}") from error


def _read_parquet(path: Path, source: str) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{source}: found no readable parquet file ({str(error).splitlines()[0]})") from error


def _read_table(table: Any, source: str, date: str, chosen: Sequence[str]) -> Read:
    import pyarrow as pa

    names = table.column_names
    columns = list(chosen) or [column for column in names if column != date]
    if date not in names or not columns:
        raise InputError(
            f"{source}: found the columns {names[:10]}, want {date} and at least one more "
            "(--table.time names another column of dates)"
        )
    if len(set(names)) < len(names):
        raise InputError(f"{source}: found the columns {names[:10]}, want each name once")
    for column in columns:
        if column not in names:
            raise InputError(f"{source}: found no column {column!r}; {nearest(column, names)}")
        kind = table.schema.field(column).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise InputError(f"{source}: column {column!r}: found {kind} values, want numbers")
    values = np.stack([table[column].to_numpy().astype(np.float32) for column in columns], -1)
    if table[date].null_count:
        raise InputError(f"{source}: {date}: found {table[date].null_count} empty cells, want a date in every row")
    return Read(source, values, _dates(table[date], source, date), tuple(columns))


def _dates(column: Any, source: str, date: str) -> np.ndarray:
    """`[T]` datetime64[s]; stamps with an offset become UTC."""
    import pyarrow as pa
    from pyarrow import compute

    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return column.to_numpy().astype("datetime64[s]")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        for form in _DATE_FORMATS:
            parsed = compute.strptime(column, form, "s", error_is_null=True)
            if not parsed.null_count:
                return parsed.to_numpy().astype("datetime64[s]")
    raise InputError(f"{source}: {date}: found {kind} values such as {column[0]}, want dates")


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
            time = time.astype("datetime64[s]")
    if time.dtype.kind != "M" or np.isnat(time).any():
        raise InputError(f"{source}: time: found {time.dtype} values, want datetime64 or ISO text, none missing")
    columns = [str(i) for i in range(values.shape[1])] if names is None else [str(name) for name in names]
    if len(columns) != values.shape[1]:
        raise InputError(f"{source}: columns: found {len(columns)} names, want {values.shape[1]} as values")
    return Read(source, values.astype(np.float32), time.astype("datetime64[s]"), tuple(columns))


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
