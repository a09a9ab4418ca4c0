"""Measures of alarms and scores against definitions written out, and what each gives where it is not defined."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tsrl.errors import InputError
from tsrl.evaluate.anomaly import detect_random, random_scores
from tsrl.evaluate.anomaly_metrics import Judged, anomaly_scores, average_precision, range_scores, vus_pr

pytest.importorskip("aeon")

NAMES = (
    *("delay_f1", "delay_precision", "delay_recall", "range_f1", "range_precision", "range_recall"),
    *("average_precision", "vus_pr", "nab"),
)


def runs(labels):
    edges = np.flatnonzero(np.diff(np.r_[0, labels, 0]))
    return list(zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True))


def judged(labels, scores=None, flags=None):
    labels = np.array(labels, bool)
    scores = np.linspace(0, 1, len(labels)) if scores is None else np.asarray(scores, float)
    flags = np.zeros(len(labels), bool) if flags is None else np.array(flags, bool)
    return Judged(labels, runs(labels.astype(int)), np.arange(len(labels)), scores, flags, flags)


def slow_range_share(ranges, others):
    """Tatbul et al. 2018, equations 2 and 6 with alpha = 0, flat bias, reciprocal cardinality."""
    shares = []
    for first, last in ranges:
        overlaps = [max(0, min(last, stop) - max(first, begin) + 1) for begin, stop in others]
        count = sum(overlap > 0 for overlap in overlaps)
        shares.append(sum(overlaps) / (last - first + 1) / max(1, count))
    return np.mean(shares)


def test_range_scores_equal_their_definition_pooled_over_series():
    rng = np.random.default_rng(0)
    parts, labels, flags, offset = [], [], [], 0
    for _ in range(3):
        label = np.repeat(rng.random(12) < 0.4, 5)
        label[-1] = True  # ranges of neighbouring series must not grow together
        flag = np.repeat(rng.random(20) < 0.4, 3)
        flag[0] = True
        parts.append(judged(label, flags=flag))
        labels += [(first + offset, last + offset) for first, last in runs(label.astype(int))]
        flags += [(first + offset, last + offset) for first, last in runs(flag.astype(int))]
        offset += 100
    precision, recall = slow_range_share(flags, labels), slow_range_share(labels, flags)
    expected = {"range_precision": precision, "range_recall": recall}
    expected["range_f1"] = 2 * precision * recall / (precision + recall)
    assert range_scores(parts) == pytest.approx(expected)


def test_range_scores_by_hand():
    # Ten steps, four of them flagged in two runs, and a false run: recall (4 / 10) / 2, precision (1 + 1 + 0) / 3.
    labels, flags = [1] * 10 + [0] * 5, [0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0]
    assert range_scores([judged(labels, flags=flags)]) == pytest.approx(
        {"range_f1": 2 * 0.2 * (2 / 3) / (0.2 + 2 / 3), "range_precision": 2 / 3, "range_recall": 0.2}
    )


def test_average_precision_is_the_mean_over_series_with_an_anomaly():
    first, second = judged([0, 1, 0, 1], [0.1, 0.9, 0.5, 0.4]), judged([1, 0, 0], [1, 2, 3])
    quiet, all_anomalous = judged([0, 0]), judged([1, 1])
    expected = [average_precision_score(part.labels, part.scores) for part in (first, second)]
    assert expected == pytest.approx([(1 + 2 / 3) / 2, 1 / 3])
    assert average_precision([first, quiet, second, all_anomalous]) == pytest.approx(np.mean(expected))
    assert average_precision([judged([0, 1, 0, 0], np.ones(4))]) == 0.25


def test_vus_pr_of_good_bad_and_constant_scores():
    labels = np.zeros(400, int)
    labels[200:240] = 1
    rng = np.random.default_rng(0)
    noise = rng.random(400)
    good, random, bad = (vus_pr([judged(labels, scores)]) for scores in (labels + 0.1 * noise, noise, noise - labels))
    assert bad < random < 0.5 < 0.8 < good <= 1
    assert vus_pr([judged(labels, np.ones(400))]) == 0.0
    assert vus_pr([judged(labels, labels + 0.1 * noise), judged(np.zeros(9)), judged(labels, np.ones(400))]) == (
        pytest.approx(good / 2)
    )


def test_vus_pr_is_close_to_the_volume_over_all_buffers():
    from aeon.benchmarking.metrics.anomaly_detection import range_pr_vus_score

    labels = np.zeros(300, int)
    labels[60:100] = labels[200:230] = 1
    scores = np.random.default_rng(1).random(300) + 0.5 * np.roll(labels, 5)
    whole = range_pr_vus_score(labels, scores, max_buffer_size=100)
    assert vus_pr([judged(labels, scores)]) == pytest.approx(whole, abs=0.01)


def test_all_measures_of_a_perfect_and_of_a_silent_detector():
    labels = np.zeros(300, int)
    labels[100:120] = 1
    perfect = anomaly_scores([judged(labels, labels, labels)], delay=7)
    assert list(perfect) == list(NAMES)
    expected = dict.fromkeys(NAMES, 1.0)
    # Every step of the window but the first is no further gain, and no step outside costs.
    expected["nab"] = 100.0
    assert perfect.pop("vus_pr") > 0.6  # the buffers around the range are not flagged
    expected.pop("vus_pr")
    assert perfect == pytest.approx(expected)
    silent = anomaly_scores([judged(labels, np.zeros(300))], delay=7)
    assert silent.pop("average_precision") == pytest.approx(20 / 300)
    assert set(silent.values()) == {0.0}


def test_nothing_is_defined_without_an_anomaly():
    quiet = anomaly_scores([judged(np.zeros(50), flags=np.arange(50) == 3)] * 2, delay=7)
    assert list(quiet) == list(NAMES)
    assert all(math.isnan(value) for value in quiet.values())


def test_random_alarms_look_good_only_to_the_delay_adjusted_f1():
    labels = np.zeros(20_000, bool)
    for begin in range(500, 20_000, 2000):
        labels[begin : begin + 800] = True
    scores = random_scores(20_000, seed=0)
    found = detect_random(scores, 0, delay=0)
    part = Judged(labels, runs(labels.astype(int)), np.arange(20_000), scores, found.flags, found.alarms)
    measured = anomaly_scores([part], delay=150)
    assert measured["delay_f1"] > 0.8
    assert measured["range_f1"] < 0.05
    assert measured["average_precision"] == pytest.approx(labels.mean(), abs=0.02)
    assert measured["nab"] < 50


LABELS = np.arange(9) > 6


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "parts: found no series"),
        ([judged(LABELS), judged(LABELS, np.r_[np.nan, np.ones(8)])], r"parts\[1\]: scores: found NaN"),
        ([judged(LABELS)._replace(alarms=LABELS[:-1])], r"parts\[0\]: found shapes \[\(8,\), \(9,\)\]"),
        ([judged([])], "want one shape"),
    ],
)
def test_wrong_parts(parts, message):
    with pytest.raises(InputError, match=message):
        anomaly_scores(parts, delay=7)


def test_negative_delay():
    with pytest.raises(InputError, match="and -1, want"):
        anomaly_scores([judged(LABELS)], delay=-1)
