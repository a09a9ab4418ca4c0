"""Forecasting: frozen representations of a long series, read by closed-form ridge regressions."""

from typing import Any, NamedTuple

import numpy as np

from tsrl.config import Config, Evaluation
from tsrl.data import series as data_series
from tsrl.data.forecasting import Borders, ForecastSet, calendar_covariates, load_forecast
from tsrl.data.scaling import Scaler
from tsrl.embedder import Embedder
from tsrl.errors import InputError
from tsrl.evaluate.forecast import flatten, last_step_ridge, window_linear
from tsrl.evaluate.forecast_controls import last_value, normalised_linear, seasonal_naive
from tsrl.evaluate.forecast_scores import Forecast
from tsrl.evaluate.origins import Splits, check_series
from tsrl.report.schema import Row
from tsrl.tasks.base import Arrays, Scored, Source, Task, Training, scored_row, wanted

COVARIATES = 7
# Of representations from elsewhere, whose set is not known.
HORIZONS = (24, 48, 168, 336, 720)

PROTOCOLS = {
    "last_step_ridge": "ridge regression on the last step's representation of a causal window (TS2Vec)",
    "window_linear": "ridge regression on the representations of all steps of a window (TimeDRL's linear map)",
    "control": "no encoder: a forecast from the values of the window alone",
}
ARRAYS = {
    "z": "[T, D] representation of each step, which has seen no later one",
    "x": "[T, C] values",
    "borders": "[3] steps at which train, validation and test end",
}


class Series(NamedTuple):
    """A forecasting set as the task uses it.

    Attributes:
      data: the set, one column if univariate.
      borders: of its parts.
      x: `[T, 7 + C]` float32 in original units: calendar covariates, then values; up to the end of the test part.
      scaler: of all channels, fitted to the training part.
    """

    data: ForecastSet
    borders: Borders
    x: np.ndarray
    scaler: Scaler

    def targets(self) -> np.ndarray:
        """`[T, C]`: the values to be forecast, standardised."""
        return self.scaler.apply(self.x)[:, COVARIATES:]

    def scale(self) -> np.ndarray:
        """`[C]`: what the values were divided by."""
        return self.scaler.std[COVARIATES:]

    def splits(self) -> Splits:
        """The parts as slices."""
        train, valid, test = self.borders
        return Splits(slice(0, train), slice(train, valid), slice(valid, test))

    def fingerprint(self) -> str:
        """Hash of the whole set."""
        return self.data.fingerprint()


def load(config: Config) -> Series:
    """The set, its parts checked against horizons and windows."""
    data = load_forecast(config.dataset, config.data_dir, config.table)
    data = data.univariate() if config.forecast.univariate else data
    borders = data.borders(config.forecast.split)
    x = np.concatenate([calendar_covariates(data.time), data.values], -1)[: borders.test]
    series = Series(data, borders, x, Scaler.of(x[None, : borders.train]))
    sizes = {"context": context(config, borders.train), "look_back": look_back(config, data.name, borders.train)}
    for name, number in sizes.items():
        if not 1 <= number < borders.train:
            raise InputError(f"forecast.{name}: found {number}, want 1 to {borders.train - 1}, below the training part")
        check_series(series.targets(), series.splits(), horizons(config, data), skip=number - 1)
    return series


def horizons(config: Evaluation, data: ForecastSet) -> tuple[int, ...]:
    """The horizons asked for, or those the field reports."""
    return data.horizons if config.forecast.horizons is None else config.forecast.horizons


def look_back(config: Evaluation, name: str, train: int) -> int:
    """The window of the linear protocols, of a set with `train` steps to train on."""
    given = config.forecast.look_back
    return _at_most_half(96 if name == "Exchange" else 336, train) if given is None else given


def context(config: Evaluation, train: int) -> int:
    """The steps that a representation sees, of a set with `train` steps to train on."""
    return _at_most_half(201, train) if config.forecast.context is None else config.forecast.context


