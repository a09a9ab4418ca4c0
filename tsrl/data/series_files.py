"""Series in files of further formats: .npy, .ts, .arff, .tsv, .txt and .tsf; nothing is ever unpickled."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsrl.data.npz import Arrays, arrange, readable
from tsrl.errors import InputError

_DAMAGED = "a damaged file or another format"


class _Split(NamedTuple):
    """What one file holds: N arrays `[C, T_i]`, and of each its label and its name, where it has them."""

    series: Sequence[np.ndarray] | np.ndarray
    labels: np.ndarray | None = None
    names: np.ndarray | None = None


def read_series_file(path: Path) -> Arrays:
    """Reads the series of one file, and those of NAME_TEST beside it where it is called NAME_TRAIN.

    Args:
      path: of the file, whose ending says what it holds.
        .npy: numbers `[N, T, C]`; `[N, T]` for one channel; `[T]` for a single series of one channel.
        .ts, .arff: the classification archives' formats; the targets of a regression set are not read.
        .tsv, .txt: a row a series, of equal lengths: its label, a whole number, then its values, between tabs, commas
        or blanks.
        .tsf: the forecasting archive's format; a series' name becomes its id.

    Returns:
      The arrays: series `[N, T, C]` float32, T the longest of both splits, shorter ones padded with NaN at the end, NaN
      for missing values; labels as class ids, in the order of `arrange`.

    Raises:
      InputError: no such file, another ending, or whatever does not fit the format, with the file's name.

    References:
      Bagnall et al., The UEA multivariate time series classification archive (arXiv 1811.00075); Dau et al., The UCR
      time series archive (arXiv 1810.07758); Godahewa et al., Monash time series forecasting archive (arXiv
      2105.06643).
    """
    if path.suffix.lower() not in _READERS:
        raise InputError(f"series file: found {path.name}, want a name that ends in {', '.join(_READERS)}")
    source = f"{path.suffix[1:].lower()} file {path.name}"
    if path.stem.endswith("_TRAIN"):
        test = path.with_name(path.stem.removesuffix("_TRAIN") + "_TEST" + path.suffix)
        if test.is_file():
            return read_splits(path, test, source)
    split = _read(path)
    x = stack(split.series, max(series.shape[1] for series in split.series))
    labels = {} if split.labels is None else {"y_train": split.labels}
    return arrange({"x_train": x, **labels}, source)._replace(rows=_ids(train=split.names))


def read_splits(train: Path, test: Path, source: str) -> Arrays:
    """Reads two files of one set.

    Args:
      train: the training split; see `read_series_file`.
      test: the other one.
      source: begins messages about both.

    Returns:
      See `read_series_file`.

    Raises:
      InputError: see `read_series_file`; or labels, names or channels that one split has and the other not.
    """
    splits = {"train": _read(train), "test": _read(test)}
    channels = {key: split.series[0].shape[0] for key, split in splits.items()}
    if channels["train"] != channels["test"]:
        raise InputError(f"{source}: found {channels['test']} channels in {test.name}, want {channels['train']}")
    if (splits["train"].labels is None) != (splits["test"].labels is None):
        raise InputError(f"{source}: found labels in only one of {train.name} and {test.name}, want them in both")
    longest = max(series.shape[1] for split in splits.values() for series in split.series)
    stored = {f"x_{key}": stack(split.series, longest) for key, split in splits.items()}
    stored |= {f"y_{key}": split.labels for key, split in splits.items() if split.labels is not None}
    return arrange(stored, source)._replace(rows=_ids(**{key: split.names for key, split in splits.items()}))


def _ids(**names: np.ndarray | None) -> dict[str, np.ndarray]:
    return {f"id_{part}": own for part, own in names.items() if own is not None}


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


def ts_classes(header: dict[str, list[str]]) -> dict[str, str]:
    """Lower-case name -> name of each class that a .ts file's header declares; empty for a regression set."""
    declared, *names = header.get("@classlabel") or ["false"]
    return {name.lower(): name for name in names} if declared.lower() == "true" else {}


def ts_header(path: Path) -> dict[str, list[str]]:
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


