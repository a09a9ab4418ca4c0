"""A monitor of series: which windows, and which of their steps, are unlike those that it was fitted to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsrl.data.series import check_series
from tsrl.embedder import Embedder
from tsrl.embedder import load as load_embedder
from tsrl.errors import InputError, check_whole
from tsrl.monitor.conformal import discoveries, p_values
from tsrl.monitor.folder import read_arrays, read_record, write_arrays, write_record
from tsrl.monitor.population import Kind
from tsrl.monitor.reference import Reference

FORMAT = 1
RECORD = "series_monitor.json"
# Of windows that are embedded at a time: values.
_AT_ONCE = 2**24


class Windows(NamedTuple):
    """Windows of series, one series after another.

    Attributes:
      series: `[U]` int64.
      start: `[U]` int64, the first step.
    """

    series: np.ndarray
    start: np.ndarray


class SeriesScores(NamedTuple):
    """How unusual windows are.

    Attributes:
      windows: `[U]` which they are; those without an observed step are left out.
      length: steps of each.
      steps: of the series.
      score: `[U]` high = unusual: the largest evidence, in standard deviations of regular windows.
      p_value: `[U]` of regular windows a share `rate` has at most `rate`.
      evidence: kind -> `[U]`: distances from the population, and "own" from the series' own past.
    """

    windows: Windows
    length: int
    steps: tuple[int, int]
    score: np.ndarray
    p_value: np.ndarray
    evidence: dict[str, np.ndarray]

    def alarms(self, rate: float) -> np.ndarray:
        """`[U]` bool: of regular windows a share `rate` is expected to be among them."""
        return self.p_value <= rate

    def discoveries(self, rate: float) -> np.ndarray:
        """`[U]` bool: of these a share of at most `rate` is expected to be regular (Benjamini and Hochberg)."""
        return discoveries(self.p_value, rate)

    def by_step(self) -> np.ndarray:
        """`[N, T]` a score for each step: that of the last window that has ended by then.

        No step's score depends on later steps, but for those before the end of a series' first window, which have its
        score. A series without windows has 0.
        """
        count, length = self.steps
        made = np.zeros((count, length))
        for series in range(count):
            own = self.windows.series == series
            if own.any():
                ends = self.windows.start[own] + self.length - 1
                place = np.searchsorted(ends, np.arange(length), side="right") - 1
                made[series] = self.score[own][place.clip(0)]
        return made


@dataclass(frozen=True, eq=False)
class SeriesMonitor:
    """What is regular of windows of series, as `Monitor` is of units of events. Made by `fit` or `load`.

    Attributes:
      embedder: represents windows.
      window: steps of a window.
      hop: from one window to the next.
      series: N, of the series that it was fitted to.
      reference: embeddings of regular windows.
      mean: evidence -> mean of its logarithm over regular windows that the reference does not hold.
      std: evidence -> its standard deviation.
      calibration: `[n]` scores of other regular windows.
    """

    embedder: Embedder
    window: int
    hop: int
    series: int
    reference: Reference
    mean: Mapping[str, float]
    std: Mapping[str, float]
    calibration: np.ndarray = field(repr=False)

    @classmethod
    def fit(
        cls,
        x: Any,
        embedder: Embedder,
        *,
        window: int,
        hop: int | None = None,
        calibrate: float = 1 / 3,
        kinds: tuple[Kind, ...] = ("knn", "mahalanobis"),
        seed: int = 0,
    ) -> "SeriesMonitor":
        """Learns what is regular.

        The earlier part of the series is the reference; the first half of the later part says how the evidence is
        distributed, the second half which scores a regular window has. Windows that reach from one part into the next
        are left out, so that no step is in two parts.

        Args:
          x: `[T, C]` or `[N, T, C]` regular series, NaN = missing.
          embedder: of windows; it should not have seen the part that calibrates.
          window: steps of a window.
          hop: from one window to the next; default: a quarter of a window.
          calibrate: share of the steps, the latest, that calibrate.
          kinds: distances from the population, see `Reference`; of several series the distance from each one's own past
            is evidence too.
          seed: of the reference.

        Raises:
          InputError: other shapes, too few windows in a part, settings out of range, windows that the embedder refuses.
        """
        x, hop = _series(x), max(window // 4, 1) if hop is None else hop
        check_whole("window", window, 1)
        check_whole("hop", hop, 1)
        if not 0 < calibrate < 1:
            raise InputError(f"calibrate: found {calibrate}, want a share between 0 and 1")
        windows = _windows(x, window, hop)
        length = x.shape[1]
        borders = [0, round(length * (1 - calibrate)), round(length * (1 - calibrate / 2)), length]
        parts = []
        for begin, end in pairwise(borders):
            inside = (windows.start >= begin) & (windows.start + window <= end)
            parts.append(Windows(windows.series[inside], windows.start[inside]))
        counts = [len(part.start) for part in parts]
        if min(counts) < 20:
            raise InputError(
                f"x: found {counts[0]} windows to learn from, {counts[1]} and {counts[2]} to calibrate, want 20 or more"
                " of each: longer series, shorter windows or another share"
            )
        known, scale, rest = parts
        z = _embedded(embedder, x, known, window)
        reference = Reference.fit(z, known.series, kinds=kinds, seed=seed)
        made = cls(embedder, window, hop, len(x), reference, {}, {}, np.zeros(0))
        logs = {name: np.log(values + 1e-12) for name, values in made._evidence(x, scale, scale.series).items()}
        mean = {name: float(values.mean()) for name, values in logs.items()}
        std = {name: max(float(values.std()), 1e-6) for name, values in logs.items()}
        made = cls(embedder, window, hop, len(x), reference, mean, std, np.zeros(0))
        calibration = made._together(made._evidence(x, rest, rest.series))
        return cls(embedder, window, hop, len(x), reference, mean, std, calibration)

    def score(self, x: Any, series: Any = None) -> SeriesScores:
        """How unusual the windows of series are.

        Args:
          x: `[T, C]` or `[N, T, C]`, NaN = missing; one window long at least.
          series: `[N]` which series of the fitted ones each is, from 0; others have no past. Default: the same ones in
            the same order.

        Raises:
          InputError: other shapes, another number of series without `series`, windows that the embedder refuses.
        """
        x = _series(x)
        if series is None and len(x) != self.series:
            raise InputError(f"x: found {len(x)} series, want {self.series} as fitted, or say which with `series`")
        series = np.arange(len(x)) if series is None else np.asarray(series)
        if series.shape != (len(x),) or series.dtype.kind not in "iu" or (series < 0).any():
            raise InputError(f"series: found {series!r}, want {len(x)} whole numbers from 0")
        windows = _windows(x, self.window, self.hop)
        evidence = self._evidence(x, windows, series[windows.series])
        score = self._together(evidence)
        return SeriesScores(windows, self.window, x.shape[:2], score, p_values(self.calibration, score), evidence)

    def _evidence(self, x: np.ndarray, windows: Windows, series: np.ndarray) -> dict[str, np.ndarray]:
        z = _embedded(self.embedder, x, windows, self.window)
        far = self.reference.population(z)
        made: dict[str, np.ndarray] = {kind: far[:, place] for place, kind in enumerate(self.reference.kinds)}
        return made if self.series == 1 else made | {"own": self.reference.own(z, series)}

    def _together(self, evidence: Mapping[str, np.ndarray]) -> np.ndarray:
        """The largest evidence, in standard deviations of its logarithm."""
        values = [(np.log(evidence[name] + 1e-12) - self.mean[name]) / self.std[name] for name in self.mean]
        return np.asarray(np.max(values, 0))

    def save(self, folder: Path | str) -> None:
        """Writes the monitor to a new folder: `model/`, `state.npz`, and the record with a hash of each file, last.

        Raises:
          InputError: the folder exists and is not empty.
        """
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"folder: found files in {folder}, want a new or empty one")
        self.embedder.save(folder / "model")
        arrays = {f"reference_{name}": values for name, values in self.reference.arrays().items()}
        write_arrays(folder / "state.npz", arrays | {"calibration": self.calibration})
        record = {
            "format": FORMAT,
            "window": self.window,
            "hop": self.hop,
            "series": self.series,
            "reference": self.reference.settings(),
            "mean": dict(self.mean),
            "std": dict(self.std),
        }
        write_record(folder, RECORD, record)

    @classmethod
    def load(cls, folder: Path | str) -> "SeriesMonitor":
        """Reads what `save` wrote.

        Raises:
          InputError: no such monitor there, one of another version, or a file that is not as it was written.
        """
        folder = Path(folder)
        record = read_record(folder, RECORD, FORMAT)
        arrays, prefix = read_arrays(folder / "state.npz"), "reference_"
        own = {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
        try:
            return cls(
                load_embedder(folder / "model"),
                record["window"],
                record["hop"],
                record["series"],
                Reference.restore(own, record["reference"]),
                record["mean"],
                record["std"],
                arrays["calibration"],
            )
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{folder / RECORD}: found a record that lacks {error}, want it as it was saved"
            ) from error


def _series(x: Any) -> np.ndarray:
    """`[N, T, C]` of one or more series."""
    x = np.asarray(x)
    return check_series(x[None] if x.ndim == 2 else x, min_length=1)


def _windows(x: np.ndarray, window: int, hop: int) -> Windows:
    """Windows with an observed step, `hop` apart."""
    if x.shape[1] < window:
        raise InputError(f"x: found {x.shape[1]} steps, want {window} or more, those of a window")
    starts = np.arange(0, x.shape[1] - window + 1, hop)
    observed = np.cumsum(np.pad(~np.isnan(x).any(-1), ((0, 0), (1, 0))), 1)
    kept = observed[:, starts + window] > observed[:, starts]
    series, place = np.nonzero(kept)
    return Windows(series.astype(np.int64), starts[place].astype(np.int64))


def _embedded(embedder: Embedder, x: np.ndarray, windows: Windows, window: int) -> np.ndarray:
    """`[U, D]`."""
    at_once, made = max(1, _AT_ONCE // (window * x.shape[2])), []
    for first in range(0, len(windows.start), at_once):
        series, start = (column[first : first + at_once] for column in windows)
        made.append(embedder.embed(x[series[:, None], start[:, None] + np.arange(window)]))
    return np.concatenate(made)
