"""Human Activity Recognition Using Smartphones: raw windows, subjects and activities in text files."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tsrl.data.builders.inside import contents
from tsrl.data.builders.spec import Rows, Splits, as_float32
from tsrl.errors import InputError


def read_har(paths: Sequence[Path], channels: tuple[str, ...], classes: tuple[str, ...]) -> Splits:
    """The published split, by subject.

    Args:
      paths: of the zip file, or of the zip file around it that the repository hands out today.
      channels: in the order wanted, as the files of `Inertial Signals` are called.
      classes: names in the order of their ids; the files number them from 1.

    Returns:
      "train" and "test"; the group of a row is its subject.

    Raises:
      InputError: a damaged archive, a file missing, cells that are no numbers, files of different lengths, unknown
        activities; the message names the file, the row and the column.
    """
    (path,) = paths
    splits = {}
    for split in ("train", "test"):
        signals = [f"/{split}/Inertial Signals/{channel}_{split}.txt" for channel in channels]
        names = [*signals, f"/{split}/y_{split}.txt", f"/{split}/subject_{split}.txt"]
        tables = [
            _table(f"{path.name}: {name}", content) for name, content in zip(names, contents(path, names), strict=True)
        ]
        for name, table in zip(names, tables, strict=True):
            wanted = (len(tables[0]), tables[0].shape[1] if name in signals else 1)
            if table.shape != wanted:
                raise InputError(f"{path.name}: {name}: found {table.shape} rows and columns, want {wanted}")
        *windows, y, subject = tables
        unknown = np.flatnonzero(~np.isin(y[:, 0], np.arange(1, len(classes) + 1)))
        if len(unknown):
            row = unknown[0]
            wanted_ids = f"want 1 to {len(classes)}"
            raise InputError(f"{path.name}: {names[-2]}: found {y[row, 0]:g} in row {row + 1}, {wanted_ids}")
        x = as_float32(np.stack(windows, -1))
        splits[split] = Rows(x, y[:, 0].astype(np.int32) - 1, np.array([f"{number:g}" for number in subject[:, 0]]))
    return splits


def _table(source: str, content: bytes) -> np.ndarray:
    if not content.strip():
        raise InputError(f"{source}: found an empty file, want numbers")
    try:
        return np.loadtxt(io.BytesIO(content), ndmin=2)
    except ValueError as error:  # numpy names the row and the column
        raise InputError(f"{source}: {error}, want numbers") from error
