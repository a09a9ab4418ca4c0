"""Forecasting: frozen representations of a long series, read by closed-form ridge regressions."""

from pathlib import Path
from typing import Any

import numpy as np

from tsrl.config import Config, Evaluation
from tsrl.data import series as data_series
from tsrl.data.scaling import Scaler
from tsrl.embedder import Embedder
from tsrl.errors import InputError
from tsrl.evaluate.continuing_probe import ContinuingProbe
from tsrl.evaluate.forecast import channel_linear, end_to_end, flatten, last_step_ridge, window_linear
from tsrl.evaluate.forecast_controls import last_value, normalised_linear, seasonal_naive
from tsrl.evaluate.forecast_scores import Forecast
from tsrl.evaluate.origins import Splits, cut_windows
from tsrl.job import Job
from tsrl.report.schema import Row
from tsrl.tasks.base import Arrays, Scored, Source, Task, Training, Watcher, scored_row, wanted
from tsrl.tasks.forecast_series import Series, context, horizons, load, look_back

# Of representations from elsewhere, whose set is not known.
HORIZONS = (24, 48, 168, 336, 720)

PROTOCOLS = {
    "last_step_ridge": "ridge regression on the last step's representation of a causal window (TS2Vec)",
    "window_linear": "ridge regression on the representations of all steps of a window (TimeDRL's linear map)",
    "trained_probe": "a linear head trained on after every epoch of pre-training (TimeDRL)",
    "end_to_end": "a supervised model's own forecasts, by the checkpoint that is best on validation",
    "control": "no encoder: a forecast from the values of the window alone",
}
ARRAYS = {
    "z": "[T, D] representation of each step, which has seen no later one",
    "x": "[T, C] values",
    "borders": "[3] steps at which train, validation and test end",
}


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
    return {"x": series.x[:, series.covariates :], "borders": np.array(series.borders)}


def score(config: Config, series: Series, embedder: Embedder, source: Source) -> Scored:
    """The protocols on one model; a forecaster's own forecasts instead."""
    window = look_back(config, series.data.name, series.borders.train)
    if embedder.method.predict is not None:
        found = _own_forecasts(config, series, embedder, window)
        kept = _of_test_windows(series, embedder, window) | _examples(series, "end_to_end", found)
        return Scored(_rows(source, "end_to_end", found), kept)
    rows: list[Row] = []
    examples: dict[str, np.ndarray] = {}
    embeddings: dict[str, np.ndarray] = {}
    given = (series.targets(), series.splits(), horizons(config, series.data))
    if "last_step_ridge" in config.forecast.protocols:
        # The representation of a step has seen `context` steps, itself the last.
        seen = context(config, series.borders.train)
        z = embedder.encode(series.x[None], sliding_length=1, sliding_padding=seen - 1, causal=True)[0]
        embeddings = {"z": z}
        found = last_step_ridge(z, *given, skip=seen - 1, scale=series.scale())
        rows += _rows(source, "last_step_ridge", found)
        examples |= _examples(series, "last_step_ridge", found)
    if "window_linear" in config.forecast.protocols:
        channels = series.scale().size

        def by_channel(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            features, _, scale = embedder.window_features(windows)
            return features[:, -channels:], scale[:, -channels:]

        if embedder.method.of_windows is not None:
            found = channel_linear(by_channel, series.x, *given, window, scale=series.scale())
        else:
            represent = lambda windows: flatten(embedder.encode(windows))  # noqa: E731
            found = window_linear(represent, series.x, *given, window, scale=series.scale())
        rows += _rows(source, "window_linear", found)
        examples |= _examples(series, "window_linear", found)
    return Scored(rows, (embeddings or _of_test_windows(series, embedder, window)) | examples)


def _examples(series: Series, protocol: str, found: list[Forecast]) -> dict[str, np.ndarray]:
    """What `report.forecast_examples` draws of plain targets: origins and forecasts, in original units."""
    scaler = series.scaler
    mean, std = scaler.mean[series.covariates :], scaler.std[series.covariates :]
    kept = {}
    for forecast in found:
        if forecast.examples is not None and not forecast.anchored:
            kept[f"forecast_origins_{forecast.horizon}"] = forecast.examples.origins
            kept[f"forecast_{protocol}_{forecast.horizon}"] = forecast.examples.values * std + mean
    return kept


def _own_forecasts(config: Config, series: Series, embedder: Embedder, window: int) -> list[Forecast]:
    """A supervised model's forecasts; they are given in original units."""
    count = series.covariates
    mean, std = series.scaler.mean[count:], series.scaler.std[count:]
    return end_to_end(
        {embedder.options.name: lambda x, known: (embedder.predict(x, known) - mean) / std},
        series.x,
        series.targets(),
        series.splits(),
        horizons(config, series.data),
        window,
        known=series.x[:, :count],
        scale=series.scale(),
    )


def _of_test_windows(series: Series, embedder: Embedder, window: int) -> dict[str, np.ndarray]:
    """Embeddings of up to 1,024 windows that end in the test part."""
    test = series.splits().test
    ends = np.linspace(test.start, test.stop - 1, min(1024, test.stop - test.start)).astype(int)
    return {"z_test": embedder.embed(cut_windows(series.x, window)(ends))}


def watchers(config: Config, series: Series, job: Job, workdir: Path) -> list[Watcher]:
    """The protocol `trained_probe`, if asked for. What the model cannot be scored on is refused."""
    _check_windows(config, series, job)
    if "trained_probe" not in config.forecast.protocols:
        return []
    epoch = job.steps_per_epoch
    if job.steps < epoch:
        raise InputError(f"train.steps: found {job.steps}, want at least an epoch for trained_probe, {epoch}")
    if job.checkpoint_every > epoch or epoch % job.checkpoint_every:
        raise InputError(
            f"train.checkpoint_every: found {job.checkpoint_every}, want 0 for trained_probe, or a divisor of the "
            f"{epoch} updates of an epoch: its heads are kept for the last epochs only"
        )
    probe = ContinuingProbe(
        job.method(None),
        config.forecast.probe,
        series.scaler.apply(series.x),
        series.targets(),
        series.splits(),
        horizons(config, series.data),
        look_back(config, series.data.name, series.borders.train),
        config.seed_list(),
        workdir / "probe",
    )

    def rows(source: Source) -> list[Row]:
        assert source.seed is not None
        return _rows(source, "trained_probe", probe.forecasts(source.seed, config.selection, series.scale()))

    return [Watcher(probe, rows)]


def _check_windows(config: Config, series: Series, job: Job) -> None:
    """Traces what scoring will ask of the model."""
    method, train = job.method(None), series.borders.train
    sizes = {
        "context": (context(config, train), ("last_step_ridge",), method.encode),
        "look_back": (
            look_back(config, series.data.name, train),
            ("window_linear", "trained_probe"),
            method.of_windows or method.encode,
        ),
    }
    for name, (steps, protocols, represent) in sizes.items():
        if method.predict is not None or not set(protocols) & set(config.forecast.protocols):
            continue
        try:
            job.check_window(represent, steps)
        except InputError as error:
            raise InputError(f"forecast.{name}: found {steps}; {error}") from error


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
    compared=("last_step_ridge", "window_linear", "trained_probe", "end_to_end", "control"),
    score=score,
    controls=controls,
    labels=labels,
    judge=judge,
    watchers=watchers,
)
