"""Long series with labelled anomalous ranges, and sets of them; making one checks all of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from tsrl.data.hashing import fingerprint
from tsrl.data.scaling import Scaler
from tsrl.data.series import check_series
from tsrl.errors import InputError

Windows = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)  # eq: comparing arrays yields arrays
class AnomalySeries:
    """One series, its first part for training.

    Attributes:
      name: unique in its set.
      values: `[T, C]` float32 in their own units, NaN = missing.
      timestamps: `[T]` int64 seconds, or step numbers where the set has no time; gaps, repeated and backward stamps
        (changes of the clock) are kept.
      windows: (first, last) step of each labelled range, both included, in order; ranges may touch.
      train_stop: steps of the training part.
      differences: how often the series was differenced before, see `stationary`.

    Raises:
      InputError: an array of a wrong shape or type, windows out of order or range, no step to train on or to test on.
    """

    name: str
    values: np.ndarray
    timestamps: np.ndarray
    windows: Windows
    train_stop: int
    differences: int = 0

    def __post_init__(self) -> None:
        values, where = np.asarray(self.values), self.name
        if values.ndim != 2:
            raise InputError(f"{where}: values: found shape {values.shape}, want [T, C]")
        values = check_series(values[None], f"{where}: values")[0]
        steps, stop = len(values), self.train_stop
        if not 1 <= stop < steps:
            raise InputError(f"{where}: train_stop: found {stop}, want 1 to {steps - 1}, below the {steps} steps")
        check_series(values[None, :stop], f"{where}: values before train_stop", min_length=1)
        timestamps = np.asarray(self.timestamps)
        if timestamps.shape != (steps,) or timestamps.dtype.kind not in "iu":
            raise InputError(
                f"{where}: timestamps: found {timestamps.dtype} in shape {timestamps.shape}, want ({steps},) integers"
            )
        before = -1
        for first, last in self.windows:
            if not before < first <= last < steps:
                raise InputError(
                    f"{where}: windows: found {first} to {last} after {before}, want ranges in order, below {steps}"
                )
            before = last
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "timestamps", timestamps.astype(np.int64))

    @property
    def numbered(self) -> np.ndarray:
        """`[T]` int32: the number of the labelled range a step lies in, from 1 up; 0 = none."""
        numbers = np.zeros(len(self.values), np.int32)
        for number, (first, last) in enumerate(self.windows, start=1):
            numbers[first : last + 1] = number
        return numbers

    def standardised(self) -> np.ndarray:
        """`[T, C]` float32: each channel by the mean and standard deviation of the training part alone."""
        return Scaler.of(self.values[None, : self.train_stop]).apply(self.values)


@dataclass(frozen=True, eq=False)
class AnomalySet:
    """Series of the same channels.

    Attributes:
      name: as asked for, for example "NAB/realKnownCause".
      source: in words; the same on every machine.
      series: at least one.
      about: JSON values for the report: names of the channels, what was found in a table.

    Raises:
      InputError: no series, two of one name, or numbers of channels that differ.
    """

    name: str
    source: str
    series: tuple[AnomalySeries, ...]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [series.name for series in self.series]
        if not names or len(set(names)) < len(names):
            raise InputError(f"{self.source}: found the series {names[:5]}, want at least one, each name once")
        for series in self.series:
            found, wanted = series.values.shape[1], self.channels
            if found != wanted:
                raise InputError(
                    f"{self.source}: {series.name}: found {found} channels, want {wanted} as in {names[0]}"
                )

    @property
    def channels(self) -> int:
        """C, the same for all."""
        return self.series[0].values.shape[1]

    def fingerprint(self) -> str:
        """SHA-256 over names, splits, ranges and values: two sets of one name are told apart by it."""
        arrays = {}
        for series in self.series:
            arrays[f"{series.name} values, {series.train_stop} to train on"] = series.values
            arrays[f"{series.name} timestamps"] = series.timestamps
            arrays[f"{series.name} windows"] = np.array(series.windows, np.int64)
        return fingerprint(arrays)


def ranges(numbered: np.ndarray) -> Windows:
    """The (first, last) step, both included, of every run of one number other than 0 in `[T]` integers or booleans."""
    number = np.asarray(numbered).astype(np.int64)
    edges = np.flatnonzero(np.diff(number, prepend=0, append=0)).tolist()
    return tuple((first, stop - 1) for first, stop in pairwise(edges) if number[first])
