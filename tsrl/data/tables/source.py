"""Tables from files, data frames and arrays, as Arrow."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tsrl.data.anomaly.files import parsed
from tsrl.data.tables.settings import Table
from tsrl.errors import InputError, nearest

# Cells of a .csv file in which nothing is, unless they are quoted in a column of text.
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "null", "NULL", "#N/A", "<NA>", "None")
_LINES = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
# What a data frame's index without a name is called in a .csv file, and in one that was read and written again.
_UNNAMED = re.compile(r"(Unnamed: 0(\.\d+)*)?")


class Source(NamedTuple):
    """A table as read.

    Attributes:
      name: of the file, without its ending, or "table".
      source: in words, for messages; without a folder.
      table: its columns.
      frame_index: columns that were a data frame's index, and those without a name.
      from_text: the file is text: keys and time stamps are strings here, whatever they look like.
    """

    name: str
    source: str
    table: pa.Table
    frame_index: tuple[str, ...] = ()
    from_text: bool = False


def read_source(source: Any, texts: Sequence[str], settings: Table) -> Source:
    """Reads a table.

    Args:
      source: the path of a .csv, .parquet or .jsonl (.ndjson) file, text also as .gz; a pandas or polars
        DataFrame, an Arrow table or anything
        else with `__arrow_c_stream__`, or a mapping from names to arrays `[R]`.
      texts: columns of a .csv file that are left as text.
      settings: how a .csv file is written.

    Returns:
      The table; an unnamed index of a data frame is the column "index".

    Raises:
      InputError: no such file, another format, damage, a column twice, or no rows.
    """
    if isinstance(source, str | Path):
        read = _read_file(Path(source).expanduser(), texts, settings)
    elif isinstance(source, Mapping):
        read = Source("table", "table", _of_columns(source))
    elif hasattr(source, "__arrow_c_stream__"):
        read = _of_frame(source)
    else:
        raise InputError(
            f"source: found {type(source).__name__}, want the path of a .csv, .parquet or .jsonl file, a DataFrame, "
            "an Arrow table, or a mapping from names to arrays"
        )
    with parsed(read.source):
        names = read.table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{read.source}: found column {twice[0]!r} more than once, want different names")
    if not read.table.num_rows:
        raise InputError(f"{read.source}: found no rows, want at least one")
    with arrow_errors(read.source):
        columns = {name: pa.chunked_array(map(_plain, read.table[name].chunks)) for name in names}
    index = (*read.frame_index, *(name for name in names if _UNNAMED.fullmatch(name)))
    return read._replace(table=pa.table(columns), frame_index=index)


@contextmanager
def arrow_errors(what: str) -> Iterator[None]:
    """Turns what Arrow cannot convert into an InputError."""
    try:
        yield
    except pa.ArrowException as error:
        raise InputError(f"{what}: found values that cannot be read ({str(error).splitlines()[0]})") from error


def _plain(array: pa.Array) -> pa.Array:
    """Categories as their values, and one of Arrow's three kinds of text."""
    if pa.types.is_dictionary(array.type):
        array = _plain(array.dictionary).take(array.indices)
    text = pa.types.is_string_view(array.type) or pa.types.is_large_string(array.type)
    return array.cast(pa.string()) if text else array


