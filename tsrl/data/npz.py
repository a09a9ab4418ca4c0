"""Data sets in .npz files; objects are never unpickled."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from tsrl.errors import InputError

PARTS = ("train", "val", "test")
_KEYS = ("classes", "x", "y", *(f"{array}_{part}" for array in "xy" for part in PARTS))
# What is known of rows: whose, or which recording's, they are, what they are called, when they begin.
_ROW_KEYS = {"group": "group", "subject": "group", "recording": "group", "id": "id", "start": "start", "end": "end"}
# Beyond it float64 no longer tells whole numbers apart.
_LARGEST_FLOAT_LABEL = 2.0**53
_DAMAGED_FILE = "no readable archive, want one written by numpy.savez"
_DAMAGED_ARRAY = (
    "pickled objects, which are never loaded, or a damaged array, want plain numbers or text; series of unequal length "
    "are padded with NaN"
)


class Arrays(NamedTuple):
    """A data set as read; the series are not checked yet. See `Dataset` for what each holds.

    Attributes:
      x_train: `[N, T, C]`.
      y_train: `[N]` int32 class ids, or None.
      x_test: `[M, T', C]`, or None.
      y_test: `[M]` int32 class ids, or None.
      classes: name of each id.
      x_val: a published validation split, or None.
      y_val: its class ids, or None.
      rows: `group`, `id`, `start` and `end`, each followed by the part, such as `group_train`: `[N]` of any kind.
    """

    x_train: np.ndarray
    y_train: np.ndarray | None
    x_test: np.ndarray | None
    y_test: np.ndarray | None
    classes: tuple[str, ...]
    x_val: np.ndarray | None = None
    y_val: np.ndarray | None = None
    rows: Mapping[str, np.ndarray] = MappingProxyType({})


def read_npz(path: Path) -> Arrays:
    """Reads `x_train` and, where the file has them, `y_train`, `x_test`, `y_test`, `classes`; or `x` and `y` for train.

    Args:
      path: of the file. `x_val` and `y_val` are a validation split. `group_train` and so on (or `subject_`,
        `recording_`; without ending beside `x`) say which rows belong together, `id_` what they are called, `start_`
        and `end_` when they begin and end; other keys are not read.

    Returns:
      The arrays, labels as class ids.

    Raises:
      InputError: no such file, a damaged one, pickled objects, neither `x_train` nor `x`, or labels that do not fit;
        the message names the file and the key.
    """
    source = npz_source(path)
    if not path.is_file():
        raise InputError(f"dataset: found no file at {path}")
    keys = stored_keys(path)
    if not {"x_train", "x"} & set(keys):
        shown = ", ".join(keys[:10]) + (", ..." if len(keys) > 10 else "")
        raise InputError(f"{source}: found the keys {shown or 'none'}, want x_train or x")
    stored = {}
    endings = [f"_{part}" for part in PARTS]
    with readable(source, _DAMAGED_FILE), np.load(path, allow_pickle=False) as archive:
        for key in (*_KEYS, *(f"{row}{ending}" for row in _ROW_KEYS for ending in (*endings, ""))):
            if key in keys:
                with readable(f"{source}: {key}", _DAMAGED_ARRAY):
                    stored[key] = archive[key]
    for key, array in stored.items():
        # A member without numpy's header comes back as bytes.
        if not isinstance(array, np.ndarray):
            raise InputError(f"{source}: {key}: found no numpy array, want one written by numpy.savez")
    if "x_train" not in stored:
        # All is for training then: what is known of the rows has no ending either.
        stored |= {f"{key}_train": stored[key] for key in ("x", "y", *_ROW_KEYS) if key in stored}
    rows: dict[str, np.ndarray] = {}
    parts = [part for part in PARTS if f"x_{part}" in stored]
    for key, name in _ROW_KEYS.items():
        if all(f"{key}_{part}" in stored for part in parts) and f"{name}_train" not in rows:
            rows |= {f"{name}_{part}": stored[f"{key}_{part}"] for part in parts}
    return arrange(stored, source)._replace(rows=rows)


def npz_source(path: Path) -> str:
    """What reports and messages call the file: its name without the folder, which differs from machine to machine."""
    return f"npz file {path.name}"


def stored_keys(path: Path) -> list[str]:
    """The keys of an .npz file, without reading its arrays.

    Raises:
      InputError: not a zip file.
    """
    with readable(npz_source(path), _DAMAGED_FILE), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def stored_forms(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Key -> shape and type of each array of an .npz file, whose values are not read; other members are left out.

    Raises:
      InputError: not a zip file, or an array with a damaged header.
    """
    headers = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    start = len(np.lib.format.MAGIC_PREFIX)
    found = {}
    with readable(npz_source(path), _DAMAGED_FILE), zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                magic = member.read(start + 2)
                # A third version is that of records, which no set is made of.
                if magic[:start] == np.lib.format.MAGIC_PREFIX and magic[start:] in (b"\1\0", b"\2\0"):
                    shape, _, dtype = headers[magic[start]](member)
                    found[name.removesuffix(".npy")] = (shape, dtype)
    return found


