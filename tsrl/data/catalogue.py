"""Every data set by name: what it is, and whether it can be read now, is downloaded at first use, or is put by hand."""

import gzip
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from tsrl.data.anomaly import ARCHIVES as ANOMALY_ARCHIVES
from tsrl.data.anomaly import found_archives
from tsrl.data.archives import archive_names, facts
from tsrl.data.builders import is_prepared, tfds_folder
from tsrl.data.builders.spec import ForecastFacts, Spec
from tsrl.data.builders.specs import SPECS
from tsrl.data.downloads import built_source, is_downloaded
from tsrl.data.forecasting import FILES as FORECAST_FILES
from tsrl.data.locate import TABLE_SUFFIXES, data_folder, named_files, suffix_of
from tsrl.data.named import SUFFIXES
from tsrl.data.npz import stored_forms
from tsrl.data.packaged import packaged_forms, packaged_source
from tsrl.errors import InputError, nearest

State = Literal["here", "download", "by hand", "damaged"]

_ANOMALY_CHANNELS = {"NAB": 1, "SMAP": 25, "MSL": 55, "UCRAnomaly": 1, "KPI": 1, "Yahoo": 1}
_ANOMALY_LICENCES = {"NAB": "MIT", "Yahoo": "by signed request to the publisher"}
# Each set of the archives has its donor's terms.
_ARCHIVE_LICENCE = "its donor's"
_LONGEST_HEADER = 1 << 16


class Entry(NamedTuple):
    """A data set.

    Attributes:
      name: what `--dataset` takes.
      task: what it is for; "table" where the columns must be named first (`--table.*`); empty for a damaged file.
      shape: "train+test x steps x channels" of a set of series, "steps x channels" of a series to forecast, "series x
        steps in all x channels" with anomalies; "?" = only reading it tells.
      classes: how many, or None.
      licence: as far as it is known; empty for the user's own files.
      source: where it would be read from, in words.
      state: "here": can be read now; "download": at first use; "by hand": the user gets the files and puts them in the
        data folder; "damaged": it is there, but cannot be opened, is incomplete or is there twice.
      verified: whether what is downloaded is held to a known checksum, the first time too.
    """

    name: str
    task: str
    shape: str
    classes: int | None
    licence: str
    source: str
    state: State
    verified: bool = True


def catalogue(data_dir: str | Path | None = None) -> list[Entry]:
    """All data sets by name; what a name stands for comes from the place where it is looked up first.

    Args:
      data_dir: the data folder; default: the environment variable TSRL_DATA_DIR, or none.

    Returns:
      A name stands once for each task, in the order of tasks and names. No values are read: what is listed as "here"
      may still turn out to be damaged.

    Raises:
      InputError: no such folder.
    """
    folder = data_folder(data_dir)
    found: dict[tuple[str, str], Entry] = {}
    for one in (*_anomaly(folder), *_files(folder), *_packaged(), *_built(folder), *_archives(folder)):
        # A damaged file stands for its name, whatever the task.
        if (one.name, "") not in found:
            found.setdefault((one.name, one.task), one)
    return sorted(found.values(), key=lambda one: (one.task, one.name.lower()))


def entry(name: str, data_dir: str | Path | None = None, task: str = "") -> Entry:
    """The data set of a name.

    Args:
      name: as `catalogue` has it.
      data_dir: see `catalogue`.
      task: where a name stands for several.

    Raises:
      InputError: there is none, or several tasks have it.
    """
    entries = catalogue(data_dir)
    found = [one for one in entries if one.name == name and task in ("", one.task)]
    if not found:
        raise InputError(f"dataset: found {name!r}; {nearest(name, {one.name for one in entries})}")
    if len(found) > 1:
        raise InputError(f"dataset: found {name!r} for {', '.join(one.task for one in found)}, want --task with it")
    return found[0]


def task_of(path: Path) -> str:
    """What a file is for, by its format and the names and types of what it holds.

    Args:
      path: with one of `tsrl.data.named.SUFFIXES`.

    Returns:
      A task; "table" for one without a column `date`; "" for an .npz file that no task reads.

    Raises:
      InputError: a damaged .npz file.
    """
    suffix = suffix_of(path.name, SUFFIXES)
    if suffix == ".npz":
        forms = stored_forms(path)
        if "x_train" in forms or "x" in forms:
            return "regress" if "y_train" in forms and forms["y_train"][1].kind == "f" else "classify"
        kinds = {"anomaly": {"values", "labels"}, "forecast": {"values", "time"}}
        return next((task for task, keys in kinds.items() if keys <= forms.keys()), "")
    if suffix in TABLE_SUFFIXES:
        return "forecast" if "date" in _header(path, suffix) else "table"
    return "forecast" if suffix == ".tsf" else "classify"


def _header(path: Path, suffix: str) -> list[str]:
    """A table's column names; none where there is no readable header."""
    try:
        if suffix == ".parquet":
            from pyarrow import parquet

            return list(parquet.read_schema(path).names)
        opened = gzip.open if suffix == ".csv.gz" else open
        with opened(path, "rb") as file:
            return [name.strip('"') for name in file.readline(_LONGEST_HEADER).decode("latin-1").strip().split(",")]
    except (OSError, EOFError, ValueError):
        return []


