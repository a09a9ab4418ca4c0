"""What a bulk job reads: files, their parts, and the rows of a part as blocks of bounded size."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from tsrl.errors import InputError

# Numbers of one block: 8 MB in float32.
BLOCK_VALUES = 2**21
# Formats by how a file's name ends; array_record files may be shards, as x.array_record-00000-of-00004.
_FORMATS = {"Parquet": ".parquet", "npz": ".npz", "array_record": ".array_record"}
# More lengths than that are no sign of series of equal length.
_MOST_HINTS = 4


class Part(NamedTuple):
    """The unit of work: rows that are embedded, written and found again together.

    Attributes:
      number: among all parts of the input, from 0; the output's file is called by it.
      file: place in `Source.files`.
      first: the row group in that file; without row groups the part's first row there.
      rows: how many, at least 1.
      row_values: numbers in a row, on average and rounded up; 0: only the values tell.
    """

    number: int
    file: int
    first: int
    rows: int
    row_values: int


class Rows(NamedTuple):
    """Consecutive rows of a part.

    Attributes:
      part: which.
      first: the place of the first of them in the part.
      series: `[T, C]` float32 each, NaN = missing; T may be 0 where `reasons` has the row.
      reasons: place in `series` -> why the row is no series for the model.
      ids: Arrow array, one a row, or None.
    """

    part: Part
    first: int
    series: list[np.ndarray]
    reasons: dict[int, str]
    ids: Any


class Source(Protocol):
    """Files of one format. Holds no open file and no footer, so that it can be sent to another process.

    Attributes:
      files: in the order of their names.
      fingerprints: of each, SHA-256 of what its format says about the content.
      parts: all of them, in order.
      lengths: T of series that are likely to occur, from the files' own words.
      id_name: the column of ids, or "".
      id_type: its Arrow type, or None.
    """

    files: tuple[Path, ...]
    fingerprints: tuple[str, ...]
    parts: tuple[Part, ...]
    lengths: tuple[int, ...]
    id_name: str
    id_type: Any

    def read(self, part: Part, rows: int) -> Iterator[Rows]:
        """The rows of a part in order, at most `rows` at a time, each a block that is decoded alone.

        Raises:
          InputError: a damaged part.
        """
        ...


def open_source(path: Path, channels: int, columns: tuple[str, ...], id_name: str) -> Source:
    """Finds the files and their parts; reads footers and headers, no values.

    Args:
      path: a file, or a folder whose files of one format are read in the order of their names.
      channels: C of the model.
      columns: where the series are: one column of lists, or C of them with a list of numbers each; of .npz one key. Of
        array_record files nothing. Empty: x.
      id_name: the column, or key, of ids; empty: id, where the files have it, all or none.

    Raises:
      InputError: nothing there, several formats, files that disagree or lack a column, another number of channels.
    """
    from tsrl.bulk.arrays import open_npz, open_records
    from tsrl.bulk.parquet import open_parquet

    kind, files = _files(path)
    if kind == "Parquet":
        return open_parquet(path, files, channels, columns or ("x",), id_name)
    if kind == "npz":
        if len(columns) > 1:
            raise InputError(f"columns: found {' '.join(columns)}, want one key of an .npz file")
        return open_npz(files, channels, columns[0] if columns else "x", id_name)
    if columns or id_name:
        raise InputError("columns, id: found one for array_record files, whose records are arrays alone, want none")
    return open_records(files, channels)


def _files(path: Path) -> tuple[str, tuple[Path, ...]]:
    if not path.exists():
        raise InputError(f"input: found no file or folder at {path}")
    found: dict[str, list[Path]] = {}
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        for kind, suffix in _FORMATS.items():
            if file.is_file() and (file.suffix == suffix or file.suffix.startswith(suffix + "-")):
                found.setdefault(kind, []).append(file)
    if not found:
        raise InputError(f"input: found no file that ends in {', '.join(_FORMATS.values())} at {path}")
    if len(found) > 1:
        raise InputError(f"input: found {' and '.join(found)} files in {path}, want one format")
    ((kind, files),) = found.items()
    return kind, tuple(files)


def checked_parts(parts: Iterable[Part], name: str) -> tuple[Part, ...]:
    """The parts, at least one.

    Raises:
      InputError: there is none.
    """
    found = tuple(parts)
    if not found:
        raise InputError(f"input: found no rows in {name}, want at least one")
    return found


def own_id(id_name: str, names: Sequence[str], place: int, file: str, first: str) -> str:
    """The column of ids of the files up to this one.

    Args:
      id_name: that of those before, or what was asked for; empty: none so far.
      names: the columns of this one.
      place: of this one among all.
      file: what messages call it.
      first: what messages call the first.

    Raises:
      InputError: this one has ids, which would be lost, and those before have none.
    """
    if id_name or "id" not in names:
        return id_name
    if place:
        raise InputError(f"{file}: found id, which {first} has not, want it in all files or in none")
    return "id"


def likely_lengths(lengths: Iterable[int]) -> tuple[int, ...]:
    """The lengths in order where they are few; none where there are many."""
    found = sorted(set(lengths) - {0})
    return tuple(found) if len(found) <= _MOST_HINTS else ()
