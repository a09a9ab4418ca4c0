"""Sets of the UEA archive: .ts files of both splits in one archive."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tsrl.data.builders.inside import contents
from tsrl.data.builders.spec import Rows, Splits, as_float32
from tsrl.data.series_files import read_splits
from tsrl.errors import InputError


def read_uea(paths: Sequence[Path], name: str, classes: tuple[str, ...]) -> Splits:
    """The archive's splits of a set.

    Args:
      paths: of the zip file.
      name: as the archive writes it.
      classes: names in the order of their ids. A label may be a number instead: the value of a class name that is a
        number, otherwise an id.

    Returns:
      "train" and "test".

    Raises:
      InputError: a damaged archive, what `read_splits` refuses, unknown labels.
    """
    (path,) = paths
    files = [f"{name}_TRAIN.ts", f"{name}_TEST.ts"]
    with tempfile.TemporaryDirectory() as folder:
        train, test = (Path(folder, file) for file in files)
        for file, content in zip((train, test), contents(path, files), strict=True):
            file.write_bytes(content)
        found = read_splits(train, test, path.name)
    if found.x_test is None or found.y_train is None or found.y_test is None:
        raise InputError(f"{path.name}: found no labels, want one of {', '.join(classes)} for each series")
    ids = np.array([_id(label, classes, path.name) for label in found.classes], np.int32)
    parts = {"train": (found.x_train, found.y_train), "test": (found.x_test, found.y_test)}
    return {split: Rows(as_float32(x), ids[y], None) for split, (x, y) in parts.items()}


def _id(label: str, classes: tuple[str, ...], source: str) -> int:
    if label.lower() in classes:
        return classes.index(label.lower())
    try:
        value = float(label)
    except ValueError:
        value = -1.0
    if value.is_integer() and str(int(value)) in classes:
        return classes.index(str(int(value)))
    if value in range(len(classes)) and not any(name.isdigit() for name in classes):
        return int(value)
    raise InputError(f"{source}: found the label {label!r}, want one of {', '.join(classes)}")
