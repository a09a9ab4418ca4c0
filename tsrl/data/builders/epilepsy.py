"""Epileptic Seizure Recognition: seconds of EEG recordings in a CSV file."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tsrl.data.builders.csv_tables import csv_rows
from tsrl.data.builders.draws import split_64_16_20
from tsrl.data.builders.inside import contents
from tsrl.data.builders.spec import Splits, as_float32
from tsrl.errors import InputError

_STEPS = 178
_NAME = re.compile(r"X\d+\.(.+)")


def read_epilepsy(paths: Sequence[Path]) -> Splits:
    """Rows of a name, 178 numbers and a class 1 to 5, of which 1 is a seizure.

    Args:
      paths: of the CSV file, plain or alone in an archive.

    Returns:
      "train", "validation" and "test", drawn by row; the group of a row is its recording: X21.V1.791 is second 21 of
      V1.791. Class 0 is "no seizure", 1 "seizure".

    Raises:
      InputError: another header, a row of another length, a name without a recording, cells that are no numbers, an
        unknown class; the message names the file, the row (1 is the first after the header) and the column.
    """
    (path,) = paths
    lines = csv_rows(path.name, contents(path, [".csv"])[0])
    columns = [f"X{step}" for step in range(1, _STEPS + 1)]
    header = next(lines, [])
    # The name's column has had several headings, one of them empty.
    if header[1:] != [*columns, "y"]:
        raise InputError(f"{path.name}: found the columns {header[:3]} to {header[-2:]}, want a name, X1 to X178, y")
    x, y, group = [], [], []
    for row, cells in enumerate(lines, 1):
        if not cells:
            continue
        if len(cells) != len(header):
            raise InputError(f"{path.name}: found {len(cells)} cells in row {row}, want {len(header)}")
        name = _NAME.fullmatch(cells[0])
        if name is None:
            raise InputError(
                f"{path.name}: column {header[0]!r}: found {cells[0]!r} in row {row}, want a name such as X21.V1.791"
            )
        if cells[-1] not in ("1", "2", "3", "4", "5"):
            raise InputError(f"{path.name}: column 'y': found {cells[-1]!r} in row {row}, want 1 to 5")
        values = []
        for column, cell in zip(columns, cells[1:-1], strict=True):
            try:
                values.append(float(cell))
            except ValueError as error:
                raise InputError(
                    f"{path.name}: column {column!r}: found {cell!r} in row {row}, want numbers"
                ) from error
        x.append(values)
        y.append(cells[-1] == "1")
        group.append(name[1])
    if len(x) < 5:
        raise InputError(f"{path.name}: found {len(x)} rows, want enough to split")
    return split_64_16_20(as_float32(x)[..., None], np.array(y, np.int32), np.array(group))
