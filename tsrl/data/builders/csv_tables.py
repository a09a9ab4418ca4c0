"""Series to forecast in their published text formats."""

import csv
import datetime
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tsrl.data.builders.inside import contents
from tsrl.data.builders.spec import Series, as_float32
from tsrl.errors import InputError


def read_dated_csv(paths: Sequence[Path], columns: tuple[str, ...]) -> Series:
    """A CSV file of a date and numbers: ETT, WTH, and Autoformer's copies of Exchange and Weather.

    Args:
      paths: of the file, plain or alone in an archive; latin-1, in which every byte is a character.
      columns: wanted besides `date`, in the order to return them; characters beyond ASCII are not compared, which
        Weather's file has lost.

    Returns:
      The series, under the wanted names.

    Raises:
      InputError: another header, a row of another length, a cell that is no number or no date; the message names the
        file, the row (1 is the first after the header) and the column.
    """
    (path,) = paths
    return _table(path.name, contents(path, [".csv"])[0], "date", columns, _iso_or_slashes)


def read_jena_halves(paths: Sequence[Path], columns: tuple[str, ...]) -> Series:
    """The station's own half-years, of which Weather is made: `Date Time` is day.month.year, the last column CO2.

    Args:
      paths: of the archives in the order of time.
      columns: Weather's; its last, OT, stands for the station's `CO2 (ppm)`.

    Returns:
      The halves one after the other.

    Raises:
      InputError: as `read_dated_csv`.
    """
    published = (*columns[:-1], "CO2 (ppm)")
    halves = [_table(path.name, contents(path, [".csv"])[0], "Date Time", published, _day_first) for path in paths]
    values, time = (np.concatenate([half[part] for half in halves]) for part in (0, 1))
    return Series(values, time, columns)


def read_lstnet_exchange(paths: Sequence[Path], columns: tuple[str, ...]) -> Series:
    """LSTNet's exchange_rate.txt.gz: the same numbers as Autoformer's file, without dates.

    Args:
      paths: of the file, gzipped or not.
      columns: names to give.

    Returns:
      The series, dated as Autoformer's file is: one calendar day a row from 1990-01-01.

    Raises:
      InputError: a damaged file, a row of another length, a cell that is no number.
    """
    (path,) = paths
    content = contents(path, [""])[0]
    rows = list(_rows(path.name, csv_rows(path.name, content), len(columns)))
    values = as_float32([_numbers(path.name, line, cells, columns) for line, cells in rows])
    start = np.datetime64("1990-01-01", "s")
    return Series(values.reshape(-1, len(columns)), start + np.arange(len(rows)) * np.timedelta64(86_400, "s"), columns)


def csv_rows(source: str, content: bytes) -> Iterator[list[str]]:
    """The rows of a CSV file in latin-1, in which every byte is a character.

    Raises:
      InputError: quotes that swallow the file.
    """
    try:
        yield from csv.reader(io.StringIO(content.decode("latin-1"), newline=""))
    except csv.Error as error:
        raise InputError(f"{source}: found no CSV file ({error})") from error


def _table(
    source: str, content: bytes, date: str, columns: tuple[str, ...], parse: Callable[[str], datetime.datetime]
) -> Series:
    lines = csv_rows(source, content)
    header = next(lines, [])
    plain = [_ascii(name) for name in header]
    wanted = [_ascii(name) for name in (date, *columns)]
    if sorted(plain) != sorted(wanted):
        raise InputError(f"{source}: found the columns {header}, want {[date, *columns]}")
    order = [plain.index(name) for name in wanted]
    time, values = [], []
    for row, found in _rows(source, lines, len(header)):
        moment, *cells = (found[place] for place in order)
        try:
            time.append(parse(moment))
        except ValueError as error:
            raise InputError(f"{source}: column {date!r}: found {moment!r} in row {row}, want a date") from error
        values.append(_numbers(source, row, cells, columns))
    return Series(as_float32(values).reshape(-1, len(columns)), np.array(time, "datetime64[s]"), columns)


def _rows(source: str, lines: Iterator[list[str]], width: int) -> Iterator[tuple[int, list[str]]]:
    """Number, from 1, and cells of each row that is not empty."""
    for row, cells in enumerate(lines, 1):
        if cells and len(cells) != width:
            raise InputError(f"{source}: found {len(cells)} cells in row {row}, want {width}")
        if cells:
            yield row, cells


def _numbers(source: str, row: int, cells: Sequence[str], columns: Sequence[str]) -> list[float]:
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        column, cell = next((name, cell) for name, cell in zip(columns, cells, strict=True) if not _is_number(cell))
        raise InputError(f"{source}: column {column!r}: found {cell!r} in row {row}, want numbers") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _ascii(name: str) -> str:
    return "".join(character for character in name.strip() if character.isascii())


def _iso_or_slashes(text: str) -> datetime.datetime:
    if "/" in text:  # Autoformer's Exchange: 1990/1/1 0:00
        return datetime.datetime.strptime(text, "%Y/%m/%d %H:%M")
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError("a time zone")
    return moment


def _day_first(text: str) -> datetime.datetime:
    return datetime.datetime.strptime(text, "%d.%m.%Y %H:%M:%S")
