"""Archives read in place: from a zip file, or from the folder it was unpacked to. Nothing is ever unpickled."""

import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tsrl.data.anomaly.series import AnomalySeries, Windows
from tsrl.data.npz import readable
from tsrl.data.unpack import members, read_member
from tsrl.errors import InputError, nearest

_DAMAGED_ARRAY = "pickled objects, which are never loaded, or a damaged array, want plain numbers"


class Files(NamedTuple):
    """The files of a folder or of a zip file.

    Attributes:
      source: in words; the same on every machine.
      names: paths with "/" inside it.
      read: name -> bytes.
    """

    source: str
    names: tuple[str, ...]
    read: Callable[[str], bytes]

    def text(self, name: str) -> str:
        """A file's text."""
        with parsed(f"{self.source}: {name}"):
            return self.read(name).decode()

    def array(self, name: str) -> np.ndarray:
        """An .npy file's array."""
        with readable(f"{self.source}: {name}", _DAMAGED_ARRAY):
            found = np.load(io.BytesIO(self.read(name)), allow_pickle=False)
        if not isinstance(found, np.ndarray):
            raise InputError(f"{self.source}: {name}: found no numpy array, want one written by numpy.save")
        return found


@contextmanager
def parsed(what: str) -> Iterator[None]:
    """Turns whatever a text in another format makes zipfile or a parser raise into an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        raise InputError(f"{what}: found a damaged file or another format ({found})") from error


def file_trees(folder: Path) -> list[Files]:
    """The folder with its sub-folders, and every zip and .npz file in them; a damaged one appears without files."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = tuple(path.relative_to(folder).as_posix() for path in files)
    trees = [Files("the data folder", names, lambda name: (folder / name).read_bytes())]
    for path in files:
        if path.suffix in (".zip", ".npz"):
            try:
                trees.append(zip_file(path))
            except InputError:
                trees.append(Files(f"the damaged {path.suffix[1:]} file {path.name}", (), lambda name: b""))
    return trees


def zip_file(path: Path) -> Files:
    """The files of a zip file.

    Raises:
      InputError: it cannot be read, or has members that are refused (see `unpack.members`).
    """
    return Files(f"{path.suffix[1:]} file {path.name}", tuple(members(path)), lambda name: read_member(path, name))


def only(trees: list[Files], what: str, wanted: Callable[[str], bool]) -> tuple[Files, str]:
    """The one file that is wanted, and where it is."""
    found = [(files, name) for files in trees for name in files.names if wanted(name)]
    if not found:
        raise nowhere(trees, what)
    if len(found) > 1:
        places = ", ".join(f"{files.source}: {name}" for files, name in found[:3])
        raise InputError(f"dataset: found {what} more than once in the data folder ({places}), want it once")
    return found[0]


def matching(
    trees: list[Files], pattern: re.Pattern[str], called: Callable[[re.Match[str]], str], what: str
) -> tuple[str, dict[str, tuple[Files, re.Match[str]]]]:
    """All files of a pattern, each a series.

    Args:
      trees: of `file_trees`.
      pattern: of whole paths.
      called: a match -> the name of its series.
      what: the set's name and its files, for messages.

    Returns:
      The source, in words, and name -> where it is and its match.

    Raises:
      InputError: no such file, or a series twice.
    """
    matches = [(files, match) for files in trees for name in files.names if (match := pattern.fullmatch(name))]
    if not matches:
        raise nowhere(trees, what)
    found = {called(match): (files, match) for files, match in matches}
    if len(found) < len(matches):
        raise InputError(f"dataset: found a series of {what} more than once in the data folder, want it once")
    return matches[0][0].source, found


def nowhere(trees: list[Files], what: str) -> InputError:
    """The error that `what` is in none of the trees; it names the files that could not be looked into."""
    damaged = [files.source for files in trees[1:] if not files.names]
    advice = f"; could not look into {', '.join(damaged)}" if damaged else ""
    return InputError(f"dataset: found {what} nowhere in the data folder, its sub-folders and zip files{advice}")


def ending(files: Files, end: str) -> str:
    """The one file whose path ends so."""
    found = [name for name in files.names if name == end or name.endswith("/" + end)]
    if len(found) != 1:
        raise InputError(f"{files.source}: found {len(found)} files {end}, want one")
    return found[0]


def chosen_names(names: Iterable[str], part: str, what: str) -> list[str]:
    """The series called `part` or lying in the folder `part`; all of them for an empty part."""
    names = list(names)
    chosen = [name for name in names if not part or name == part or name.startswith(part + "/")]
    if not chosen:
        parts = names if "/" in part else {name.partition("/")[0] for name in names}
        raise InputError(f"dataset: found no {part!r} in {what}; {nearest(part, parts)}")
    return chosen


def checked(
    source: str, name: str, values: np.ndarray, timestamps: np.ndarray, windows: Windows, stop: int
) -> AnomalySeries:
    """The series, or an error that names the source too."""
    try:
        return AnomalySeries(name, values, timestamps, windows, stop)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