def _files(folder: Path | None) -> Iterator[Entry]:
    names = {stem: name for name, stem in FORECAST_FILES.items()}
    for stem, paths in named_files(folder, SUFFIXES).items():
        # Of a name that several files share none can be read by it.
        if len(paths) > 1:
            continue
        path, name = paths[0], names.get(stem, stem)
        kind = suffix_of(path.name, SUFFIXES)[1:]
        try:
            task = task_of(path)
        except InputError:
            if stem not in ANOMALY_ARCHIVES:
                yield Entry(stem, "", "?", None, "", f"{kind} file {path.name}", "damaged")
            continue
        if not task:
            continue
        spec = SPECS.get(name)
        spec = spec if spec is not None and spec.task == task else None
        shape, classes = ("?", None) if spec is None else (_shape(spec), _classes(spec))
        if kind == "npz":
            shape, classes = _stored(path, task)
        yield Entry(name, task, shape, classes, spec.licence if spec else "", f"{kind} file {path.name}", "here")


def _stored(path: Path, task: str) -> tuple[str, int | None]:
    """Shape and number of classes of what an .npz file holds."""
    shapes = {key: form[0] for key, form in stored_forms(path).items()}
    if task in ("anomaly", "forecast"):
        steps, channels = (*shapes["values"], 1, 1)[:2] if shapes["values"] else ("?", "?")
        return f"{'1 x ' * (task == 'anomaly')}{steps} x {channels}", None
    x = shapes.get("x_train", shapes.get("x"))
    test = "".join(f"+{count}" for count in shapes.get("x_test", ())[:1])
    classes = shapes["classes"][0] if len(shapes.get("classes", ())) == 1 else None
    return f"{x[0]}{test} x {' x '.join(map(str, x[1:]))}" if x else "?", classes


def _anomaly(folder: Path | None) -> Iterator[Entry]:
    found = found_archives(folder)
    for name in ANOMALY_ARCHIVES:
        source, series = found.get(name, ("files put in the data folder", None))
        state: State = "by hand" if name not in found else "damaged" if series == 0 else "here"
        shape = f"{series or '?'} x ? x {_ANOMALY_CHANNELS[name]}"
        yield Entry(name, "anomaly", shape, None, _ANOMALY_LICENCES.get(name, "not stated"), source, state)


def _packaged() -> Iterator[Entry]:
    for name, form in packaged_forms().items():
        task = "classify" if form.classes else "regress"
        shape = f"{form.n_train}+{form.n_test} x {form.length or 'varies'} x {form.channels}"
        yield Entry(name, task, shape, form.classes or None, _ARCHIVE_LICENCE, packaged_source(), "here")


def _built(folder: Path | None) -> Iterator[Entry]:
    files = _names(folder, tfds_folder() / "downloads" / "manual")
    for name, spec in SPECS.items():
        state, source = _put(files, spec)
        if is_prepared(name):
            state, source = "here", built_source(name)
        verified = all(file.sha256 for file in spec.sources[0].files)
        yield Entry(name, spec.task, _shape(spec), _classes(spec), spec.licence, source, state, verified)


def _put(files: list[Counter[str]], spec: Spec) -> tuple[State, str]:
    """State and source by the files of a set that were put somewhere by hand."""
    for source in spec.sources:
        names = [[name for name in (file.name, *file.also) if any(own[name] for own in files)] for file in source.files]
        twice = [name for found in names for name in found if any(own[name] > 1 for own in files)]
        if twice:
            return "damaged", f"{twice[0]} more than once"
        if all(names):
            return "here", f"made of {', '.join(found[0] for found in names)}"
    return "download", built_source(spec.name)


def _names(*folders: Path | None) -> list[Counter[str]]:
    """How often each folder, with its sub-folders, has a file of a name; nothing where it may not be looked into."""
    return [Counter(name for _, _, names in os.walk(folder or "") for name in names) for folder in folders]


def _archives(folder: Path | None) -> Iterator[Entry]:
    (files,) = _names(folder)
    for name in archive_names():
        about = facts(name)
        shape = f"{about.n_train}+{about.n_test} x {about.length or 'varies'} x {about.channels}"
        packed, source = f"{name}.zip", f"{about.archive} archive"
        state: State = "here" if is_downloaded(name) else "download"
        if files[packed]:
            more = " more than once" if files[packed] > 1 else ""
            state, source = ("damaged" if more else "here"), f"zip file {packed}{more}"
        yield Entry(name, "classify", shape, about.classes, _ARCHIVE_LICENCE, source, state, verified=False)


def _classes(spec: Spec) -> int | None:
    return None if isinstance(spec.facts, ForecastFacts) else len(spec.facts.classes)


def _shape(spec: Spec) -> str:
    if isinstance(spec.facts, ForecastFacts):
        return f"{spec.facts.steps} x {len(spec.facts.columns)}"
    counts = "+".join(str(count) for count in spec.facts.rows.values())
    return f"{counts} x {spec.facts.length} x {len(spec.facts.channels)}"
