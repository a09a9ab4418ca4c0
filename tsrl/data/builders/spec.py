"""What is known of a published data set: where it is, and what must be inside."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsrl.errors import InputError


class Series(NamedTuple):
    """A series to forecast, as published.

    Attributes:
      values: `[T, C]` float32.
      time: `[T]` datetime64[s].
      columns: C names.
    """

    values: np.ndarray
    time: np.ndarray
    columns: tuple[str, ...]


class Rows(NamedTuple):
    """The labelled series of one split.

    Attributes:
      x: `[N, T, C]` float32.
      y: `[N]` int32 class ids.
      group: `[N]` text, whose or which recording's a row is; None where the files do not say.
    """

    x: np.ndarray
    y: np.ndarray
    group: np.ndarray | None


Splits = Mapping[str, Rows]


class File(NamedTuple):
    """A published file.

    Attributes:
      name: under which it is kept.
      urls: its addresses, the publisher's first.
      sha256: of the published bytes; None where nobody could compare them.
      also: other names under which people have it.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None
    also: tuple[str, ...] = ()


class Source(NamedTuple):
    """Files that hold the whole set.

    Attributes:
      files: all of them are needed.
      read: their paths, in the order of `files` -> the contents.
    """

    files: tuple[File, ...]
    read: Callable[[Sequence[Path]], Series | Splits]


class ForecastFacts(NamedTuple):
    """What a series to forecast must be.

    Attributes:
      steps: T.
      columns: C names, as in the file.
      units: of each column.
      first: time of the first step, ISO.
      last: time of the last step, ISO.
    """

    steps: int
    columns: tuple[str, ...]
    units: tuple[str, ...]
    first: str
    last: str


class ClassifyFacts(NamedTuple):
    """What labelled series must be.

    Attributes:
      rows: of each published split: "train", "test" and, where one is published, "validation".
      length: T.
      channels: C names.
      units: of each channel.
      classes: names of the class ids.
      group: what a group is, in a word; empty where the files do not say.
    """

    rows: Mapping[str, int]
    length: int
    channels: tuple[str, ...]
    units: tuple[str, ...]
    classes: tuple[str, ...]
    group: str


class Spec(NamedTuple):
    """A published data set.

    Attributes:
      name: as papers write it.
      version: of our reading of it; a prepared set of another version is not read.
      description: what it is, its published split, and what is odd about it.
      citation: BibTeX.
      licence: as far as it is stated.
      homepage: where it is described.
      sources: one is enough; the file of the published numbers comes first.
      facts: checked before anything is written and after it is read.
    """

    name: str
    version: str
    description: str
    citation: str
    licence: str
    homepage: str
    sources: tuple[Source, ...]
    facts: ForecastFacts | ClassifyFacts

    @property
    def task(self) -> str:
        """ "forecast" or "classify"."""
        return "forecast" if isinstance(self.facts, ForecastFacts) else "classify"

    @property
    def builder(self) -> str:
        """Its name among TensorFlow's data sets."""
        return f"tsrl_{self.name.lower()}"


def as_float32(values: Any) -> np.ndarray:
    """An array of float32; numbers beyond it become infinite, which `check_facts` refuses with their place."""
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(np.float32, copy=False)


def check_facts(spec: Spec, contents: Series | Splits, source: str) -> None:
    """Refuses contents that are not the published set.

    Args:
      spec: what they must be.
      contents: a series for a forecasting set, splits for a classification set.
      source: begins error messages.

    Raises:
      InputError: another number of steps, rows, channels or classes, other columns or dates, or values that are not
        finite.
    """
    facts = spec.facts
    found: dict[str, object] = {}
    wanted: dict[str, object] = {}
    if isinstance(contents, Series):
        assert isinstance(facts, ForecastFacts)
        found = {"shape": contents.values.shape, "columns": contents.columns, "time": contents.time.shape}
        wanted = {"shape": (facts.steps, len(facts.columns)), "columns": facts.columns, "time": (facts.steps,)}
        if len(contents.time):
            found["dates"] = (str(contents.time[0]), str(contents.time[-1]))
            wanted["dates"] = (facts.first, facts.last)
        arrays = {"values": contents.values}
    else:
        assert isinstance(facts, ClassifyFacts)
        found["splits"], wanted["splits"] = sorted(contents), sorted(facts.rows)
        for split in sorted(set(contents) & set(facts.rows)):
            rows = contents[split]
            found[f"{split} shape"] = rows.x.shape
            wanted[f"{split} shape"] = (facts.rows[split], facts.length, len(facts.channels))
            found[f"{split} classes"] = np.unique(rows.y).tolist()
            wanted[f"{split} classes"] = list(range(len(facts.classes)))
        arrays = {split: rows.x for split, rows in contents.items()}
    for what, value in wanted.items():
        if found[what] != value:
            raise InputError(f"{source}: {what}: found {found[what]}, want {value} as in the published {spec.name}")
    for what, array in arrays.items():
        if not np.isfinite(array).all():
            where = tuple(int(axis[0]) for axis in np.nonzero(~np.isfinite(array)))
            raise InputError(f"{source}: {what}: found {array[where]} at {where}, want finite numbers")
