"""The 128 UCR and 30 UEA classification sets by name: what is published about them, their files, their download."""

import csv
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tsrl.data.fetch import Progress, fetch
from tsrl.data.npz import Arrays
from tsrl.data.series_files import read_splits
from tsrl.data.unpack import extract_to, members
from tsrl.errors import InputError, nearest

# In the order of preference: the .ts files keep what the others leave out (names of classes, unequal lengths).
_ENDINGS = (".ts", ".arff", ".tsv", ".txt")
# Published with other splits, too: of these only the number of all series is compared.
_SPLIT_ANEW = ("DuckDuckGeese", "EigenWorms", "InsectWingbeat")
_ADDRESSES = (
    "https://timeseriesclassification.com/aeon-toolkit/{name}.zip",
    "https://zenodo.org/api/records/{zenodo}/files-archive",
)


class Facts(NamedTuple):
    """What is published about a set.

    Attributes:
      name: as the archive writes it.
      archive: "UCR" (one channel) or "UEA" (several).
      n_train: series in the training split.
      n_test: series in the test split.
      length: steps of each series; 0 where it varies.
      channels: of each series.
      classes: how many.
      zenodo: the record that holds its files.
    """

    name: str
    archive: str
    n_train: int
    n_test: int
    length: int
    channels: int
    classes: int
    zenodo: int


def archive_names(archive: str | None = None) -> list[str]:
    """The sets' names in the order of the alphabet.

    Args:
      archive: "UCR" or "UEA"; default: both.

    Raises:
      InputError: another archive.
    """
    if archive not in (None, "UCR", "UEA"):
        raise InputError(f"archive: found {archive!r}, want UCR or UEA")
    return [found.name for found in _table().values() if archive in (None, found.archive)]


def facts(name: str) -> Facts:
    """What is published about a set.

    Args:
      name: as the archive writes it.

    Raises:
      InputError: no such set; the message says what comes near.

    References:
      UCR: DataSummary.csv of the archive (Dau et al., arXiv 1810.07758). UEA: tables of Bagnall et al. (arXiv
      1811.00075), ERing as republished in 2020 with 270 test series.
    """
    found = _table().get(name)
    if found is None:
        raise InputError(f"archive set: found {name!r}, want a UCR or UEA set; {nearest(name, _table())}")
    return found


def read_archive(name: str, folder: Path) -> Arrays:
    """Reads a set from the archive's own files.

    Args:
      name: of the set.
      folder: is searched, with its sub-folders, for NAME_TRAIN and NAME_TEST as .ts, .arff, .tsv or .txt files, then
        for NAME.zip that holds them.

    Returns:
      See `read_series_file`.

    Raises:
      InputError: no such set, no or several files of it, damaged ones, or a set of other sizes than published.
    """
    wanted = facts(name)
    if not folder.is_dir():
        raise InputError(f"archive set: found no folder at {folder}")
    for ending in _ENDINGS:
        if (train := _only(folder, f"{name}_TRAIN{ending}")) is not None:
            return _checked(read_splits(train, train.with_name(f"{name}_TEST{ending}"), _source(wanted)), wanted)
    packed = _only(folder, f"{name}.zip")
    if packed is None:
        raise InputError(
            f"archive set: found neither {name}_TRAIN{_ENDINGS[0]} nor {name}.zip in the folder and its sub-folders"
        )
    train_name, test_name = _packed_names(packed, name)
    with tempfile.TemporaryDirectory() as temporary:
        unpacked = Path(temporary) / name
        extract_to(packed, unpacked, [train_name, test_name])
        return _checked(read_splits(unpacked / train_name, unpacked / test_name, _source(wanted)), wanted)


def download_archive(name: str, cache: Path, progress: Progress | None = None) -> Path:
    """Downloads a set's zip file once.

    Args:
      name: of the set.
      cache: the folder for NAME.zip; made if need be.
      progress: see `fetch`.

    Returns:
      The zip file, which holds both splits; `read_archive` reads it.

    Raises:
      InputError: no such set, no address that gives the file, or a file without the splits, which is removed.

    References:
      https://timeseriesclassification.com and https://zenodo.org/communities/tsml
    """
    wanted = facts(name)
    target = cache / f"{name}.zip"
    fetch([address.format(**wanted._asdict()) for address in _ADDRESSES], target, progress=progress)
    try:
        _packed_names(target, name)
    except InputError:
        # In a cache that is closed it stays.
        with suppress(OSError):
            for leftover in (target, target.with_name(target.name + ".sha256")):
                leftover.unlink(missing_ok=True)
        raise
    return target


@cache
def _table() -> dict[str, Facts]:
    with Path(__file__).with_name("archives.csv").open(newline="", encoding="utf-8") as file:
        rows = [Facts(row[0], row[1], *map(int, row[2:])) for row in list(csv.reader(file))[1:]]
    return {row.name: row for row in sorted(rows, key=lambda row: row.name.lower())}


def _source(wanted: Facts) -> str:
    return f"{wanted.archive} archive: {wanted.name}"


def _only(folder: Path, name: str) -> Path | None:
    """The one file of a name in a folder and its sub-folders, or None."""
    found = [path for path in sorted(folder.rglob(name)) if path.is_file()]
    if len(found) > 1:
        listed = ", ".join(path.relative_to(folder).as_posix() for path in found)
        raise InputError(f"archive set: found {name} more than once ({listed}), want it once")
    return found[0] if found else None


def _packed_names(packed: Path, name: str) -> tuple[str, str]:
    """The members with the two splits, in the preferred format."""
    by_file: dict[str, list[str]] = {}
    for member in members(packed):
        by_file.setdefault(member.rpartition("/")[2], []).append(member)
    for ending in _ENDINGS:
        train, test = (by_file.get(f"{name}_{split}{ending}", []) for split in ("TRAIN", "TEST"))
        if len(train) == len(test) == 1:
            return train[0], test[0]
    raise InputError(f"{packed.name}: found no {name}_TRAIN and {name}_TEST in it, want both as .ts files")


def _checked(arrays: Arrays, wanted: Facts) -> Arrays:
    if arrays.x_test is None or arrays.y_train is None:
        raise InputError(f"{_source(wanted)}: found no labels, want {wanted.classes} classes")
    n_train, n_test = len(arrays.x_train), len(arrays.x_test)
    found = {
        "training series": (n_train, wanted.n_train),
        "test series": (n_test, wanted.n_test),
        "channels": (arrays.x_train.shape[2], wanted.channels),
        "classes": (len(arrays.classes), wanted.classes),
        "steps": (arrays.x_train.shape[1], wanted.length or arrays.x_train.shape[1]),
    }
    if wanted.name in _SPLIT_ANEW:
        found |= {"training series": (0, 0), "test series": (0, 0)}
        found["series"] = (n_train + n_test, wanted.n_train + wanted.n_test)
    for what, (number, published) in found.items():
        if number != published:
            raise InputError(f"{_source(wanted)}: found {number} {what}, want {published} as published")
    return arrays
