"""The classification sets inside the installed aeon package, read from its folder; nothing is downloaded."""

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tsrl.data.npz import Arrays
from tsrl.data.series_files import read_splits, ts_classes, ts_header


def packaged_sets() -> dict[str, Path]:
    """Name -> its _TRAIN.ts file, for every set with both splits and class labels; empty without aeon."""
    return {name: path for name, path in _packaged().items() if ts_classes(ts_header(path))}


def packaged_targets() -> dict[str, Path]:
    """Name -> its _TRAIN.ts file, for every set with both splits and one number a series; empty without aeon."""
    return {name: path for name, path in _packaged().items() if ts_header(path).get("@targetlabel") == ["true"]}


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
    return read_splits(path, test_file(path), packaged_source())


def test_file(train_file: Path) -> Path:
    """The file of the other split."""
    return train_file.with_name(train_file.name.removesuffix("_TRAIN.ts") + "_TEST.ts")
