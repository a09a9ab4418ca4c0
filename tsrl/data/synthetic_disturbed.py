"""Waves of a known class, with and without shifts of their level and anomalies; row i is a function of (seed, i)."""

from typing import NamedTuple

import numpy as np

from tsrl.data.synthetic_parts import Random, change_points
from tsrl.errors import check_whole

WAVES = ("sine", "square", "sawtooth", "pulses")
LEVELS = (-0.8, 0.8)
# An anomaly is shorter than the distance between change points, so that anomalies never meet.
_SHORTEST = 64
_ANOMALY_STEPS = (4, 8)
_ANOMALY_DEVIATION = 1.5
_NOISE = 0.4
_PERIODS = (8.0, 24.0)
_PULSE = 0.08  # of a period


class Disturbed(NamedTuple):
    """The same series three times: as they are, with shifts of level, and with anomalies.

    Attributes:
      clean: `[N, T, 1]` float32, a wave of unit deviation plus white noise.
      shifted: the same plus a level, which changes at one to three steps.
      anomalous: the same, with more noise in one to three bursts of four to eight steps.
      wave: `[N]` the series' class, a number into `WAVES`: equally many of each, whatever is done to the series.
      level: `[N, T]` a number into `LEVELS`: the level at each step of `shifted`.
      anomaly: `[N, T]` bool, the steps in a burst of `anomalous`.
    """

    clean: np.ndarray
    shifted: np.ndarray
    anomalous: np.ndarray
    wave: np.ndarray
    level: np.ndarray
    anomaly: np.ndarray


def disturbed(count: int, length: int, seed: int = 0, start: int = 0) -> Disturbed:
    """Draws waves of random period and phase, and disturbs them in two ways.

    The class is the wave's form. Neither a level nor an anomaly depends on it or changes it, so whoever knows one knows
    nothing of the other.

    Args:
      count: N, number of series.
      length: T, steps, at least 64.
      seed: of all rows.
      start: the first row's number.

    Returns:
      The series and the truth about them.

    Raises:
      InputError: an argument out of its range.
    """
    for name, value, least in (("count", count, 1), ("length", length, _SHORTEST), ("seed", seed, 0)):
        check_whole(name, value, least)
    check_whole("start", start, 0)
    values, bursts = np.empty((count, length)), np.empty((count, length))
    wave = (start + np.arange(count)) % len(WAVES)
    level, anomaly = np.empty((count, length), int), np.zeros((count, length), bool)
    for row in range(count):
        random = np.random.default_rng(np.random.SeedSequence((seed, start + row)))
        values[row] = _wave(random, WAVES[wave[row]], length) + _NOISE * random.normal(size=length)
        level[row] = _levels(random, length)
        for first in change_points(random, length):
            anomaly[row, first : first + random.integers(*_ANOMALY_STEPS, endpoint=True)] = True
        bursts[row] = _ANOMALY_DEVIATION * random.normal(size=length) * anomaly[row]
    clean, shifted, anomalous = (
        x[..., None].astype(np.float32) for x in (values, values + np.asarray(LEVELS)[level], values + bursts)
    )
    return Disturbed(clean, shifted, anomalous, wave, level, anomaly)


def _wave(random: Random, name: str, length: int) -> np.ndarray:
    """`[T]` of mean 0 and deviation 1 over a period."""
    period = np.exp(random.uniform(*np.log(_PERIODS)))
    turn = (np.arange(length) / period + random.random()) % 1
    if name == "sine":
        values = np.sqrt(2) * np.sin(2 * np.pi * turn)
    elif name == "square":
        values = np.where(turn < 0.5, 1.0, -1.0)
    elif name == "sawtooth":
        values = np.sqrt(3) * (2 * turn - 1)
    else:
        # A bump in the middle of each period; its mean and mean square are integrals of a normal density.
        mean, square = _PULSE * np.sqrt(2 * np.pi), _PULSE * np.sqrt(np.pi)
        bump = np.exp(-0.5 * ((turn - 0.5) / _PULSE) ** 2)
        values = (bump - mean) / np.sqrt(square - mean**2)
    return np.asarray(values)


def _levels(random: Random, length: int) -> np.ndarray:
    """`[T]` numbers into `LEVELS`, which alternate; each is equally likely at every step."""
    segment = np.searchsorted(change_points(random, length), np.arange(length), side="right")
    found: np.ndarray = (random.integers(len(LEVELS)) + segment) % len(LEVELS)
    return found
