"""Columns of a table as numbers or keys."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tsrl.data.tables.source import MISSING, Source, arrow_errors
from tsrl.errors import InputError

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_WHOLE = r"^(0|-?[1-9]\d{0,17})$"
# Beyond it float64 no longer tells whole numbers apart.
_LARGEST_WHOLE = 2.0**53
_SHOWN = 5


class Keys(NamedTuple):
    """A column of names, labels or groups.

    Attributes:
      codes: `[R]` int64, index into `values`.
      values: `[K]` of int64, float64 or text, in order of first appearance.
    """

    codes: np.ndarray
    values: np.ndarray


def row_list(rows: np.ndarray) -> str:
    """Rows for a message: the first five."""
    shown = ", ".join(str(row) for row in rows[:_SHOWN])
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}"


def is_numeric(column: pa.ChunkedArray) -> bool:
    """Whether a column that nobody names holds numbers: by its type, or as text of which at least half are numbers."""
    kind = column.type
    if pa.types.is_string(kind):
        cells = _text(column).drop_null()
        return bool(len(cells)) and 2 * (pc.sum(pc.match_substring_regex(cells, _NUMBER)).as_py() or 0) >= len(cells)
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def numbers(source: Source, name: str) -> np.ndarray:
    """A column of numbers.

    Args:
      source: the table.
      name: of a column it has.

    Returns:
      `[R]` float64, NaN = missing.

    Raises:
      InputError: cells that are no numbers, or numbers that float32 cannot hold; names column, row and cell.
    """
    column = source.table[name]
    kind = column.type
    what = f"{source.source}: column {name!r}"
    with arrow_errors(what):
        if pa.types.is_string(kind):
            column = _text(column)
            row = first_failing(column, pa.float64())
            if row is not None:
                raise InputError(f"{what}: found {column[row].as_py()!r} in row {row}, want numbers")
        elif not (
            pa.types.is_integer(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_decimal(kind)
            or pa.types.is_boolean(kind)
            or pa.types.is_null(kind)
        ):
            raise InputError(f"{what}: found {kind} values, {column[0].as_py()!r} in row 0, want numbers")
        values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
        large = np.flatnonzero(np.abs(values) > np.finfo(np.float32).max)
        if len(large):
            raise InputError(
                f"{what}: found {values[large[0]]} in row {large[0]}, want finite numbers, empty = missing"
            )
        return values


def keys(source: Source, name: str, role: str) -> Keys:
    """A column of names, labels or groups.

    Args:
      source: the table.
      name: of a column it has.
      role: the setting that names it; only "label" may hold broken numbers.

    Returns:
      Codes in order of first appearance; text from a .csv file is whole numbers where every cell is written as one.

    Raises:
      InputError: missing cells, or a kind of value that is no key.
    """
    column = source.table[name]
    what = f"{source.source}: column {name!r} ({role})"
    with arrow_errors(what):
        if source.from_text:
            column = pc.if_else(pc.equal(column, ""), None, column)
        kind = column.type
        if pa.types.is_floating(kind):
            column = pc.if_else(pc.is_nan(column), None, column)
        empty = np.flatnonzero(column.is_null().to_numpy())
        if len(empty):
            spelled = ", as which NA, null, None and their like count unless quoted," if source.from_text else ","
            raise InputError(f"{what}: found no value in {row_list(empty)}{spelled} want one in every row")
        if source.from_text and pc.all(pc.match_substring_regex(column, _WHOLE)).as_py():
            column = column.cast(pa.int64())
        elif pa.types.is_floating(kind):
            whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), _LARGEST_WHOLE))
            row = pc.index(whole, False).as_py()
            if row < 0:
                column = column.cast(pa.int64())
            elif role != "label":
                raise InputError(f"{what}: found {column[row].as_py()} in row {row}, want text or whole numbers")
        elif pa.types.is_integer(kind) or pa.types.is_boolean(kind):
            column = column.cast(pa.int64())
        elif not pa.types.is_string(kind):
            if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
                raise InputError(f"{what}: found {kind} values, want text or whole numbers")
            column = column.cast(pa.string())
        encoded = pa.concat_arrays(column.chunks).dictionary_encode()
        return Keys(encoded.indices.to_numpy().astype(np.int64), np.array(encoded.dictionary.to_pylist()))


def first_failing(column: pa.ChunkedArray, kind: pa.DataType) -> int | None:
    """The first row whose cell is nothing of that kind, by bisection; None where all are."""

    def fails(begin: int, end: int) -> bool:
        try:
            column.slice(begin, end - begin).cast(kind)
        except pa.ArrowInvalid:
            return True
        return False

    begin, end = 0, len(column)
    if not fails(begin, end):
        return None
    while end - begin > 1:
        middle = (begin + end) // 2
        begin, end = (begin, middle) if fails(begin, middle) else (middle, end)
    return begin


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cells without the space around them; null where they say that a number is missing."""
    cells = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.is_in(cells, pa.array(MISSING)), None, cells)