def _read_file(path: Path, texts: Sequence[str], settings: Table) -> Source:
    from pyarrow import csv, json, parquet

    if not path.is_file():
        raise InputError(f"source: found no file at {path}")
    lower = path.name.lower()
    if lower.endswith(".parquet"):
        source = f"parquet file {path.name}"
        with parsed(source):
            table = parquet.ParquetFile(path).read()
            table.validate(full=True)
        return _indexed(path.name[: -len(".parquet")], source, table)
    ending = next((ending for ending in _LINES if lower.endswith(ending)), None)
    if ending is not None:
        source = f"json lines file {path.name}"
        with parsed(source), pa.input_stream(path, compression="detect") as stream:
            return Source(path.name[: -len(ending)], source, json.read_json(stream))
    ending = next((ending for ending in (".csv", ".csv.gz") if lower.endswith(ending)), None)
    if ending is None:
        raise InputError(f"source: found {path.name}, want a .csv, .csv.gz, .parquet or .jsonl file")
    source, encoding = f"csv file {path.name}", settings.encoding
    convert = csv.ConvertOptions(
        column_types={name: pa.string() for name in texts},
        null_values=[*MISSING, *settings.missing],
        decimal_point=settings.decimal,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    with parsed(source):
        try:
            table = csv.read_csv(
                path, csv.ReadOptions(encoding=encoding), csv.ParseOptions(delimiter=settings.delimiter), convert
            )
            columns = zip(table.column_names, table.schema.types, strict=True)
            unreadable = [name for name, kind in columns if pa.types.is_binary(kind)]
        except LookupError as error:
            raise InputError(f"encoding: found {encoding!r}, want one such as utf-8 or latin-1") from error
        except (UnicodeError, pa.ArrowInvalid) as error:
            if isinstance(error, pa.ArrowInvalid) and "UTF8" not in str(error):
                raise
            raise InputError(f"{source}: found text that is not {encoding}, want another encoding") from error
    if unreadable:
        raise InputError(
            f"{source}: column {unreadable[0]!r}: found text that is not {encoding}, want another encoding"
        )
    return Source(path.name[: -len(ending)], source, table, from_text=True)


def _of_columns(columns: Mapping[Any, Any]) -> pa.Table:
    """A table of arrays; where a column mixes numbers and text, all of it as text."""
    arrays = {}
    for name, column in columns.items():
        array = column if isinstance(column, pa.Array | pa.ChunkedArray) else np.asarray(column)
        if isinstance(array, np.ndarray) and array.ndim != 1:
            raise InputError(f"column {name!r}: found shape {array.shape}, want one axis")
        try:
            arrays[str(name)] = pa.array(array) if isinstance(array, np.ndarray) else array
        except (pa.ArrowException, OverflowError):
            cells = [None if cell is None or cell != cell else str(cell) for cell in array.tolist()]
            arrays[str(name)] = pa.array(cells, pa.string())
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"table: found columns of unequal length {lengths}, want one length")
    return pa.table(arrays)


def _of_frame(frame: Any) -> Source:
    source = "table" if isinstance(frame, pa.Table | pa.RecordBatch) else type(frame).__name__
    try:
        return _indexed("table", source, pa.table(frame))
    except (pa.ArrowException, ValueError, TypeError) as error:
        columns = list(getattr(frame, "columns", []))
        if not columns or len(set(columns)) < len(columns):
            raise InputError(f"{source}: found columns that Arrow cannot read ({error})") from error
        # A column that mixes kinds of objects: as text, so that the message can name the cell.
        with parsed(source):
            flat = frame.reset_index() if hasattr(frame, "reset_index") else frame
            names = list(flat.columns)
            index = tuple(map(str, names[: len(names) - len(columns)]))
            return Source("table", source, _of_columns({name: flat[name].to_numpy() for name in names}), index)


def _indexed(name: str, source: str, table: pa.Table) -> Source:
    """Tells which columns were a pandas frame's index; names the unnamed one "index"."""
    with parsed(source):
        metadata = table.schema.pandas_metadata or {}
        columns = [column for column in metadata.get("index_columns", []) if column in table.column_names]
        if columns == ["__index_level_0__"] and "index" not in table.column_names:
            columns = ["index"]
            table = table.rename_columns(["index" if c == "__index_level_0__" else c for c in table.column_names])
        return Source(name, source, table, tuple(columns))


def check_columns(source: Source, roles: Mapping[str, str]) -> None:
    """Every column that a setting names is there.

    Raises:
      InputError: the first that is not, with the setting and the nearest names.
    """
    known = source.table.column_names
    for column, role in roles.items():
        if column not in known:
            raise InputError(f"{source.source}: {role}: found no column {column!r}; {nearest(column, known)}")