@contextmanager
def readable(what: str, found: str) -> Iterator[None]:
    """Turns whatever a damaged file makes zipfile, zlib, lzma or numpy's header parser raise into an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        # Only the kind of error is passed on: numpy's own words may be advice to unpickle.
        raise InputError(f"{what}: found {found} ({type(error).__name__})") from error


def arrange(stored: Mapping[str, np.ndarray], source: str) -> Arrays:
    """Numbers the labels: ids 0..K-1 in sorted order of the training labels, text that is all numbers by its value.

    Args:
      stored: `x_train` and any of `y_train`, `x_test`, `y_test`, `x_val`, `y_val`, `classes`; integer labels index
        `classes`.
      source: begins error messages.

    Raises:
      InputError: labels without series, of a wrong shape or kind, outside `classes`, or of a class that the training
        split lacks.
    """
    for part in ("test", "val"):
        for needed in (f"x_{part}", "y_train"):
            if f"y_{part}" in stored and needed not in stored:
                raise InputError(f"{source}: found y_{part} without {needed}")
    x_train, x_test, x_val = stored["x_train"], stored.get("x_test"), stored.get("x_val")
    if "y_train" not in stored:
        return Arrays(x_train, None, x_test, None, (), x_val)
    train = _labels(stored["y_train"], f"{source}: y_train")
    known = sorted(set(train), key=_numeric_order(train))
    names = [str(label) for label in known]
    if "classes" in stored:
        given = [str(name) for name in _labels(stored["classes"], f"{source}: classes")]
        if all(isinstance(label, int) for label in known):
            for label in known:
                if not 0 <= label < len(given):
                    raise InputError(
                        f"{source}: y_train: found the label {label}, want 0 to {len(given) - 1} (classes)"
                    )
            names = [given[label] for label in known]
        elif not set(names) <= set(given):
            unnamed = sorted(set(names) - set(given))
            raise InputError(f"{source}: y_train: found the label {unnamed[0]!r}, want one of classes")
    ids = {label: number for number, label in enumerate(known)}
    y_train = np.array([ids[label] for label in train], np.int32)
    others: dict[str, np.ndarray] = {}
    for part in ("test", "val"):
        labels = _labels(stored[f"y_{part}"], f"{source}: y_{part}") if f"y_{part}" in stored else []
        for label in labels:
            if label not in ids:
                raise InputError(f"{source}: y_{part}: found the label {label!r}, want one that y_train has")
        if f"y_{part}" in stored:
            others[part] = np.array([ids[label] for label in labels], np.int32)
    return Arrays(x_train, y_train, x_test, others.get("test"), tuple(names), x_val, others.get("val"))


def _labels(values: np.ndarray, what: str) -> list[Any]:
    """Labels `[N]` as a list of int or of str."""
    if values.ndim != 1:
        raise InputError(f"{what}: found shape {values.shape}, want one axis")
    kind = values.dtype.kind
    if kind in "biu":
        return [int(value) for value in values]
    if kind == "f":
        whole = np.isfinite(values) & (np.trunc(values) == values) & (np.abs(values) < _LARGEST_FLOAT_LABEL)
        if not whole.all():
            raise InputError(f"{what}: found the value {values[~whole][0]}, want whole numbers or text")
        return [int(value) for value in values]
    if kind in "US":
        with readable(what, "bytes that are not UTF-8"):
            return [value.decode() if isinstance(value, bytes) else value for value in values.tolist()]
    raise InputError(f"{what}: found dtype {values.dtype}, want whole numbers or text")


def _numeric_order(labels: list[Any]) -> Any:
    """Sort key: "2" before "10" when every label is the text of a finite number."""
    try:
        numbers = {label: float(label) for label in labels}
    except ValueError:
        return None
    return (lambda label: (numbers[label], label)) if np.isfinite(list(numbers.values())).all() else None
