"""How good alarms are: the field's delay-adjusted F1, and beside it measures that count every step or every alarm.

Range measures, average precision and VUS-PR stay at chance for random scores. NAB's score need not: its windows cover a
tenth of a series, and a few random alarms hit them. Every one is to be read beside the random row.

A score that is not defined is NaN: every one of them where no judged step is anomalous. Alarms that are absent are a
result: precision, recall and F1 are 0 then, NAB's score too.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tsrl.errors import InputError
from tsrl.evaluate.anomaly_delay import delay_scores
from tsrl.evaluate.anomaly_nab import nab_score

# Buffers around a labelled range, in steps, over which VUS-PR averages.
BUFFERS = tuple(range(0, 101, 10))
RANGE_SCORES = ("range_f1", "range_precision", "range_recall")


class Judged(NamedTuple):
    """The judged part of one series.

    Attributes:
      labels: `[S]` bool.
      windows: (first, last) step of each labelled range that reaches into the part, counted from its first step and cut
        to it; ranges may touch, which `labels` do not show.
      timestamps: `[S]` int64.
      scores: `[S]` finite, higher is more anomalous.
      flags: `[S]` bool, steps over the threshold.
      alarms: `[S]` bool, flags that the protocol's suppression leaves.
    """

    labels: np.ndarray
    windows: Sequence[tuple[int, int]]
    timestamps: np.ndarray
    scores: np.ndarray
    flags: np.ndarray
    alarms: np.ndarray


def anomaly_scores(parts: Sequence[Judged], delay: int) -> dict[str, float]:
    """All measures of one detector on one data set.

    Pooled over the series: delay-adjusted F1, range measures, NAB's score. Means over the series that have an anomaly:
    average precision and VUS-PR, because scores of two series have no common scale.

    Args:
      parts: a series each.
      delay: see `anomaly_delay.delay_adjusted`.

    Returns:
      delay_f1, delay_precision, delay_recall, range_f1, range_precision, range_recall, average_precision, vus_pr, nab.

    Raises:
      InputError: no series, arrays that do not fit, scores that are not finite, a negative delay.
      ImportError: aeon is not installed.
    """
    _check(parts)
    labels, alarms = [part.labels for part in parts], [part.alarms for part in parts]
    return {
        **delay_scores(labels, alarms, [part.timestamps for part in parts], delay),
        **range_scores(parts),
        "average_precision": average_precision(parts),
        "vus_pr": vus_pr(parts),
        "nab": nab_score([part.windows for part in parts], alarms),
    }


def range_scores(parts: Sequence[Judged]) -> dict[str, float]:
    """Range-based precision and recall of the flags, and their harmonic mean, pooled over the series.

    The strict settings: a range counts by the share that overlaps, divided by the number of ranges that overlap it;
    finding a range at all earns nothing (alpha = 0), all positions weigh the same.

    Args:
      parts: a series each.

    Returns:
      range_f1, range_precision, range_recall: NaN without an anomaly, 0 without a flag.

    Raises:
      ImportError: aeon is not installed.

    References:
      Tatbul et al. 2018, Precision and Recall for Time Series, NeurIPS; computed by aeon.
    """
    from aeon.benchmarking.metrics.anomaly_detection import range_precision, range_recall

    # A step without label and flag after every series keeps ranges of two series apart.
    labels = np.concatenate([np.append(part.labels, False) for part in parts]).astype(np.int64)
    flags = np.concatenate([np.append(part.flags, False) for part in parts]).astype(np.int64)
    if not labels.any():
        return dict.fromkeys(RANGE_SCORES, math.nan)
    if not flags.any():
        return dict.fromkeys(RANGE_SCORES, 0.0)
    precision = float(range_precision(labels, flags, alpha=0, cardinality="reciprocal", bias="flat"))
    recall = float(range_recall(labels, flags, alpha=0, cardinality="reciprocal", bias="flat"))
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return dict(zip(RANGE_SCORES, (f1, precision, recall), strict=True))


def average_precision(parts: Sequence[Judged]) -> float:
    """Average precision of the scores, without any threshold: the mean over the series.

    Args:
      parts: a series each; those with one kind of step only are left out.

    Returns:
      0..1; what no knowledge gives is the share of anomalous steps, which constant scores give exactly. NaN where no
      series is left.
    """
    from sklearn.metrics import average_precision_score

    found = [average_precision_score(part.labels, part.scores) for part in parts if _both_kinds(part)]
    return float(np.mean(found)) if found else math.nan


def vus_pr(parts: Sequence[Judged]) -> float:
    """Volume under the precision-recall surface: the mean over the series.

    The area under the range-based precision-recall curve is averaged over buffers of 0, 10, ..., 100 steps around each
    labelled range. (aeon's own volume takes every buffer, which is ten times slower.)

    Args:
      parts: a series each; those with one kind of step only are left out.

    Returns:
      0..1; 0 for a series of constant scores (aeon's convention). NaN where no series is left.

    Raises:
      ImportError: aeon is not installed.

    References:
      Paparrizos et al. 2022, Volume Under the Surface, PVLDB 15(11), 2774-2787; areas computed by aeon.
    """
    from aeon.benchmarking.metrics.anomaly_detection import range_pr_auc_score

    volumes = []
    for part in filter(_both_kinds, parts):
        labels, scores = part.labels.astype(np.int64), np.asarray(part.scores, np.float64)
        constant = (scores == scores[0]).all()
        volumes.append(0.0 if constant else np.mean([range_pr_auc_score(labels, scores, size) for size in BUFFERS]))
    return float(np.mean(volumes)) if volumes else math.nan


def _both_kinds(part: Judged) -> bool:
    return bool(part.labels.any() and not part.labels.all())


def _check(parts: Sequence[Judged]) -> None:
    if not parts:
        raise InputError("parts: found no series, want at least one")
    for number, part in enumerate(parts):
        shapes = {np.shape(a) for a in (part.labels, part.timestamps, part.scores, part.flags, part.alarms)}
        if len(shapes) > 1 or len(np.shape(part.labels)) != 1 or not len(part.labels):
            raise InputError(f"parts[{number}]: found shapes {sorted(shapes)}, want one shape [S] with a step")
        if not np.isfinite(part.scores).all():
            raise InputError(f"parts[{number}]: scores: found NaN or infinity, want finite numbers")
