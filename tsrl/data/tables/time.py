"""Time stamps of a table: dates in any zone, or numbers."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tsrl.data.anomaly.files import parsed
from tsrl.data.tables.columns import first_failing, row_list
from tsrl.data.tables.settings import Table
from tsrl.data.tables.source import Source, arrow_errors
from tsrl.errors import InputError

_NAIVE, _UTC = pa.timestamp("us"), pa.timestamp("us", "UTC")
# Tried where the text is not ISO 8601. Dates with slashes are read year first only: 01/02 may be either month. strptime
# takes fewer than four digits for a year, so each format stands beside the beginning that its dates must have.
_FORMATS = tuple(
    (f"{day}{time}", begins)
    for day, begins in (("%Y/%m/%d", r"^\d{4}/"), ("%d.%m.%Y", r"^\d{1,2}\.\d{1,2}\.\d{4}(\s|$)"))
    for time in (" %H:%M:%S", " %H:%M", "")
)
_SHORT_YEAR = r"^\d{1,2}[./-]\d{1,2}[./-]\d{1,2}([\sT]|$)"
# No time stamp of a series is earlier: a smaller year is one of two digits that was read as it stands.
_FIRST = int(np.datetime64("1000", "us").astype(np.int64))

_LIKE_DATES = " that look like dates, which time_format=%Y%m%d reads"
# Differences of larger whole numbers may not be whole numbers of 64 bits.
_LARGEST = 2.0**62


class Stamps(NamedTuple):
    """A column of time stamps.

    Attributes:
      values: `[R]` int64, microseconds since 1970; or the column's own numbers, int64 or float64.
      calendar: they are dates.
      zone: "UTC", or None where the stamps are in a zone of their own or numbers.
      treatment: what was done about the zone, for the report.
    """

    values: np.ndarray
    calendar: bool
    zone: str | None
    treatment: str


def stamps(source: Source, settings: Table) -> Stamps:
    """The column `settings.time`.

    Args:
      source: the table.
      settings: with `time`, which the table has.

    Returns:
      The stamps, dates in UTC where the column or the settings say their zone.

    Raises:
      InputError: missing or other cells, stamps of both kinds, stamps finer than a microsecond or before the year
        1000, an unknown zone, or local times that its clock change skips or repeats; names column, rows and cell.
    """
    name = settings.time
    column = source.table[name]
    what = f"{source.source}: column {name!r} (time)"
    with arrow_errors(what):
        text = pa.types.is_string(column.type)
        if text:
            column = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.equal(column, ""), None, column)
        elif pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), None, column)
        empty = np.flatnonzero(column.is_null().to_numpy())
        if len(empty):
            raise InputError(f"{what}: found no value in {row_list(empty)}, want a time stamp in every row")
        if text:
            column = _from_text(column, settings.time_format, what)
        kind = column.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            if settings.timezone is not None:
                raise InputError(f"timezone: found {settings.timezone!r}, but the time stamps are numbers, want none")
            values = column.cast(pa.int64() if pa.types.is_integer(kind) else pa.float64()).to_numpy()
            infinite = np.flatnonzero(~(np.abs(values.astype(np.float64)) < _LARGEST))
            if len(infinite):
                raise InputError(
                    f"{what}: found {values[infinite[0]]} in {row_list(infinite)}, want numbers below 2^62"
                )
            return Stamps(values, False, None, "numbers" + (_LIKE_DATES if _like_dates(values) else ""))
        if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            raise InputError(f"{what}: found {kind} values, want dates or numbers")
        offsets = pa.types.is_timestamp(kind) and kind.tz is not None
        try:
            column = column.cast(_UTC if offsets else _NAIVE)
        except pa.ArrowInvalid as error:
            raise InputError(f"{what}: found stamps finer than a microsecond, want coarser ones, or numbers") from error
        early = np.flatnonzero(_microseconds(column) < _FIRST)
        if len(early):
            raise InputError(
                f"{what}: found {str(column[early[0]])[:10]} in {row_list(early)}, want years of four digits from 1000 "
                "on; time_format reads others: %y is a year of two digits"
            )
        if offsets:
            return Stamps(_microseconds(column), True, "UTC", "offsets or a zone in the table, turned into UTC")
        if settings.timezone is None:
            return Stamps(_microseconds(column), True, None, "no zone given, taken as they are")
        local = _microseconds(_localised(column, settings.timezone, what))
        return Stamps(local, True, "UTC", f"read in {settings.timezone}, turned into UTC")


def _from_text(column: pa.ChunkedArray, time_format: str | None, what: str) -> pa.ChunkedArray:
    if time_format is not None:
        with parsed(f"time_format {time_format!r}"):
            found = pc.strptime(column, format=time_format, unit="us", error_is_null=True)
        wrong = np.flatnonzero(found.is_null().to_numpy())
        if len(wrong):
            cell = column[wrong[0]].as_py()
            raise InputError(f"{what}: found {cell!r} in row {wrong[0]}, want the time_format {time_format!r}")
        return found
    for kind in (pa.int64(), pa.float64(), _NAIVE, _UTC):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue
    for form, begins in _FORMATS:
        if pc.all(pc.match_substring_regex(column, begins)).as_py():
            found = pc.strptime(column, format=form, unit="us", error_is_null=True)
            if not found.null_count:
                return found
    short = np.flatnonzero(pc.match_substring_regex(column, _SHORT_YEAR).to_numpy())
    if len(short):
        raise InputError(
            f"{what}: found {column[short[0]].as_py()!r} in {row_list(short)}, a year of two digits, want four, or a "
            "time_format such as %d.%m.%y"
        )
    # The kind that the first rows have is the one that was meant.
    row = max(first_failing(column, kind) or 0 for kind in (_NAIVE, _UTC))
    raise InputError(
        f"{what}: found {column[row].as_py()!r} in row {row}, want one kind in all rows: numbers, or ISO 8601 down to "
        "microseconds, with an offset such as +01:00 in all or in none; or say its time_format"
    )


def _localised(column: pa.ChunkedArray, zone: str, what: str) -> pa.ChunkedArray:
    try:
        early, late = (
            pc.assume_timezone(column, zone, ambiguous=side, nonexistent=side) for side in ("earliest", "latest")
        )
    except pa.ArrowInvalid as error:
        raise _no_zone(zone, error) from error
    doubtful = np.flatnonzero(_microseconds(early) != _microseconds(late))
    if not len(doubtful):
        return early
    # Local times that the clock skips do not come back from UTC.
    returned = pc.local_timestamp(early.take(pa.array(doubtful)))
    repeated = _microseconds(returned) == _microseconds(column.take(pa.array(doubtful)))
    for rows, wrong in ((doubtful[~repeated], "skips"), (doubtful[repeated], "repeats")):
        if len(rows):
            raise InputError(
                f"{what}: found {column[rows[0]].as_py()} in {row_list(rows)}, a local time that the clock change in "
                f"{zone} {wrong}, want stamps with an offset such as +01:00"
            )
    raise AssertionError("every doubtful row is skipped or repeated")


def _like_dates(values: np.ndarray) -> bool:
    """Whether all numbers could be dates such as 19970131."""
    year, month, day = values // 10_000, values // 100 % 100, values % 100
    plausible = (year >= 1900) & (year <= 2100) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return bool(plausible.all()) and values.dtype.kind == "i"


def wall_clock(time: np.ndarray, zone: str) -> np.ndarray:
    """What the clocks of a zone show.

    Args:
      time: `[R]` int64, microseconds of UTC since 1970.
      zone: such as Europe/Berlin.

    Returns:
      `[R]` int64, microseconds since the zone's own midnight of 1970-01-01, as if no clock had ever been changed.

    Raises:
      InputError: an unknown zone.
    """
    try:
        return _microseconds(pc.local_timestamp(pa.chunked_array([time]).cast(pa.timestamp("us", zone))))
    except pa.ArrowInvalid as error:
        raise _no_zone(zone, error) from error


def of_wall_clock(time: np.ndarray, zone: str) -> np.ndarray:
    """The first moment of UTC at which the clocks of a zone show a time, or jump over it; types as in `wall_clock`."""
    column = pa.chunked_array([time]).cast(_NAIVE)
    return _microseconds(pc.assume_timezone(column, zone, ambiguous="earliest", nonexistent="latest"))


def _no_zone(zone: str, error: Exception) -> InputError:
    return InputError(f"timezone: found {zone!r}, want a zone such as Europe/Berlin or UTC ({error})")


def _microseconds(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.int64()).to_numpy()
