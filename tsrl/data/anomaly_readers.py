"""The published formats of labelled anomalies: NAB, SMAP and MSL, the UCR anomaly archive; and the user's own file.

Archives are read in place: from a zip file, or from the folder it was unpacked to. Nothing is ever unpickled.
"""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tsrl.data.anomaly_series import AnomalySeries, Windows, ranges
from tsrl.data.npz import npz_source, readable
from tsrl.errors import InputError, nearest

_DAMAGED_ARRAY = "pickled objects, which are never loaded, or a damaged array, want plain numbers"
_NAB_WINDOWS = "labels/combined_windows.json"
_SPACECRAFT_LABELS = "labeled_anomalies.csv"
# 135_UCR_Anomaly_InternalBleeding16_1200_4187_4199.txt: steps to train on, then the range.
_OWN_KEYS = ("values", "labels", "timestamps", "train_stop")
_UCR_FILE = re.compile(r"(?:.*/)?(\d+_UCR_Anomaly_[^/]+?)_(\d+)_(\d+)_(\d+)\.txt")


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
        with _parsed(f"{self.source}: {name}"):
            return self.read(name).decode()

    def array(self, name: str) -> np.ndarray:
        """An .npy file's array."""
        with readable(f"{self.source}: {name}", _DAMAGED_ARRAY):
            found = np.load(io.BytesIO(self.read(name)), allow_pickle=False)
        if not isinstance(found, np.ndarray):
            raise InputError(f"{self.source}: {name}: found no numpy array, want one written by numpy.save")
        return found


@contextmanager
def _parsed(what: str) -> Iterator[None]:
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
                trees.append(_zip_file(path))
            except (zipfile.BadZipFile, OSError):
                trees.append(Files(f"the damaged {path.suffix[1:]} file {path.name}", (), lambda name: b""))
    return trees


def _zip_file(path: Path) -> Files:
    def read(name: str) -> bytes:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)

    with zipfile.ZipFile(path) as archive:
        return Files(f"{path.suffix[1:]} file {path.name}", tuple(archive.namelist()), read)


def read_nab(trees: list[Files], part: str, train_fraction: float) -> tuple[str, list[AnomalySeries]]:
    """The Numenta Anomaly Benchmark: data/CATEGORY/NAME.csv and labels/combined_windows.json.

    Time stamps are taken as UTC. A row belongs to a window when its stamp lies between the window's two, ends included.
    """
    files, name = _only(trees, "NAB", lambda name: name == _NAB_WINDOWS or name.endswith("/" + _NAB_WINDOWS))
    with _parsed(f"{files.source}: {name}"):
        spans = {key: np.array(list(pairs), "datetime64[us]") for key, pairs in json.loads(files.text(name)).items()}
    root = name.removesuffix(_NAB_WINDOWS)
    series = []
    for called in _chosen([key.removesuffix(".csv") for key in spans], part, "NAB"):
        key = f"{called}.csv"
        where = f"{files.source}: {root}data/{key}"
        rows = list(csv.reader(files.text(f"{root}data/{key}").splitlines()))
        with _parsed(where):
            if rows[0] != ["timestamp", "value"]:
                raise InputError(f"{where}: found the columns {rows[0]}, want timestamp,value")
            stamps = np.array([stamp for stamp, _ in rows[1:]], "datetime64[us]")
            values = np.array([value or "nan" for _, value in rows[1:]]).astype(np.float64)
            if np.isnat(stamps).any():
                raise InputError(f"{where}: found a row without a timestamp")
        windows = []
        for begin, end in spans[key].reshape(-1, 2):
            inside = np.flatnonzero((stamps >= begin) & (stamps <= end))
            if not len(inside):
                raise InputError(f"{files.source}: {name}: {key}: found no row from {begin} to {end}")
            windows.append((int(inside[0]), int(inside[-1])))
        seconds = stamps.astype("datetime64[s]").astype(np.int64)
        stop = int(len(values) * train_fraction)
        series.append(_checked(files.source, called, values[:, None], seconds, tuple(sorted(windows)), stop))
    return files.source, series


def read_spacecraft(trees: list[Files], part: str, craft: str) -> tuple[str, list[AnomalySeries]]:
    """NASA's SMAP or MSL: the training array of each channel, then its test array, whose ranges are labelled.

    The published files are train/CHANNEL.npy, test/CHANNEL.npy and labeled_anomalies.csv, whose ranges include both
    ends; an .npz file with CRAFT__CHANNEL__train, __test and __label is read too. Steps have no time. The two arrays
    are put end to end, which the recordings need not be: the first windows of the test part reach back into the
    training part.
    """
    packed = re.compile(rf"{craft}__(.+)__label\.npy")
    first = next((name for tree in trees for name in tree.names if packed.fullmatch(name)), None)
    if first is not None:
        files, _ = _only(trees, craft, first.__eq__)
        channels = [match[1] for name in files.names if (match := packed.fullmatch(name))]
        form = f"{craft}__{{channel}}__{{kind}}.npy"
        spans = {}
    else:
        files, name = _only(trees, craft, lambda name: name.rpartition("/")[2] == _SPACECRAFT_LABELS)
        spans = _spacecraft_ranges(files, name, craft)
        channels = list(spans)
        form = "{kind}/{channel}.npy"
    series = []
    for channel in _chosen(channels, part, craft):
        train, test = (
            files.array(_ending(files, form.format(channel=channel, kind=kind))) for kind in ("train", "test")
        )
        if spans:
            label = np.zeros(len(test), bool)
            for begin, end in spans[channel]:
                if not 0 <= begin <= end < len(test):
                    raise InputError(
                        f"{files.source}: {channel}: found the range {begin} to {end} of {len(test)} steps"
                    )
                label[begin : end + 1] = True
        else:
            label = files.array(form.format(channel=channel, kind="label"))
        if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1] or label.shape != test.shape[:1]:
            shapes = f"train {train.shape}, test {test.shape}, label {label.shape}"
            raise InputError(f"{files.source}: {channel}: found {shapes}, want [T, C], [T', C], [T']")
        windows = tuple((begin + len(train), end + len(train)) for begin, end in ranges(label))
        values = np.concatenate([train, test])
        series.append(_checked(files.source, channel, values, np.arange(len(values)), windows, len(train)))
    return files.source, series


