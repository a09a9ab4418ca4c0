"""Conformal alarms: scores become p-values by means of calibration units, and the rate of alarms is known in advance.

Pure functions of arrays. A high score is unusual, a low p-value too. All that is asked of a score is that clean
units that are tested are exchangeable with those of calibration: it must not be fitted to the one and not the other.

References: Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random World; Bates, Candès, Lei, Romano and
Sesia 2023, Testing for outliers with conformal p-values, Annals of Statistics 51(1), arXiv 2104.08279.
"""

import math

import numpy as np

from tsrl.errors import InputError, check_whole


def p_values(calibration: np.ndarray, scores: np.ndarray, *, random: np.random.Generator | None = None) -> np.ndarray:
    """How many of the calibration units are as unusual as a unit: split-conformal p-values.

    `p = (1 + #{calibration >= s}) / (n + 1)`. Of clean units at most a share `rate` has `p <= rate`, on average over
    calibrations; `alarm_interval` says how far a single calibration may be from that. The p-values of units that share
    a calibration depend on each other.

    Args:
      calibration: `[n]` scores of clean units; infinite ones are allowed.
      scores: `[m]` scores of the units to be judged.
      random: breaks ties at random, also the one of a unit with itself: p-values of clean units are then exactly
        uniform from 0 to 1, also of scores with ties. Default: ties count as unusual (p is never too small).

    Returns:
      `[m]`, above 0, up to 1; without `random` from `1 / (n + 1)` up.

    Raises:
      InputError: other ranks, no calibration, NaN.
    """
    calibration = np.sort(_scores("calibration", calibration, 1))
    scores = _scores("scores", scores, 0)
    n = len(calibration)
    as_high = n - np.searchsorted(calibration, scores, side="left")
    if random is None:
        return (1 + as_high) / (n + 1)
    higher = n - np.searchsorted(calibration, scores, side="right")
    # 1 - random() is above 0.
    return (higher + (1 - random.random(len(scores))) * (1 + as_high - higher)) / (n + 1)


def threshold(calibration: np.ndarray, rate: float) -> float:
    """The score above which a unit is an alarm: `score > threshold` is the same as `p_values(...) <= rate`.

    Args:
      calibration: `[n]` scores of clean units.
      rate: share of clean units that may be alarms, between 0 and 1.

    Returns:
      The k-th highest calibration score, `k = floor(rate * (n + 1))`. Infinity where n is below `1 / rate - 1` (99 for
      1 %, 19 for 5 %): no p-value is then as small as `rate`, and nothing is an alarm.

    Raises:
      InputError: as `p_values`; a rate outside (0, 1).
    """
    calibration = np.sort(_scores("calibration", calibration, 1))
    count = _alarms_of(len(calibration), rate)
    return float(calibration[-count]) if count else math.inf


def alarm_interval(calibrated: int, tested: int, rate: float, level: float = 0.99) -> tuple[float, float]:
    """Between which rates the alarms among clean units are to be expected.

    The share of clean units above the k-th highest of n calibration scores is drawn from `Beta(k, n + 1 - k)` with the
    calibration, `k = floor(rate * (n + 1))`; the number of alarms among m units is so beta-binomial. Both draws count:
    with many tested units the interval is as wide as the calibration makes it.

    Args:
      calibrated: n, units of calibration.
      tested: m, clean units that are judged.
      rate: alarms have `p_values(...) <= rate`, without a generator; between 0 and 1.
      level: the probability that the interval covers at least; what is missing is equal on both sides.

    Returns:
      The lowest and the highest share of alarms, both included. (0, 0) where there is no alarm at all, see `threshold`.
      It is that of independent units and scores without ties: with ties there are fewer alarms; with units that
      depend on each other (several of one user) the share varies more.

    Raises:
      InputError: no units, a rate or a level outside (0, 1).

    References: Vovk 2012, Conditional validity of inductive conformal predictors, arXiv 1209.2673; Bates et al. 2023.
    """
    from scipy.stats import betabinom

    check_whole("calibrated", calibrated, 1)
    check_whole("tested", tested, 1)
    _check_share("level", level)
    count = _alarms_of(calibrated, rate)
    if not count:
        return 0.0, 0.0
    low, high = betabinom.interval(level, tested, count, calibrated + 1 - count)
    return float(low) / tested, float(high) / tested


def discoveries(p: np.ndarray, rate: float) -> np.ndarray:
    """Which units are unusual when many are judged together: Benjamini and Hochberg's rule.

    Of the units that are found a share of at most `rate` is clean, on average. This holds also for conformal p-values
    that share a calibration (Bates et al. 2023), of units that are independent of each other. The smallest p-value of n
    calibration units is `1 / (n + 1)`: a single unusual one among m is found only if n is about `m / rate`.

    Args:
      p: `[m]` p-values.
      rate: the share, between 0 and 1.

    Returns:
      `[m]` bool.

    Raises:
      InputError: another rank, values outside [0, 1] or NaN; a rate outside (0, 1).

    References: Benjamini and Hochberg 1995, Controlling the false discovery rate, JRSS B 57(1).
    """
    from scipy.stats import false_discovery_control

    p = _probabilities("p", p)
    _check_share("rate", rate)
    return false_discovery_control(p) <= rate if len(p) else np.zeros(0, bool)


def _alarms_of(n: int, rate: float) -> int:
    """The largest k with `k / (n + 1) <= rate`, by the same division as in `p_values`."""
    _check_share("rate", rate)
    # 0.29 * 100 is below 29, and 29 / 100 is not above 0.29.
    count = math.floor(rate * (n + 1)) + 1
    while count / (n + 1) > rate:
        count -= 1
    return count


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise InputError(f"{name}: found {value}, want a number between 0 and 1")


def _scores(name: str, values: np.ndarray, least: int) -> np.ndarray:
    scores = np.asarray(values, np.float64)
    if scores.ndim != 1 or len(scores) < least:
        raise InputError(f"{name}: found shape {scores.shape}, want one dimension, at least {least} long")
    if np.isnan(scores).any():
        raise InputError(f"{name}: found NaN in {np.isnan(scores).sum()} of {len(scores)} scores, want numbers")
    return scores


def _probabilities(name: str, values: np.ndarray) -> np.ndarray:
    p = np.asarray(values, np.float64)
    if p.ndim != 1:
        raise InputError(f"{name}: found shape {p.shape}, want [m]")
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError(f"{name}: found NaN or values outside [0, 1], want p-values")
    return p
