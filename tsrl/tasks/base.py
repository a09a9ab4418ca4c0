"""What a task is: how it reads its data, what an encoder is trained on, and how representations are judged."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsrl.config import Config, Evaluation
from tsrl.data.scaling import Scaler
from tsrl.data.store import Store
from tsrl.embedder import Embedder
from tsrl.errors import InputError
from tsrl.job import Job
from tsrl.report.schema import METRICS, Role, Row, row
from tsrl.train.loop import EveryEpoch

Arrays = Mapping[str, np.ndarray]


class Training(NamedTuple):
    """What an encoder is trained on.

    Attributes:
      x: `[N, T, C]` float32, NaN = missing; training rows and steps only. Or a store of such series.
      scaler: to be applied to everything that is encoded, fitted to x, or None.
    """

    x: np.ndarray | Store
    scaler: Scaler | None

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Series as an encoder is given them."""
        return x if self.scaler is None else self.scaler.apply(x)


class Source(NamedTuple):
    """Where representations come from.

    Attributes:
      name: shown in tables.
      role: a trained method, an untrained encoder, or a control.
      seed: of its training, of its initial weights, of the control; None for what has no randomness.
    """

    name: str
    role: Role
    seed: int | None


class Scored(NamedTuple):
    """What scoring a model gives.

    Attributes:
      rows: results.
      embeddings: name -> array, kept in embeddings.npz.
    """

    rows: list[Row]
    embeddings: dict[str, np.ndarray]


class Watcher(NamedTuple):
    """A protocol that follows the training.

    Attributes:
      every_epoch: see `train.loop.fit`.
      rows: `source -> ` results for a seed that has been trained.
    """

    every_epoch: EveryEpoch
    rows: Callable[[Source], list[Row]]


class Task(NamedTuple):
    """A task as functions of the configuration and its data set; `data` is whatever `load` returns.

    Attributes:
      load: `config -> data`; raises `InputError` for a data set that the task cannot use.
      fingerprint: `data -> ` hash of all of it.
      training: `(config, data) -> Training`.
      dataset: `(config, data) -> ` the report's `dataset`.
      protocols: name -> words, for the report's `protocol`.
      headline: the metric by which models are compared across data sets; empty: they are not, nothing is scored.
      compared: the protocols that take part in that comparison; few, because every further line costs power.
      score: `(config, data, embedder, source) -> Scored`.
      controls: `(config, data) -> ` rows of what needs no encoder.
      labels: `(config, data) -> ` arrays kept beside the embeddings, such that `judge` can be given both again.
      judge: `(config, arrays, source) -> ` rows of representations as arrays, wherever they come from; None: the task
        needs the model itself.
      baseline: `(config, what "labels" gives, seed) -> ` rows of what knows nothing, which stand in every report, with
        or without controls and of representations from elsewhere too; None: no such rows.
      watchers: `(config, data, job, workdir) -> ` the protocols that follow the training; None: there are none.
      picture: `(config, data, embeddings of one seed) -> ` arrays for the report page's plot of an example, see
        `report.page`; None: no such plot.
    """

    load: Callable[[Config], Any]
    fingerprint: Callable[[Any], str]
    training: Callable[[Config, Any], Training]
    dataset: Callable[[Config, Any], dict[str, Any]]
    protocols: dict[str, str]
    headline: str
    compared: tuple[str, ...]
    score: Callable[[Config, Any, Embedder, Source], Scored]
    controls: Callable[[Config, Any], list[Row]]
    labels: Callable[[Config, Any], dict[str, np.ndarray]]
    judge: Callable[[Evaluation, Arrays, Source], list[Row]] | None = None
    baseline: Callable[[Evaluation, Arrays, int], list[Row]] | None = None
    watchers: Callable[[Config, Any, Job, Path], list[Watcher]] | None = None
    picture: Callable[[Config, Any, Arrays], dict[str, np.ndarray]] | None = None


def wanted(arrays: Arrays, names: Mapping[str, str]) -> list[np.ndarray]:
    """The arrays of these names.

    Args:
      arrays: name -> array.
      names: name -> what it holds, in words for the message.

    Raises:
      InputError: one is missing.
    """
    if missing := [f"{name} ({words})" for name, words in names.items() if name not in arrays]:
        raise InputError(f"embeddings: found {', '.join(arrays) or 'nothing'}, want also {'; '.join(missing)}")
    return [arrays[name] for name in names]


def scored_row(source: Source, protocol: str, found: Mapping[str, Any], cell: dict[str, Any] | None = None) -> Row:
    """The row of what an evaluation returned: its metrics are scores, everything else is what was chosen."""
    scores = {name: value for name, value in found.items() if name in METRICS}
    chosen = {name: value for name, value in found.items() if name not in METRICS}
    return row(source.name, source.role, protocol, scores, cell=cell, seed=source.seed, chosen=chosen)
