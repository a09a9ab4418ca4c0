"""What a monitor is asked and what it says."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tsrl.errors import InputError
from tsrl.monitor.conformal import discoveries
from tsrl.monitor.habits import FALLBACK
from tsrl.monitor.periods import Period, Units

EVIDENCE = ("identity", "account", "habits", "surprise", "population", "volume")
# Sums that grow while a unit lasts, so that an alarm can be raised before its end.
RUNNING = ("account", "habits", "surprise")


@dataclass(frozen=True)
class Settings:
    """How a monitor is made.

    Attributes:
      every: see `periods.units_of`.
      gap: see `periods.units_of`.
      calibrate: share of the units, the latest of the time or of each user, that say what scores are usual.
      seed: of all draws.
      fallback: how much everyone's shares count in the habits of a user, for each different value that the user has
        had, in events. Witten and Bell have 1; above it common values differ less between a user and everyone.
    """

    every: Period | int | None = "week"
    gap: float | None = None
    calibrate: float = 1 / 3
    seed: int = 0
    fallback: float = FALLBACK

    def check(self) -> None:
        """Refuses what `fit` would find out late.

        Raises:
          InputError: a share or weight out of its range.
        """
        if not 0 < self.calibrate < 1:
            raise InputError(f"calibrate: found {self.calibrate}, want a share between 0 and 1")
        if not 0 < self.fallback < float("inf"):
            raise InputError(f"fallback: found {self.fallback}, want a finite number above 0")


class Scores(NamedTuple):
    """How unusual units are.

    Attributes:
      units: which events they are of.
      user: `[U]` their users' names.
      evidence: name of `EVIDENCE` -> `[U]`, high = unusual; none of those that the log has no columns for.
      p: name -> `[U]` about the share of regular units with as much of such evidence, see `tails`.
      p_value: `[U]` of all evidence together: of regular units a share `rate` has at most `rate`.
      running: name of `RUNNING` -> `[E']` of the units' events, one unit after another.
    """

    units: Units
    user: np.ndarray
    evidence: dict[str, np.ndarray]
    p: dict[str, np.ndarray]
    p_value: np.ndarray
    running: dict[str, np.ndarray]

    def alarms(self, rate: float) -> np.ndarray:
        """`[U]` bool: of regular units a share `rate` is expected to be among them."""
        return self.p_value <= rate

    def discoveries(self, rate: float) -> np.ndarray:
        """`[U]` bool: of these a share of at most `rate` is expected to be regular (Benjamini and Hochberg)."""
        return discoveries(self.p_value, rate)


class Evidence(NamedTuple):
    """Evidence of units before it is calibrated, and what it was made of.

    Attributes:
      values: name -> `[U]`.
      running: name -> `[E']`.
      peaks: name of `RUNNING` -> `[U, columns]`, the highest of each sum in a unit, before it is measured.
      z: `[U, D]` the units' embeddings.
      steps: name of `RUNNING` -> `[E, columns]`, what each event of the log adds to the sums.
    """

    values: dict[str, np.ndarray]
    running: dict[str, np.ndarray]
    peaks: dict[str, np.ndarray]
    z: np.ndarray
    steps: dict[str, np.ndarray]