def _at_most_half(steps: int, train: int) -> int:
    """The field's number of steps, which a short series does not have."""
    return max(1, min(steps, train // 2))


def training(config: Config, series: Series) -> Training:
    """The training part as one series, covariates first."""
    return Training(series.x[None, : series.borders.train], series.scaler)


def describe(config: Config, series: Series) -> dict[str, Any]:
    """The report's description of the set."""
    data, (train, valid, test) = series.data, series.borders
    return {
        "name": data.name,
        "source": data.source,
        "variant": "univariate" if config.forecast.univariate else "multivariate",
        "columns": list(data.columns),
        "split": {"train": train, "valid": valid - train, "test": test - valid},
        "first": str(data.time[0]),
        "last": str(data.time[test - 1]),
        "look_back": look_back(config, data.name, train),
        "context": context(config, train),
        **({"validation": list(data.notes)} if data.notes else {}),
    }


def labels(config: Config, series: Series) -> dict[str, np.ndarray]:
    """The values and where the parts end."""
    return {"x": series.x[:, COVARIATES:], "borders": np.array(series.borders)}


def score(config: Config, series: Series, embedder: Embedder, source: Source) -> Scored:
    """The protocols on one model; the representation of a step has seen `context` steps, itself the last."""
    rows: list[Row] = []
    seen, asked = context(config, series.borders.train), horizons(config, series.data)
    z = embedder.encode(series.x[None], sliding_length=1, sliding_padding=seen - 1, causal=True)[0]
    if "last_step_ridge" in config.forecast.protocols:
        found = last_step_ridge(z, series.targets(), series.splits(), asked, skip=seen - 1, scale=series.scale())
        rows += _rows(source, "last_step_ridge", found)
    if "window_linear" in config.forecast.protocols:
        found = window_linear(
            lambda windows: flatten(embedder.encode(windows)),
            series.x,
            series.targets(),
            series.splits(),
            asked,
            look_back(config, series.data.name, series.borders.train),
            scale=series.scale(),
        )
        rows += _rows(source, "window_linear", found)
    return Scored(rows, {"z": z})


def judge(config: Evaluation, arrays: Arrays, source: Source) -> list[Row]:
    """`last_step_ridge` on representations of every step."""
    z, x, borders = wanted(arrays, ARRAYS)
    if borders.shape != (3,) or borders.dtype.kind not in "iu":
        raise InputError(f"borders: found {borders.dtype} of shape {borders.shape}, want three whole numbers")
    train, valid, test = (int(border) for border in borders)
    scaler = Scaler.of(data_series.check_series(x[None])[:, :train])
    splits = Splits(slice(0, train), slice(train, valid), slice(valid, test))
    found = last_step_ridge(
        z,
        scaler.apply(x),
        splits,
        HORIZONS if config.forecast.horizons is None else config.forecast.horizons,
        skip=context(config, train) - 1,
        scale=scaler.std,
    )
    return _rows(source, "last_step_ridge", found)


def controls(config: Config, series: Series) -> list[Row]:
    """Forecasts without an encoder, on the same origins."""
    x, splits, asked = series.targets(), series.splits(), horizons(config, series.data)
    window, scale = look_back(config, series.data.name, series.borders.train), series.scale()
    # Of a year in weeks there may be less than a whole before the test part.
    period = min(series.data.period, series.borders.valid - 1)
    found = {
        "last value": last_value(x, splits, asked, scale=scale),
        f"seasonal naive, {period} steps": seasonal_naive(x, splits, asked, period, scale=scale),
        "normalised linear map": normalised_linear(x, splits, asked, window, scale=scale),
        "raw window, ridge": window_linear(flatten, x, x, splits, asked, window, scale=scale),
    }
    # A forecast without parameters has nothing to anchor: its variant is the same, or another forecast altogether.
    return [
        row
        for name, forecasts in found.items()
        for row in _rows(Source(name, "control", None), "control", forecasts)
        if not (name == "last value" and row["cell"]["anchored"])
    ]


def _rows(source: Source, protocol: str, found: list[Forecast]) -> list[Row]:
    return [
        scored_row(
            source,
            protocol,
            forecast.scores | forecast.chosen,
            {"horizon": forecast.horizon, "anchored": forecast.anchored},
        )
        for forecast in found
    ]


TASK = Task(
    load=load,
    fingerprint=Series.fingerprint,
    training=training,
    dataset=describe,
    protocols=PROTOCOLS,
    headline="mse",
    compared=("last_step_ridge", "window_linear", "control"),
    score=score,
    controls=controls,
    labels=labels,
    judge=judge,
)
