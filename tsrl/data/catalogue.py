"""Every data set by name: what it is, and whether it can be read now, is downloaded at first use, or is put by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from tsrl.data.anomaly import ARCHIVES as ANOMALY_ARCHIVES
from tsrl.data.anomaly import found_archives
from tsrl.data.archives import archive_facts, archive_names, is_downloaded
from tsrl.data.builders import SPECS, Spec, is_prepared, verified
from tsrl.data.forecasting import FILES as FORECAST_FILES
from tsrl.data.locate import TABLE_SUFFIXES, data_folder, named_files, suffix_of
from tsrl.data.named import ARRAY_SUFFIXES
from tsrl.data.named import FILES as SERIES_FILES
from tsrl.data.npz import stored_forms
from tsrl.data.packaged import packaged_sets, packaged_source, packaged_targets
from tsrl.errors import InputError, nearest

State = Literal["here", "download", "by hand"]
# A larger text file's lines are not counted for a list.
_COUNTED_BYTES = 1 << 27


class Entry(NamedTuple):
    """A data set.

    Attributes:
      name: what `--dataset` takes.
      task: what it is for; "series" where a file has no labels, "table" where its columns must be named first.
      shape: "train+test x steps x channels", or "steps x channels" of a series to forecast; "?" = not known.
      classes: how many, or None.
      licence: as its publisher states it, "" where unknown: of the user's own files.
      source: where it would be read from, in words.
      state: "here": can be read now; "download": at first use; "by hand": the user gets the files and puts them in the
        data folder.
      verified: whether the download's checksum is known; True where nothing is downloaded.
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
    """All data sets by name, in the order in which a name is looked up; a name stands once for each task.

    Args:
      data_dir: the data folder; default: the environment variable TSRL_DATA_DIR, or none.

    Raises:
      InputError: no such folder.
    """
    folder = data_folder(data_dir)
    found: dict[tuple[str, str], Entry] = {}
    for entry in (*_files(folder), *_anomaly(data_dir), *_packaged(), *_builders(folder), *_archives()):
        found.setdefault((entry.name, entry.task), entry)
    # A table of unknown columns does not stand beside the set of its name.
    named = {name for name, task in found if task != "table"}
    return [entry for (name, task), entry in found.items() if task != "table" or name not in named]


def entry(name: str, data_dir: str | Path | None = None, task: str = "") -> Entry:
    """The data set of a name.

    Args:
      name: as `catalogue` has it.
      data_dir: see `catalogue`.
      task: where a name stands for several.

    Raises:
      InputError: there is none.
    """
    entries = catalogue(data_dir)
    found = [one for one in entries if one.name == name and task in ("", one.task)]
    if not found:
        raise InputError(f"dataset: found {name!r}; {nearest(name, {one.name for one in entries})}")
    return found[0]
