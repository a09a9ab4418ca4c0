"""The series, the encoders and the linear probes that say what an encoder knows."""

import signal
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np

from tsrl.config import Config
from tsrl.data.synthetic_disturbed import Disturbed, disturbed
from tsrl.embedder import Embedder
from tsrl.evaluate.classify_controls import filled
from tsrl.evaluate.probes import evaluate_logistic, evaluate_ridge
from tsrl.pretraining import prepare, run, untrained
from tsrl.report.schema import Role, Row
from tsrl.tasks.base import Source, scored_row
from tsrl.tasks.classify import Labelled

CONDITIONS = ("clean", "shifted", "anomalous")
# Condition -> what is asked of its single steps, an entry of `Disturbed`.
TRUTH = {"shifted": "level", "anomalous": "anomaly"}
PROTOCOLS = {
    "class": "class of a whole series from its embedding, standardised; logistic regression, C by cross-validation",
    "level": "level of a single step from its representation, standardised; ridge classifier, penalty by leave-one-out",
    "anomaly": "whether a single step is in an anomaly, of as many that are as are not; the classifier of levels",
}
WINDOW = 33  # values around a step that stand for it where there is no encoder
ROLES: dict[str, Role] = {"untrained": "untrained", "raw": "control"}


@dataclass(frozen=True)
class Series:
    """The synthetic series and how many of their steps are asked for.

    Attributes:
      train: series that are pre-trained on, and on which probes are fitted.
      test: series on which probes are scored.
      length: steps of each.
      probed: steps of each kind, at most, on which a probe of steps is fitted, and on which it is scored.
    """

    train: int = 256
    test: int = 256
    length: int = 96
    probed: int = 400


class Synthetic(NamedTuple):
    """The synthetic series of a seed."""

    train: Disturbed
    test: Disturbed


class Cell(NamedTuple):
    """One model: a rule, "untrained" or "raw", of one seed, and what it was trained on."""

    trained_on: str
    model: str
    seed: int


def draw(series: Series, seed: int) -> Synthetic:
    """The synthetic series of a seed; no series is in both parts."""
    train = disturbed(series.train, series.length, seed)
    return Synthetic(train, disturbed(series.test, series.length, seed, start=series.train))


def scores(config: Config, cell: Cell, data: Synthetic | Labelled, probed: int) -> list[Row]:
    """Trains the cell's model and judges it.

    Args:
      config: with the rule and the seed.
      cell: which model.
      data: what it is trained and judged on.
      probed: see `Series`.

    Returns:
      A row for each probe. An encoder that was trained on disturbed series is judged on these, one that was trained on
      clean series on all three, so that what pre-training does is told apart from what is harder to read.
    """
    source = Source(cell.model, ROLES.get(cell.model, "method"), cell.seed)
    if isinstance(data, Labelled):
        # The raw values know no seed.
        source = source._replace(seed=None) if cell.model == "raw" else source
        model = _model(config, cell, data.x_train)
        return [_class_row(source, cell, cell.trained_on, model, data)]
    model = _model(config, cell, getattr(data.train, cell.trained_on))
    rows = []
    for condition in CONDITIONS if cell.trained_on == "clean" else (cell.trained_on,):
        x = [getattr(part, condition) for part in data]
        split = Labelled(x[0], data.train.wave, x[1], data.test.wave)
        rows.append(_class_row(source, cell, condition, model, split))
        if truth := TRUTH.get(condition):
            parts = [
                _steps(model, values, part, truth, probed, (cell.seed, n))
                for n, (values, part) in enumerate(zip(x, data, strict=True))
            ]
            where = {"trained_on": cell.trained_on, "on": condition}
            rows.append(scored_row(source, truth, evaluate_ridge(*parts[0], *parts[1]), where))
    return rows


def _class_row(source: Source, cell: Cell, on: str, model: Embedder | None, data: Labelled) -> Row:
    if model is None:
        z = [filled(part, x).reshape(len(x), -1) for part, x in (("train", data.x_train), ("test", data.x_test))]
    else:
        z = [model.embed(data.x_train), model.embed(data.x_test)]
    found = evaluate_logistic(z[0], data.y_train, z[1], data.y_test, cell.seed)
    return scored_row(source, "class", found, {"trained_on": cell.trained_on, "on": on})


def _steps(
    model: Embedder | None, x: np.ndarray, part: Disturbed, truth: str, most: int, key: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Representations `[P, D]` of equally many steps of each kind, and which kind; the same steps for all models."""
    kind = getattr(part, truth).astype(int)
    random = np.random.default_rng(np.random.SeedSequence(key))
    places = [np.flatnonzero(kind == k) for k in (0, 1)]
    # A burst is rare: a few short series hold fewer steps of it than are asked for.
    count = min(most, *map(len, places))
    chosen = np.concatenate([random.choice(place, count, replace=False) for place in places])
    rows, steps = np.unravel_index(chosen, kind.shape)
    if model is not None:
        return model.encode(x)[rows, steps], kind[rows, steps]
    around = np.pad(x[..., 0], ((0, 0), (WINDOW // 2, WINDOW // 2)), mode="edge")
    return around[rows[:, None], steps[:, None] + np.arange(WINDOW)], kind[rows, steps]


def _model(config: Config, cell: Cell, x: np.ndarray) -> Embedder | None:
    if cell.model == "raw":
        return None
    job = prepare(config, x, None)
    if cell.model == "untrained":
        return untrained(job, cell.seed)
    fitted = run(job)
    if fitted.stopped is not None:
        # The loop ended in an orderly way; nothing of a cell is kept before it is done, so this stops as elsewhere.
        signal.raise_signal(fitted.stopped)
        raise KeyboardInterrupt
    params, aux = jax.tree.map(lambda leaf: np.asarray(leaf[0]), (fitted.state.params, fitted.state.aux))
    return Embedder(config.method, config.encoder, params, aux, job.channels, None, job.length)
