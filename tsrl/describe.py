"""Data sets in words, numbers and a picture, whatever their kind."""

from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np

from tsrl.data.anomaly import AnomalySet
from tsrl.data.dataset import PARTS, Dataset
from tsrl.data.forecasting import ForecastSet
from tsrl.data.regression import RegressionSet
from tsrl.report.dataset_page import MAX_PANELS, Line, Picture, channel_rows

# Series drawn of a set without classes.
_DRAWN = 5
# Of as many classes the lines can still be told apart.
_MOST_CLASSES = 10


class Described(NamedTuple):
    """A data set as `write_dataset_page` takes it.

    Attributes:
      about: terms and what they mean.
      channels: each in numbers.
      counts: class -> its rows in train and test.
      picture: what is drawn.
    """

    about: dict[str, str]
    channels: list[dict[str, str]]
    counts: dict[str, list[int]]
    picture: Picture


@singledispatch
def described(data: Any, names: Sequence[str] = ()) -> Described:
    """A data set in words, numbers and a picture.

    Args:
      data: a `Dataset`, `ForecastSet`, `RegressionSet` or `AnomalySet`.
      names: of the channels, where the set itself has none.
    """
    raise TypeError(f"found {type(data).__name__}")


@described.register
def _(data: Dataset, names: Sequence[str] = ()) -> Described:
    parts = [x for x in (data.x_train, data.x_test) if x is not None]
    channels = _channels(data.x_train, names)
    about = {"source": data.source, "series": _counts(parts), "steps": _lengths(parts)}
    about |= {"channels": str(len(channels)), "classes": str(len(data.classes)) if data.classes else "no labels"}
    if data.x_val is not None:
        about["published to validate on"] = f"{len(data.x_val)} series, which no protocol here uses"
    if groups := [data.rows[f"group_{part}"] for part in PARTS if f"group_{part}" in data.rows]:
        about["groups"] = f"{len(np.unique(np.concatenate(groups)))} (a split by them: --classify.split grouped)"
    labels = {part: getattr(data, f"y_{part}") for part in ("train", "test")}
    counts = {
        label: [0 if y is None else int((y == number).sum()) for y in labels.values()]
        for number, label in enumerate(data.classes)
    }
    if data.y_train is None:
        shown = {f"series {row}": row for row in range(min(_DRAWN, len(data.x_train)))}
        told = f"The first {len(shown)} series of the training part"
    else:
        first = {label: np.flatnonzero(data.y_train == number) for number, label in enumerate(data.classes)}
        shown = {label: int(rows[0]) for label, rows in first.items() if len(rows)}
        shown = dict(list(shown.items())[:_MOST_CLASSES])
        told = f"The first training series of {len(shown)} of {len(data.classes)} classes"
    picture = _rows_picture(data.x_train, shown, channels, told)
    return Described(about, channel_rows(_flat(parts), channels), counts, picture)


@described.register
def _(data: RegressionSet, names: Sequence[str] = ()) -> Described:
    parts, channels = [data.x_train, data.x_test], _channels(data.x_train, names)
    ranked = np.argsort(data.y_train)
    rows = ranked[np.linspace(0, len(ranked) - 1, min(_DRAWN, len(ranked))).astype(int)]
    about = {"source": data.source, "series": _counts(parts), "steps": _lengths(parts), "channels": str(len(channels))}
    about["number to predict"] = (
        f"{data.y_train.min():.4g} to {data.y_train.max():.4g} in train, mean {data.y_train.mean():.4g}"
    )
    shown = {f"{data.y_train[row]:.4g}": int(row) for row in rows}
    told = f"{len(shown)} training series, from the least to the greatest number to predict"
    picture = _rows_picture(data.x_train, shown, channels, told)
    return Described(about, channel_rows(_flat(parts), channels), {}, picture)


@described.register
def _(data: ForecastSet, names: Sequence[str] = ()) -> Described:
    borders = data.borders()
    shown = data.columns[:MAX_PANELS]
    step = np.median(np.diff(data.time)).astype("timedelta64[s]")
    gaps = int((np.diff(data.time) != step).sum())
    parts = {"train": (0, borders.train), "validation": (borders.train, borders.valid)}
    parts["test"] = (borders.valid, borders.test)
    about = {
        "source": data.source,
        "steps": f"{len(data.values)}, from {data.time[0]} to {data.time[-1]}",
        "step": f"{step.astype(int)} s; {gaps} steps of another length",
        "channels": str(len(data.columns)),
        "split": ", ".join(f"{name} {last - first}" for name, (first, last) in parts.items()),
        "horizons": ", ".join(map(str, data.horizons)),
    }
    bands = [(data.time[first], data.time[last - 1], name) for name, (first, last) in parts.items()]
    told = f"{len(shown)} of {len(data.columns)} channels of {data.name}; shaded: train, validation and test"
    panels = {name: [Line("value", data.values[:, i])] for i, name in enumerate(shown)}
    return Described(
        about, channel_rows(data.values, data.columns), {}, Picture(panels, data.time, "time", bands, told)
    )


@described.register
def _(data: AnomalySet, names: Sequence[str] = ()) -> Described:
    tests = [one.numbered[one.train_stop :] for one in data.series]
    first = next((one for one, test in zip(data.series, tests, strict=True) if test.any()), data.series[0])
    channels = _channels(first.values, names)
    about = {
        "source": data.source,
        "series": str(len(data.series)),
        "steps": f"{sum(len(one.values) for one in data.series)} in all, to train on "
        f"{sum(one.train_stop for one in data.series)}",
        "channels": str(data.channels),
        "labelled ranges": str(sum(len(one.windows) for one in data.series)),
        "labelled steps of the test parts": f"{100 * np.concatenate(tests).astype(bool).mean():.3g} %",
    }
    panels = {name: [Line("value", first.values[:, i])] for i, name in enumerate(channels[:MAX_PANELS])}
    bands = [(begin, end, "labelled anomaly") for begin, end in first.windows]
    told = f"{first.name}, the first series with an anomaly in its test part; shaded: where an anomaly is labelled"
    values = np.concatenate([one.values for one in data.series])
    return Described(about, channel_rows(values, channels), {}, Picture(panels, None, "step", bands, told))


def _rows_picture(x: np.ndarray, shown: Mapping[str, int], channels: Sequence[str], told: str) -> Picture:
    """A panel for each channel, in it a line for each of the rows `shown`."""
    drawn = channels[:MAX_PANELS]
    panels = {name: [Line(label, x[row, :, i]) for label, row in shown.items()] for i, name in enumerate(drawn)}
    return Picture(panels, None, "step", (), f"{told}; {len(drawn)} of {len(channels)} channels.")


def _channels(x: np.ndarray, names: Sequence[str]) -> list[str]:
    return list(names) if len(names) == x.shape[-1] else [f"channel {i}" for i in range(x.shape[-1])]


def _counts(parts: Sequence[np.ndarray]) -> str:
    return " + ".join(f"{len(x)} to {use}" for x, use in zip(parts, ("train on", "test on"), strict=False))


def _lengths(parts: Sequence[np.ndarray]) -> str:
    """Steps up to the last observed one."""
    ends = [x.shape[1] - np.argmax(~np.isnan(x).all(-1)[:, ::-1], axis=1) for x in parts]
    lengths = np.concatenate(ends)
    return str(lengths[0]) if (lengths == lengths[0]).all() else f"{lengths.min()} to {lengths.max()}"


def _flat(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([x.reshape(-1, x.shape[-1]) for x in parts])
