"""The classification sets inside the installed aeon package, read from its folder; nothing is downloaded."""

from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tsrl.data.npz import Arrays, arrange


def packaged_sets() -> dict[str, Path]:
    """Name -> its _TRAIN.ts file, for every set with both splits and class labels; empty without aeon."""
    return {name: path for name, path in _packaged().items() if _class_names(path)}


def packaged_targets() -> dict[str, Path]:
    """Name -> its _TRAIN.ts file, for every set with both splits and one number a series; empty without aeon."""
    return {name: path for name, path in _packaged().items() if _header(path).get("@targetlabel") == ["true"]}


def _packaged() -> dict[str, Path]:
    # Looking for the folder does not import aeon, which takes seconds.
    spec = find_spec("aeon")
    if spec is None or spec.origin is None:
        return {}
    files = sorted((Path(spec.origin).parent / "datasets" / "data").glob("*/*_TRAIN.ts"))
    sets = {path.name.removesuffix("_TRAIN.ts"): path for path in files}
    return {name: path for name, path in sets.items() if test_file(path).is_file()}


def packaged_source() -> str:
    """What reports and messages call the packaged sets."""
    return f"aeon {version('aeon')}, packaged"


def read_packaged(path: Path) -> Arrays:
    """Reads both splits of a packaged set.

    Args:
      path: one of `packaged_sets()`.

    Returns:
      Series `[N, T, C]`, T the longest of both splits, shorter ones padded with NaN at the end; labels as class ids.
    """
    from aeon.datasets import load_from_ts_file

    train, y_train = load_from_ts_file(str(path))
    test, y_test = load_from_ts_file(str(test_file(path)))
    longest = max(series.shape[1] for split in (train, test) for series in split)
    # aeon puts all text in lower case; the file's header has the names as the archive writes them.
    names = _class_names(path)
    stored = {
        "x_train": stack(train, longest),
        "y_train": np.array([names.get(label, label) for label in y_train]),
        "x_test": stack(test, longest),
        "y_test": np.array([names.get(label, label) for label in y_test]),
    }
    return arrange(stored, packaged_source())


def stack(series: Sequence[np.ndarray] | np.ndarray, length: int) -> np.ndarray:
    """One array of aeon's series.

    Args:
      series: N arrays `[C, T_i]`, or `[N, C, T]`.
      length: at least every T_i.

    Returns:
      `[N, length, C]` float32, NaN after the end of shorter series.
    """
    stacked = np.full((len(series), length, series[0].shape[0]), np.nan, np.float32)
    for row, values in zip(stacked, series, strict=True):
        row[: values.shape[1]] = values.T
    return stacked


def test_file(train_file: Path) -> Path:
    """The file of the other split."""
    return train_file.with_name(train_file.name.removesuffix("_TRAIN.ts") + "_TEST.ts")


def _class_names(path: Path) -> dict[str, str]:
    """Lower-case name -> name of each class that a .ts file's header declares; empty for a regression set."""
    declared, *names = _header(path).get("@classlabel") or ["false"]
    return {name.lower(): name for name in names} if declared.lower() == "true" else {}


def _header(path: Path) -> dict[str, list[str]]:
    """Lower-case tag -> its words, up to the data."""
    tags: dict[str, list[str]] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            tag, *words = line.split() or [""]
            if tag.lower() == "@data":
                break
            if tag.startswith("@"):
                tags[tag.lower()] = words
    return tags