def _read(path: Path) -> _Split:
    if not path.is_file():
        raise InputError(f"series file: found no file at {path}")
    reader = _READERS[path.suffix.lower()]
    with readable(path.name, _DAMAGED):
        split = reader(path)
        if not len(split.series) or not split.series[0].size:
            raise InputError(f"{path.name}: found no series, want at least one")
        # Beyond float32's range numbers become infinite, which no check further on could explain.
        if any(
            np.abs(values[np.isfinite(values)]).max(initial=0) > np.finfo(np.float32).max for values in split.series
        ):
            raise InputError(f"{path.name}: found a number beyond {np.finfo(np.float32).max:.3g}, want less")
        return split


def _aeon(reader: str, path: Path, **settings: Any) -> Any:
    try:
        from aeon import datasets
    except ModuleNotFoundError as error:
        raise InputError(f"{path.name}: found no package aeon, want it (pip install 'tsrl[archives]')") from error
    return getattr(datasets, reader)(str(path), **settings)


def _ts(path: Path) -> _Split:
    header = ts_header(path)
    if not header.keys() & {"@classlabel", "@targetlabel"}:
        # aeon would take the last channel for the label.
        raise InputError(f"{path.name}: found no @classLabel and no @targetLabel, want one in the header")
    series, labels = _aeon("load_from_ts_file", path)
    if len(series) and series[0].shape[0] > 1 and header.get("@univariate") == ["true"]:
        raise InputError(f"{path.name}: found {series[0].shape[0]} channels, want one (@univariate true)")
    # aeon puts all text in lower case; the file's header has the names as the archive writes them.
    names = ts_classes(header)
    if not names:
        return _Split(series)
    for label in map(str, labels):
        if label not in names:
            raise InputError(f"{path.name}: found the label {label!r}, want one of @classLabel")
    return _Split(series, np.array([names[label] for label in labels]))


def _arff(path: Path) -> _Split:
    series, labels = _aeon("load_from_arff_file", path)
    names = [str(label).strip("'\"") for label in labels]
    header = re.split("@data", path.read_text(encoding="utf-8"), maxsplit=1, flags=re.IGNORECASE)[0]
    # The class is the last attribute, and the only one with its values listed.
    listed = re.findall(r"^\s*@attribute\s.*\{(.*)\}\s*$", header, re.IGNORECASE | re.MULTILINE)
    known = {name.strip().strip("'\"") for name in listed[-1].split(",")} if listed else set(names)
    for name in names:
        if name not in known:
            raise InputError(f"{path.name}: found the label {name!r}, want one of the last @attribute")
    return _Split(series, np.array(names))


def _table(path: Path) -> _Split:
    rows: list[list[float]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        cells = line.split("\t") if "\t" in line else line.split(",") if "," in line else line.split()
        if not cells:
            continue
        try:
            # Python's numbers may have underscores.
            rows.append([float(cell if "_" not in cell else "") for cell in cells])
        except ValueError as error:
            raise InputError(f"{path.name}: found text in row {number}, want a label and numbers") from error
        if len(cells) != len(rows[0]):
            raise InputError(
                f"{path.name}: found {len(cells)} values in row {number}, want {len(rows[0])} as in the first"
            )
    table = np.array(rows) if rows else np.empty((0, 1))
    return _Split(table[:, None, 1:], table[:, 0])


def _tsf(path: Path) -> _Split:
    table, facts = _aeon("load_from_tsf_file", path, replace_missing_vals_with=np.nan)
    series = [np.asarray(values, float)[None] for values in table["series_value"]]
    lengths = {values.shape[1] for values in series}
    if facts["contain_equal_length"] and len(lengths) > 1:
        raise InputError(
            f"{path.name}: found lengths from {min(lengths)} to {max(lengths)}, want one (@equallength true)"
        )
    names = table["series_name"].to_numpy(str) if "series_name" in table else None
    return _Split(series, None, names)


def _npy(path: Path) -> _Split:
    values = np.load(path, allow_pickle=False)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf" or values.ndim not in (1, 2, 3):
        found = f"{values.dtype} of {values.ndim} axes" if isinstance(values, np.ndarray) else "an archive"
        raise InputError(f"{path.name}: found {found}, want numbers [N, T, C], [N, T] or [T]")
    if values.ndim == 1:
        values = values[None]
    return _Split(values[:, None] if values.ndim == 2 else values.transpose(0, 2, 1))


_READERS: dict[str, Callable[[Path], _Split]] = {
    ".npy": _npy,
    ".ts": _ts,
    ".arff": _arff,
    ".tsv": _table,
    ".txt": _table,
    ".tsf": _tsf,
}
