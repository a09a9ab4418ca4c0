"""Sets of series by name: the user's own files, the sets inside the aeon package, then what can be downloaded."""

from collections.abc import Mapping
from pathlib import Path

from tsrl.data.dataset import Dataset
from tsrl.data.locate import (
    DATA_DIR_VARIABLE,
    PAIRED_SUFFIXES,
    TABLE_SUFFIXES,
    data_folder,
    locate,
    named_files,
    stem_of,
    suffix_of,
)
from tsrl.data.npz import npz_source, read_npz, stored_keys
from tsrl.data.packaged import packaged_sets, packaged_source, read_packaged
from tsrl.errors import InputError, nearest

FILES: dict[str, str] = {}
ARRAY_SUFFIXES = (".npz", ".npy", ".tsf", *PAIRED_SUFFIXES)


def load(name_or_path: str | Path, data_dir: str | Path | None = None) -> Dataset:
    """A data set by name or from a file.

    Args:
      name_or_path: the path of a file; or a name, looked up in this order: NAME.* in the data folder and its
        sub-folders; the sets inside the installed aeon package.
      data_dir: the data folder; default: the environment variable TSRL_DATA_DIR, or none.

    Returns:
      The checked data set.

    Raises:
      InputError: nothing or more than one file has that name (the message says what comes near), or the data is wrong.
    """
    name = str(name_or_path)
    path = locate(name, data_dir, (".npz",), FILES)
    if path is not None:
        return Dataset(path.stem, npz_source(path), *read_npz(path))
    packaged = packaged_sets()
    if name in packaged:
        return Dataset(name, packaged_source(), *read_packaged(packaged[name]))
    folder = data_folder(data_dir)
    raise InputError(_unknown(name, folder, packaged, {*named_files(folder, (".npz",)), *packaged}))


def available(data_dir: str | Path | None = None) -> dict[str, str]:
    """The names that `load` finds now.

    Args:
      data_dir: the data folder; default: the environment variable TSRL_DATA_DIR, or none.

    Returns:
      Name -> source, in alphabetical order. Left out: .npz files without series, and names that several files share.

    Raises:
      InputError: no such folder.
    """
    files = named_files(data_folder(data_dir), (".npz",))
    found = {name: packaged_source() for name in packaged_sets() if name not in files}
    found |= {name: npz_source(paths[0]) for name, paths in files.items() if len(paths) == 1 and _has_series(paths[0])}
    return dict(sorted(found.items()))


def _has_series(path: Path) -> bool:
    try:
        return bool({"x_train", "x"} & set(stored_keys(path)))
    except InputError:
        return False


def _unknown(name: str, folder: Path | None, packaged: Mapping[str, Path], known: set[str]) -> str:
    advice = [nearest(name, known)] if known else []
    if folder is None:
        advice.append(f"--data-dir or {DATA_DIR_VARIABLE} names a folder of your own .npz files")
    if not packaged:
        advice.append("pip install 'tsrl[archives]' adds packaged sets")
    return "; ".join([f"dataset: found {name!r}, want a known name or the path of an .npz file", *advice])
