"""Tasks of the monitor of series: labelled anomalies, each series with a model and a monitor of its own."""

from collections.abc import Callable
from typing import Any

import numpy as np

from behaviour_parts.asked import Asked, Found
from tsrl import pretrain
from tsrl.data.anomaly import AnomalySeries, load_anomaly, ranges
from tsrl.encoders import DilatedConv
from tsrl.evaluate.anomaly import deviation_scores, random_scores, suppress
from tsrl.evaluate.anomaly_metrics import Judged, anomaly_scores
from tsrl.monitor import SeriesMonitor

_WINDOW, _HOP, _PIECE, _DELAY, _RATE = 32, 4, 128, 7, 0.01
# Of the training part: what models learn from and the monitor's reference; the rest calibrates.
_LEARNED = 2 / 3


class _Raw:
    """The control without an encoder: the values of a window are its representation."""

    def embed(self, x: np.ndarray) -> np.ndarray:
        return np.nan_to_num(x).reshape(len(x), -1)


def nab(asked: Asked) -> Found:
    """NAB's real known causes, the first half of each series to learn from; these halves have anomalies too."""
    return _series("NAB/realKnownCause", asked)


def smap(asked: Asked) -> Found:
    """SMAP's 54 channels, with their published training parts."""
    return _series("SMAP", asked)


def msl(asked: Asked) -> Found:
    """MSL's 27 channels, likewise."""
    return _series("MSL", asked)


def _series(name: str, asked: Asked) -> Found:
    data = load_anomaly(name, asked.data_dir)
    judged: dict[str, list[Judged]] = {}
    alarms: dict[str, list[np.ndarray]] = {}
    for place, series in enumerate(data.series):
        x = series.standardised()
        # Twenty windows in each sixth of the training part: a short one has more of them that overlap.
        hop = max(1, min(_HOP, (series.train_stop // 6 - _WINDOW) // 20))
        for model, embedder in _embedders(x, series.train_stop, asked).items():
            monitor = SeriesMonitor.fit(x[: series.train_stop], embedder, window=_WINDOW, hop=hop, seed=asked.seed)
            # Each step is judged by the last window that has ended by then: the first one begins before. Windows begin
            # at the same multiples as those that were learned from, which hold some phases of a period only.
            begin = (series.train_stop - _WINDOW + 1) // hop * hop
            before = series.train_stop - begin
            scores = monitor.score(x[begin:])
            flags = scores._replace(score=scores.alarms(_RATE).astype(float)).by_step()[0, before:] > 0
            judged.setdefault(model, []).append(_judged(series, scores.by_step()[0, before:], flags))
            regular = ~_windowed(series.numbered[begin:] > 0, scores.windows.start)
            alarms.setdefault(model, []).append(scores.alarms(_RATE)[regular])
        for model, made in (("deviation", deviation_scores(x)), ("random", random_scores(len(x), (asked.seed, place)))):
            known, rest = made[: series.train_stop], made[series.train_stop :]
            limit = np.nanquantile(known, 1 - _RATE)
            judged.setdefault(model, []).append(_judged(series, np.nan_to_num(rest), rest > limit))
    rows = [{"model": model, **anomaly_scores(parts, _DELAY)} for model, parts in judged.items()]
    notes = [f"{name}: {len(data.series)} series, {sum(len(part.labels) for part in judged['random']):,} steps judged"]
    for model, of_series in alarms.items():
        every = np.concatenate(of_series)
        notes.append(
            f"{model}: {every.mean():.3f} of {len(every):,} windows without an anomaly are alarms at {_RATE:.0%}"
        )
    return rows, notes


def _embedders(x: np.ndarray, train_stop: int, asked: Asked) -> dict[str, Any]:
    learned = x[: int(_LEARNED * train_stop)]
    pieces = learned[: len(learned) // _PIECE * _PIECE].reshape(-1, _PIECE, x.shape[1])
    train: Callable[..., Any] = lambda **more: pretrain(  # noqa: E731
        pieces, encoder=DilatedConv(width=32, features=64, depth=5), seed=asked.seed, **more
    )
    return {
        "monitor, ts2vec": train(steps=asked.steps or 200),
        "monitor, untrained": train(steps=1, learning_rate=1e-12),
        "monitor, raw windows": _Raw(),
    }


def _judged(series: AnomalySeries, scores: np.ndarray, flags: np.ndarray) -> Judged:
    numbered, alarms = series.numbered[series.train_stop :], suppress(flags, _DELAY)
    return Judged(numbered > 0, ranges(numbered), series.timestamps[series.train_stop :], scores, flags, alarms)


def _windowed(labels: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Which windows have a labelled step."""
    seen = np.append(0, np.cumsum(labels))
    return seen[start + _WINDOW] > seen[start]
