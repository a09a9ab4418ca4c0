"""Anomaly detection: TS2Vec's score of frozen representations, judged beside detectors that learn nothing."""

import importlib.util
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tsrl.config import Config, Evaluation
from tsrl.data.anomaly import AnomalySet, load_anomaly, ranges
from tsrl.data.anomaly.stationary import check_tests, made_stationary
from tsrl.data.series import pad_to
from tsrl.embedder import Embedder
from tsrl.errors import InputError
from tsrl.evaluate.anomaly import (
    HISTORY,
    WARM_UP,
    Detected,
    adjusted_scores,
    detect_cold_start,
    detect_normal,
    detect_random,
    deviation_scores,
    last_step_representations,
    masked_score,
    random_scores,
)
from tsrl.evaluate.anomaly_metrics import Judged, anomaly_scores
from tsrl.report.schema import Row
from tsrl.tasks.base import Arrays, Scored, Source, Task, Training, scored_row, wanted

PROTOCOLS = {
    "normal": "how a step's representation changes when the step is hidden, relative to the 21 steps before; threshold "
    "mean + 4 std of the training part; the steps after it are judged (TS2Vec). Delay-adjusted, range and NAB scores "
    "are pooled over the series, average precision and VUS-PR are means over those with an anomaly. Controls: random "
    "flags one step in a hundred; deviation is the distance from the mean of the 21 steps before in their standard "
    "deviations",
    "cold_start": "the same scores; threshold mean + 4 std of the series' own past; all but the first tenth of the "
    "steps are judged. TS2Vec trains this encoder on another set (FordA); here it is the same one, which has seen the "
    "training parts without labels",
}
ARRAYS = {
    "score": "[T] scores of every step, not negative, of all series one after another",
    "labels": "[T] number of the labelled range of each step, 0 = none",
    "timestamps": "[T] seconds or step numbers",
    "lengths": "[N] steps of each series",
    "train_stops": "[N] steps of each training part",
}
# A tenth of the steps, which the cold start leaves out, has to cover the history of a score.
MIN_STEPS = 10 * HISTORY


class Labelled(NamedTuple):
    """What is known of a series without an encoder.

    Attributes:
      numbered: `[T]` number of the labelled range of each step, 0 = none.
      timestamps: `[T]`.
      train_stop: steps of the training part.
    """

    numbered: np.ndarray
    timestamps: np.ndarray
    train_stop: int


def load(config: Config) -> AnomalySet:
    """The set, its series long enough for the protocols."""
    settings = config.anomaly
    for name, number, least in (("delay", settings.delay, 0), ("window", settings.window, 2)):
        if number < least:
            raise InputError(f"anomaly.{name}: found {number}, want at least {least}")
    if settings.difference:
        check_tests()
    data = load_anomaly(config.dataset, config.data_dir, settings.train_fraction, config.table)
    if settings.difference:
        data = replace(data, series=tuple(map(made_stationary, data.series)))
    _check(
        [series.name for series in data.series],
        [Labelled(series.numbered, series.timestamps, series.train_stop) for series in data.series],
    )
    return data


def training(config: Config, data: AnomalySet) -> Training:
    """The training part of every series, each standardised by itself, padded at the end to one length."""
    parts = [series.standardised()[None, : series.train_stop] for series in data.series]
    longest = max(part.shape[1] for part in parts)
    return Training(np.concatenate([pad_to(part, longest) for part in parts]), None)


def describe(config: Config, data: AnomalySet) -> dict[str, Any]:
    """The report's description of the set."""
    tests = [series.numbered[series.train_stop :] for series in data.series]
    orders = {series.name: series.differences for series in data.series}
    counts = sorted(Counter(orders.values()).items())
    told = {
        "differences": orders,
        "differenced": ", ".join(f"order {order}: {count} series" for order, count in counts),
    }
    return {
        "name": data.name,
        "source": data.source,
        "series": len(data.series),
        "channels": data.channels,
        "steps": sum(len(series.values) for series in data.series),
        "n_train": sum(series.train_stop for series in data.series),
        "n_test": sum(map(len, tests)),
        "ranges": sum(len(series.windows) for series in data.series),
        "ranges_test": sum(len(ranges(test)) for test in tests),
        "share_test": round(float(np.concatenate(tests).astype(bool).mean()), 6),
        "delay": config.anomaly.delay,
        "window": config.anomaly.window,
        **(told if config.anomaly.difference else {}),
        **data.about,
    }


def labels(config: Config, data: AnomalySet) -> dict[str, np.ndarray]:
    """Everything but the scores that `judge` wants."""
    return {
        "labels": np.concatenate([series.numbered for series in data.series]),
        "timestamps": np.concatenate([series.timestamps for series in data.series]),
        "lengths": np.array([len(series.values) for series in data.series]),
        "train_stops": np.array([series.train_stop for series in data.series]),
    }


def score(config: Config, data: AnomalySet, embedder: Embedder, source: Source) -> Scored:
    """Both protocols on one model."""
    window = config.anomaly.window
    pairs = (last_step_representations(embedder.encode, series.standardised(), window) for series in data.series)
    found = {"score": np.concatenate([masked_score(visible, hidden) for visible, hidden in pairs])}
    return Scored(judge(config, found | labels(config, data), source), found)