def _spacecraft_ranges(files: Files, name: str, craft: str) -> dict[str, list[list[int]]]:
    """Channel -> its labelled (first, last) steps of the test array; P-2 stands in two rows of the published table."""
    spans: dict[str, list[list[int]]] = {}
    with _parsed(f"{files.source}: {name}"):
        for row in csv.DictReader(files.text(name).splitlines()):
            if row["spacecraft"] == craft:
                spans.setdefault(row["chan_id"], []).extend(json.loads(row["anomaly_sequences"]))
    return spans


def read_ucr(trees: list[Files], part: str) -> tuple[str, list[AnomalySeries]]:
    """The UCR anomaly archive: text files named NUMBER_UCR_Anomaly_NAME_TRAIN_FIRST_LAST.txt, numbers between blanks.

    The range is counted from 0 and both ends are included: values of the archive's series with inserted beats change
    at step FIRST and change back at step LAST or the next.
    """
    matches = [(files, match) for files in trees for name in files.names if (match := _UCR_FILE.fullmatch(name))]
    found = {match[1]: (files, match) for files, match in matches}
    if not found:
        raise _nowhere(trees, "a file NUMBER_UCR_Anomaly_NAME_TRAIN_FIRST_LAST.txt")
    if len(found) < len(matches):
        raise InputError("dataset: found a series of UCRAnomaly more than once in the data folder, want it once")
    series = []
    for name in _chosen(found, part, "UCRAnomaly"):
        files, match = found[name]
        stop, first, last = (int(number) for number in match.groups()[1:])
        with _parsed(f"{files.source}: {match[0]}"):
            values = np.array(files.read(match[0]).split()).astype(np.float64)
        series.append(_checked(files.source, name, values[:, None], np.arange(len(values)), ((first, last),), stop))
    return matches[0][0].source, series


def read_own(path: Path, train_fraction: float) -> tuple[str, list[AnomalySeries]]:
    """One series of the user's: an .npz file with `values`, `labels` and perhaps `timestamps` and `train_stop`.

    Raises:
      InputError: no such file, a damaged one, a missing key, or arrays that do not fit.
    """
    source = npz_source(path)
    if not path.is_file():
        raise InputError(f"dataset: found no file at {path}")
    with readable(source, "no readable archive, want one written by numpy.savez"):
        files = _zip_file(path)
    stored = {key: files.array(f"{key}.npy") for key in _OWN_KEYS if f"{key}.npy" in files.names}
    if missing := {"values", "labels"} - stored.keys():
        raise InputError(f"{source}: found no {' and no '.join(sorted(missing))}, want values and labels")
    values, labels = stored["values"], stored["labels"]
    values = values[:, None] if values.ndim == 1 else values
    if labels.shape != values.shape[:1] or labels.dtype.kind not in "biu" or labels.min(initial=0) < 0:
        raise InputError(
            f"{source}: labels: found {labels.dtype} in shape {labels.shape}, want ({len(values)},) integers from 0 up"
        )
    stop = stored.get("train_stop", np.array(int(len(values) * train_fraction)))
    if stop.shape != () or stop.dtype.kind not in "iu":
        raise InputError(f"{source}: train_stop: found {stop.dtype} in shape {stop.shape}, want one integer")
    timestamps = stored.get("timestamps", np.arange(len(values)))
    return source, [_checked(source, path.stem, values, timestamps, ranges(labels), int(stop))]


def _only(trees: list[Files], what: str, wanted: Callable[[str], bool]) -> tuple[Files, str]:
    """The one file that is wanted, and where it is."""
    found = [(files, name) for files in trees for name in files.names if wanted(name)]
    if not found:
        raise _nowhere(trees, what)
    if len(found) > 1:
        places = ", ".join(f"{files.source}: {name}" for files, name in found[:3])
        raise InputError(f"dataset: found {what} more than once in the data folder ({places}), want it once")
    return found[0]


def _nowhere(trees: list[Files], what: str) -> InputError:
    damaged = [files.source for files in trees[1:] if not files.names]
    advice = f"; could not look into {', '.join(damaged)}" if damaged else ""
    return InputError(f"dataset: found {what} nowhere in the data folder, its sub-folders and zip files{advice}")


def _ending(files: Files, ending: str) -> str:
    """The one file whose path ends so."""
    found = [name for name in files.names if name == ending or name.endswith("/" + ending)]
    if len(found) != 1:
        raise InputError(f"{files.source}: found {len(found)} files {ending}, want one")
    return found[0]


def _chosen(names: Iterable[str], part: str, what: str) -> list[str]:
    """The series called `part` or lying in the folder `part`; all of them for an empty part."""
    names = list(names)
    chosen = [name for name in names if not part or name == part or name.startswith(part + "/")]
    if not chosen:
        parts = names if "/" in part else {name.partition("/")[0] for name in names}
        raise InputError(f"dataset: found no {part!r} in {what}; {nearest(part, parts)}")
    return chosen


def _checked(
    source: str, name: str, values: np.ndarray, timestamps: np.ndarray, windows: Windows, stop: int
) -> AnomalySeries:
    """The series, or an error that names the source too."""
    try:
        return AnomalySeries(name, values, timestamps, windows, stop)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
