"""Data sets by name: the user's own .npz files first, then the sets inside the installed aeon package."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tsrl.data.hashing import fingerprint
from tsrl.data.npz import npz_source, read_npz, stored_keys
from tsrl.data.packaged import packaged_sets, packaged_source, read_packaged
from tsrl.data.series import check_series, pad_to
from tsrl.errors import InputError, nearest

DATA_DIR_VARIABLE = "TSRL_DATA_DIR"


@dataclass(frozen=True, eq=False)  # eq: comparing arrays yields arrays
class Dataset:
    """A data set with its published split; making one checks all of it.

    Attributes:
      name: as the archive or the file writes it.
      source: in words, for example "npz file BasicMotions.npz"; the same on every machine.
      x_train: `[N, T, C]` float32, NaN = missing.
      y_train: `[N]` int32, 0..K-1, or None.
      x_test: `[M, T', C]` float32, or None.
      y_test: `[M]` int32, 0..K-1, or None.
      classes: K names; none without `y_train`.
      group_train: `[N]` which rows belong together (one subject's, one recording's), or None.
      group_test: `[M]`, or None.

    Raises:
      InputError: an array of a wrong shape, dtype or range; the message names the source and the array.
    """

    name: str
    source: str
    x_train: np.ndarray
    y_train: np.ndarray | None = None
    x_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    group_train: np.ndarray | None = None
    group_test: np.ndarray | None = None

    def fingerprint(self) -> str:
        """SHA-256 over the arrays' shapes, types and bytes: two sets of one name are told apart by it."""
        return fingerprint({name: getattr(self, name) for name in ("x_train", "y_train", "x_test", "y_test")})

    def regrouped(self, seed: int) -> "Dataset":
        """Both splits drawn anew, of about the published sizes, so that no group has rows in both.

        Args:
          seed: of the draw.

        Raises:
          InputError: the set does not name its groups, lacks a test split, or a class would be missing from training.
        """
        from sklearn.model_selection import GroupShuffleSplit

        if self.group_train is None or self.group_test is None or self.x_test is None:
            raise InputError(f"split: found no groups in {self.source}, want group_train and group_test (or published)")
        length = max(self.x_train.shape[1], self.x_test.shape[1])
        x = np.concatenate([pad_to(self.x_train, length), pad_to(self.x_test, length)])
        groups = np.concatenate([self.group_train, self.group_test])
        share = len(self.x_test) / len(x)
        train, test = next(GroupShuffleSplit(1, test_size=share, random_state=seed).split(x, groups=groups))
        y_train = y_test = None
        if self.y_train is not None and self.y_test is not None:
            y = np.concatenate([self.y_train, self.y_test])
            y_train, y_test = y[train], y[test]
            if unseen := sorted(set(y_test.tolist()) - set(y_train.tolist())):
                names = [self.classes[label] for label in unseen]
                raise InputError(f"split: found no training rows of {names} with seed {seed}, want another seed")
        source = f"{self.source}, split by group with seed {seed}"
        parts = (x[train], y_train, x[test], y_test, self.classes, groups[train], groups[test])
        return Dataset(self.name, source, *parts)

    def __post_init__(self) -> None:
        self._keep("x_train", check_series(self.x_train, f"{self.source}: x_train"))
        if self.x_test is not None:
            self._keep("x_test", check_series(self.x_test, f"{self.source}: x_test", min_length=1))
            found, wanted = self.x_test.shape[2], self.x_train.shape[2]
            if found != wanted:
                raise InputError(f"{self.source}: x_test: found {found} channels, want {wanted} as in x_train")
        self._keep("classes", tuple(str(name) for name in self.classes))
        for labels, series in [("y_train", self.x_train), ("y_test", self.x_test)]:
            if getattr(self, labels) is not None:
                self._keep(labels, self._checked_labels(labels, series))

        for name, series in [("group_train", self.x_train), ("group_test", self.x_test)]:
            group = getattr(self, name)
            if group is not None and (series is None or np.shape(group) != (len(series),)):
                raise InputError(
                    f"{self.source}: {name}: found shape {np.shape(group)}, want one group for each series"
                )

    def _keep(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _checked_labels(self, key: str, series: np.ndarray | None) -> np.ndarray:
        y, count, classes = np.asarray(getattr(self, key)), 0 if series is None else len(series), len(self.classes)
        where = f"{self.source}: {key}"
        if not count or y.shape != (count,):
            raise InputError(f"{where}: found shape {y.shape}, want ({count},), one label for each series")
        if y.dtype.kind not in "iu":
            raise InputError(f"{where}: found dtype {y.dtype}, want integers")
        if y.min() < 0 or y.max() >= classes:
            raise InputError(f"{where}: found labels {y.min()} to {y.max()}, want from 0 to below {classes} (classes)")
        return y.astype(np.int32)


def load(name_or_path: str | Path, data_dir: str | Path | None = None) -> Dataset:
    """A data set by name or from a file.

    Args:
      name_or_path: the path of an .npz file; or a name, looked up as NAME.npz in the data folder and its sub-folders,
        then among the sets inside the installed aeon package. Nothing is downloaded.
      data_dir: the data folder; default: the environment variable TSRL_DATA_DIR, or none.

    Returns:
      The checked data set.

    Raises:
      InputError: nothing or more than one file has that name (the message says what comes near), or the data is wrong.
    """
    name = str(name_or_path)
    path = find_npz(name, data_dir)
    if path is not None:
        return Dataset(path.stem, npz_source(path), *read_npz(path))
    packaged = packaged_sets()
    if name in packaged:
        return Dataset(name, packaged_source(), *read_packaged(packaged[name]))
    folder = data_folder(data_dir)
    raise InputError(_unknown(name, folder, packaged, {*_npz_files(folder), *packaged}))


def find_npz(name: str, data_dir: str | Path | None) -> Path | None:
    """The .npz file that a name stands for.

    Args:
      name: the path of an .npz file, or a name, looked up as NAME.npz in the data folder and its sub-folders.
      data_dir: see `data_folder`.

    Returns:
      The file, which need not exist where `name` is a path; None where the folder has none of that name.

    Raises:
      InputError: more than one file has that name.
    """
    if name.lower().endswith(".npz"):
        return Path(name).expanduser()
    folder = data_folder(data_dir)
    found = _npz_files(folder).get(name, [])
    if folder is not None and len(found) > 1:
        listed = ", ".join(path.relative_to(folder).as_posix() for path in found)
        raise InputError(f"dataset: found {name} more than once in the data folder ({listed}), want the path of one")
    return found[0] if found else None


def available(data_dir: str | Path | None = None) -> dict[str, str]:
    """The names that `load` finds now.

    Args:
      data_dir: the data folder; default: the environment variable TSRL_DATA_DIR, or none.

    Returns:
      Name -> source, in alphabetical order. Left out: .npz files without series, and names that several files share.

    Raises:
      InputError: no such folder.
    """
    files = _npz_files(data_folder(data_dir))
    found = {name: packaged_source() for name in packaged_sets() if name not in files}
    found |= {name: npz_source(paths[0]) for name, paths in files.items() if len(paths) == 1 and _has_series(paths[0])}
    return dict(sorted(found.items()))


def data_folder(data_dir: str | Path | None) -> Path | None:
    """The folder that holds the user's data sets.

    Args:
      data_dir: the folder; None: the one that the environment variable TSRL_DATA_DIR names.

    Returns:
      The folder, or None where neither is set.

    Raises:
      InputError: no such folder.
    """
    setting = os.environ.get(DATA_DIR_VARIABLE) if data_dir is None else data_dir
    if not setting:
        return None
    folder = Path(setting).expanduser()
    if not folder.is_dir():
        raise InputError(f"{DATA_DIR_VARIABLE if data_dir is None else 'data_dir'}: found no folder at {folder}")
    return folder


def _npz_files(folder: Path | None) -> dict[str, list[Path]]:
    """Name -> the .npz files of that name in a folder and its sub-folders; links to folders are not followed."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.npz")) if folder is not None else []:
        if path.is_file():
            found.setdefault(path.stem, []).append(path)
    return found


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