def judge(config: Evaluation, arrays: Arrays, source: Source) -> list[Row]:
    """Both protocols on scores."""
    scores, *_ = wanted(arrays, ARRAYS)
    series, cuts = _labelled(arrays)
    if scores.shape != (steps := arrays["labels"].shape):
        raise InputError(f"embeddings: found score {scores.shape}, want {steps} as labels")
    adjusted = [adjusted_scores(part) for part in np.split(scores, cuts)]
    return _rows(config, series, adjusted, source, detect_normal, detect_cold_start)


def baseline(config: Evaluation, arrays: Arrays, seed: int) -> list[Row]:
    """Random scores: measures that look good on them say nothing."""
    series, _ = _labelled(arrays)
    drawn = [random_scores(len(one.numbered), (seed, i)) for i, one in enumerate(series)]
    return _rows(config, series, drawn, Source("random", "control", seed), detect_random, _random_cold_start)


def _labelled(arrays: Arrays) -> tuple[list[Labelled], np.ndarray]:
    """The series that the arrays other than the score hold, and where each but the first starts."""
    numbered, timestamps, lengths, train_stops = wanted(
        arrays, {name: words for name, words in ARRAYS.items() if name != "score"}
    )
    lengths, train_stops = np.atleast_1d(lengths), np.atleast_1d(train_stops)
    for name, array in (("labels", numbered), ("lengths", lengths), ("train_stops", train_stops)):
        if array.dtype.kind not in "biu":
            raise InputError(f"embeddings: found {name} of dtype {array.dtype}, want integers")
    steps = (int(lengths.sum()),)
    if numbered.shape != steps or timestamps.shape != steps:
        shapes = f"labels {numbered.shape}, timestamps {timestamps.shape}"
        raise InputError(f"embeddings: found {shapes}, want {steps} in each, the sum of lengths")
    if train_stops.shape != lengths.shape:
        raise InputError(f"embeddings: found train_stops {train_stops.shape}, want {lengths.shape} as lengths")
    cuts = np.cumsum(lengths)[:-1]
    series = [
        Labelled(number, time, int(stop))
        for number, time, stop in zip(np.split(numbered, cuts), np.split(timestamps, cuts), train_stops, strict=True)
    ]
    _check([f"series {number}" for number in range(len(series))], series)
    return series, cuts


def controls(config: Config, data: AnomalySet) -> list[Row]:
    """The distance from the recent mean; random scores are the `baseline`."""
    series = [Labelled(one.numbered, one.timestamps, one.train_stop) for one in data.series]
    distances = [deviation_scores(one.standardised()) for one in data.series]
    deviation = Source("deviation", "control", None)
    return _rows(config, series, distances, deviation, detect_normal, detect_cold_start)


def picture(config: Config, data: AnomalySet, embeddings: Arrays) -> dict[str, np.ndarray]:
    """The first series that has an anomaly after its training part, with what the normal protocol makes of it."""
    cuts = np.cumsum([len(series.values) for series in data.series])[:-1]
    parts = list(zip(data.series, np.split(embeddings["score"], cuts), strict=True))
    shown, scores = next((part for part in parts if part[0].numbered[part[0].train_stop :].any()), parts[0])
    adjusted = adjusted_scores(scores)
    found = detect_normal(adjusted, shown.train_stop, config.anomaly.delay)
    return {
        "anomaly_name": np.array(shown.name),
        "anomaly_values": shown.standardised()[:, 0],
        "anomaly_labels": shown.numbered > 0,
        "anomaly_score": adjusted,
        "anomaly_detected": np.concatenate([np.zeros(found.start, bool), found.alarms]),
    }


def _random_cold_start(scores: np.ndarray, delay: int) -> Detected:
    return detect_random(scores, len(scores) // 10, delay)


def _rows(
    config: Evaluation,
    series: Sequence[Labelled],
    scores: Sequence[np.ndarray],
    source: Source,
    normal: Callable[[np.ndarray, int, int], Detected],
    cold_start: Callable[[np.ndarray, int], Detected],
) -> list[Row]:
    """The row of each protocol."""
    delay = config.anomaly.delay
    detected = {
        "normal": [normal(own, one.train_stop, delay) for one, own in zip(series, scores, strict=True)],
        "cold_start": [cold_start(own, delay) for own in scores],
    }
    rows = []
    for protocol, each in detected.items():
        parts = []
        for one, own, found in zip(series, scores, each, strict=True):
            numbered, timestamps = one.numbered[found.start :], one.timestamps[found.start :]
            spans = ranges(numbered)
            parts.append(Judged(numbered > 0, spans, timestamps, own[found.start :], found.flags, found.alarms))
        rows.append(scored_row(source, protocol, anomaly_scores(parts, delay)))
    return rows


def _check(names: Sequence[str], series: Sequence[Labelled]) -> None:
    if importlib.util.find_spec("aeon") is None:
        raise InputError("task: found no aeon, want it for range measures and VUS-PR: pip install 'tsrl[archives]'")
    for name, one in zip(names, series, strict=True):
        steps = len(one.numbered)
        if steps < MIN_STEPS or not WARM_UP < one.train_stop < steps:
            raise InputError(
                f"{name}: found {one.train_stop} steps to train on of {steps}, want more than {WARM_UP} of at least "
                f"{MIN_STEPS}, for a score needs a past"
            )


TASK = Task(
    load=load,
    fingerprint=AnomalySet.fingerprint,
    training=training,
    dataset=describe,
    protocols=PROTOCOLS,
    headline="average_precision",
    compared=("normal",),
    score=score,
    controls=controls,
    labels=labels,
    judge=judge,
    baseline=baseline,
    picture=picture,
)
