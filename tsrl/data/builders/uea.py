"""Sets of the UEA archive: .ts files, both splits in one zip file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tsrl.data.builders.archives import contents
from tsrl.data.builders.spec import Rows, Splits, as_float32
from tsrl.errors import InputError


def read_uea(paths: Sequence[Path], name: str, classes: tuple[str, ...]) -> Splits:
    """The archive's splits of a set whose series have one length.

    Args:
      paths: of the zip file, or of both .ts files, training first.
      name: as the archive writes it.
      classes: names in the order of their ids. A label may be a number instead: the value of a class name that is a
        number, otherwise an id.

    Returns:
      "train" and "test".

    Raises:
      InputError: a damaged archive; series of different lengths or numbers of channels, cells that are no numbers,
        unknown labels; the message names the file, the line and the channel.
    """
    files = [f"{name}_TRAIN.ts", f"{name}_TEST.ts"]
    if len(paths) == 1:
        found = [
            (f"{paths[0].name}: {file}", content)
            for file, content in zip(files, contents(paths[0], files), strict=True)
        ]
    else:
        found = [(path.name, contents(path, [".ts"])[0]) for path in paths]
    return {
        split: _read(source, content, classes)
        for split, (source, content) in zip(("train", "test"), found, strict=True)
    }


def _read(source: str, content: bytes, classes: tuple[str, ...]) -> Rows:
    lines = content.decode("utf-8", errors="replace").splitlines()
    start = next((number for number, line in enumerate(lines) if line.strip().lower() == "@data"), None)
    if start is None:
        raise InputError(f"{source}: found no line @data, want a .ts file")
    series, labels = [], []
    for number, line in enumerate(lines[start + 1 :], start + 2):
        if line.strip():
            *channels, label = line.strip().split(":")
            series.append(_series(f"{source}: line {number}", channels))
            if series[-1].shape != series[0].shape:
                raise InputError(
                    f"{source}: line {number}: found {series[-1].shape} steps and channels, want {series[0].shape}"
                )
            labels.append(_label(f"{source}: line {number}", label.strip(), classes))
    if not series:
        raise InputError(f"{source}: found no series after @data")
    return Rows(np.stack(series), np.array(labels, np.int32), None)


def _series(source: str, channels: list[str]) -> np.ndarray:
    """`[T, C]` float32."""
    columns = []
    for number, cells in enumerate(channels):
        try:
            columns.append([float(cell) for cell in cells.split(",")])
        except ValueError as error:
            raise InputError(f"{source}: channel {number}: {error}, want numbers between commas") from error
    lengths = {len(column) for column in columns}
    if len(lengths) != 1:
        raise InputError(f"{source}: found channels of {sorted(lengths)} steps, want one length")
    return as_float32(columns).T


def _label(source: str, label: str, classes: tuple[str, ...]) -> int:
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
