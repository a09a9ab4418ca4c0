"""The field's F1 of alarms: a labelled range counts as found, all of it, by one alarm near its start.

It flatters: random alarms look good (Kim et al. 2022, Towards a Rigorous Evaluation of Time-series Anomaly Detection,
arXiv 2109.05257). `tsrl.evaluate.anomaly_metrics` has measures that do not.
"""

import math
from collections.abc import Sequence

import numpy as np

from tsrl.errors import InputError


def on_grid(timestamps: np.ndarray) -> np.ndarray:
    """Numbers the steps of a series by time.

    The official code counts in units of the smallest interval, so that gaps count as steps without alarm or label.
    That needs a regular clock. Where stamps repeat, are no multiples of the smallest interval, or where another
    interval is more common (some series of NAB), it would tear every labelled range apart, and the steps are numbered
    in order instead.

    Args:
      timestamps: `[S]` integers, in any order.

    Returns:
      `[S]` int64, different for every step, from 0 up.

    References:
      Official code zhihanyue/ts2vec, `tasks/anomaly_detection.py`.
    """
    time = np.asarray(timestamps, np.int64)
    since = time - time.min()
    order = np.argsort(since, kind="stable")
    intervals, counts = np.unique(np.diff(since[order]), return_counts=True)
    if len(intervals) and intervals[0] > 0 and counts[0] == counts.max() and not (since % intervals[0]).any():
        return since // intervals[0]
    rank = np.empty(len(since), np.int64)
    rank[order] = np.arange(len(since))
    return rank


def delay_adjusted(labels: np.ndarray, alarms: np.ndarray, grid: np.ndarray, delay: int) -> np.ndarray:
    """Point adjustment with a delay: a labelled range is found as a whole or missed as a whole.

    Args:
      labels: `[S]` bool.
      alarms: `[S]` bool.
      grid: `[S]` of `on_grid`; a range ends where the next step of the grid has no label.
      delay: a range is found by an alarm in its first `delay` + 1 steps.

    Returns:
      `[S]` bool: alarms outside the ranges, found or not inside.

    Raises:
      InputError: shapes that differ, a negative delay.

    References:
      Ren et al. 2019, Time-Series Anomaly Detection Service at Microsoft, arXiv 1906.03821; official code
      zhihanyue/ts2vec, `tasks/anomaly_detection.py`.
    """
    if delay < 0 or not np.shape(labels) == np.shape(alarms) == np.shape(grid):
        shapes = f"{np.shape(labels)}, {np.shape(alarms)}, {np.shape(grid)}"
        raise InputError(f"labels, alarms, grid, delay: found {shapes} and {delay}, want one shape [S] and at least 0")
    order = np.argsort(grid)
    label, alarm, place = (np.asarray(array)[order] for array in (labels, alarms, grid))
    begins = label & ~(np.r_[False, label[:-1]] & (np.diff(place, prepend=-1) == 1))
    if not begins.any():
        return np.array(alarms, bool)
    part = np.cumsum(begins) - 1
    early = label & (place - place[begins][part] <= delay)
    found = np.bincount(part[early & alarm], minlength=begins.sum()) > 0
    adjusted = np.empty(len(label), bool)
    adjusted[order] = np.where(label, found[part], alarm)
    return adjusted


def delay_scores(
    labels: Sequence[np.ndarray], alarms: Sequence[np.ndarray], timestamps: Sequence[np.ndarray], delay: int
) -> dict[str, float]:
    """F1, precision and recall of single steps after `delay_adjusted`, pooled over series.

    Args:
      labels: `[S_i]` bool of each series.
      alarms: `[S_i]` bool of each series.
      timestamps: `[S_i]` integers of each series.
      delay: see `delay_adjusted`.

    Returns:
      delay_f1, delay_precision, delay_recall: NaN without an anomaly, 0 without an alarm.

    Raises:
      InputError: shapes that differ, a negative delay.
    """
    from sklearn.metrics import precision_recall_fscore_support

    names = ("delay_f1", "delay_precision", "delay_recall")
    series = zip(labels, alarms, timestamps, strict=True)
    adjusted = np.concatenate([delay_adjusted(label, alarm, on_grid(time), delay) for label, alarm, time in series])
    pooled = np.concatenate(labels)
    if not pooled.any():
        return dict.fromkeys(names, math.nan)
    precision, recall, f1, _ = precision_recall_fscore_support(pooled, adjusted, average="binary", zero_division=0.0)
    return dict(zip(names, (float(f1), float(precision), float(recall)), strict=True))
