"""The score of the Numenta Anomaly Benchmark."""

import math
from collections.abc import Sequence

import numpy as np

# Weights of the standard profile: an anomaly found or missed counts 1.
FALSE_ALARM = 0.11

Windows = Sequence[tuple[int, int]]


def nab_score(windows: Sequence[Windows], alarms: Sequence[np.ndarray]) -> float:
    """The Numenta Anomaly Benchmark's score of the alarms, standard profile, pooled over the series.

    The first alarm of a window earns up to 1, less towards the window's end; a window without one costs 1; an alarm
    outside costs up to 0.11, less just behind a window. 0 is the detector without alarms, 100 the one that finds every
    window at its first step and nothing else; many false alarms make it negative. NAB chooses each detector's threshold
    on the labels; here it is the protocol's, so published scores are not comparable.

    Args:
      windows: of each series the (first, last) step of its labelled ranges, in order; NAB's are wider than the anomaly.
      alarms: `[S_i]` bool of each series.

    Returns:
      At most 100; NaN without a window.

    References:
      Lavin and Ahmad 2015, Evaluating Real-time Anomaly Detection Algorithms, arXiv 1510.03336, section II.C; sigmoid
      and its scaling as in the official code numenta/NAB, `nab/sweeper.py`.
    """
    count = sum(map(len, windows))
    if not count:
        return math.nan
    raw = sum(_raw(spans, np.flatnonzero(steps)) for spans, steps in zip(windows, alarms, strict=True))
    return 100 * (raw + count) / (2 * count)


def _raw(windows: Windows, alarms: np.ndarray) -> float:
    outside = np.ones(len(alarms), bool)
    # How far behind the window before it an alarm is, in lengths of that window; from 3 on it costs all.
    behind = np.full(len(alarms), 3.0)
    raw = 0.0
    for first, last in windows:
        inside = (alarms >= first) & (alarms <= last)
        outside &= ~inside
        if inside.any():
            position = -(last - alarms[inside][0] + 1) / (last - first + 1)
            raw += float(_sigmoid(position) / _sigmoid(-1.0))
        else:
            raw -= 1
        after = alarms > last
        # A window of one step has no length in the official code, which divides by it.
        behind[after] = np.minimum(3.0, (alarms[after] - last) / max(last - first, 1))
    cost = np.where(behind >= 3, -1.0, _sigmoid(behind))
    return raw + FALSE_ALARM * float(cost[outside].sum())


def _sigmoid(position: float | np.ndarray) -> np.ndarray:
    return 2 / (1 + np.exp(5 * np.asarray(position))) - 1
