"""A forecasting set as the task uses it: columns, parts, and the windows that are asked for."""

from typing import NamedTuple

import numpy as np

from tsrl.config import Config, Evaluation
from tsrl.data.forecasting import Borders, ForecastSet, calendar_covariates, load_forecast
from tsrl.data.scaling import Scaler
from tsrl.errors import InputError
from tsrl.evaluate.origins import Splits, check_series


class Series(NamedTuple):
    """A forecasting set as the task uses it.

    Attributes:
      data: the set, one column if univariate.
      borders: of its parts.
      x: `[T, K + C]` float32 in original units: calendar covariates, then values; up to the end of the test part.
      covariates: K, 7 or 0.
      scaler: of all channels, fitted to the training part.
    """

    data: ForecastSet
    borders: Borders
    x: np.ndarray
    covariates: int
    scaler: Scaler

    def targets(self) -> np.ndarray:
        """`[T, C]`: the values to be forecast, standardised."""
        return self.scaler.apply(self.x)[:, self.covariates :]

    def scale(self) -> np.ndarray:
        """`[C]`: what the values were divided by."""
        return self.scaler.std[self.covariates :]

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
    calendar = calendar_covariates(data.time) if config.forecast.covariates else np.empty((len(data.values), 0))
    x = np.concatenate([calendar, data.values], -1).astype(np.float32)[: borders.test]
    series = Series(data, borders, x, calendar.shape[1], Scaler.of(x[None, : borders.train]))
    asked, horizon = horizons(config, data), getattr(config.method, "horizon", None)
    if horizon is not None and asked != (horizon,):
        found = ", ".join(map(str, asked))
        want = "want one horizon and method.horizon the same"
        raise InputError(f"forecast.horizons: found {found} for a model trained to forecast {horizon} steps; {want}")
    window = look_back(config, data.name, borders.train)
    if horizon is not None and config.train.window not in (0, window):
        trained = f"a model trained on windows of {config.train.window}"
        raise InputError(f"forecast.look_back: found {window} for {trained}; want the same")
    known = getattr(config.method, "covariates", series.covariates)
    if known != series.covariates:
        found = f"{known} for series with {series.covariates} calendar covariates before the values"
        raise InputError(f"method.covariates: found {found}; want as many, see forecast.covariates")
    sizes = {"context": context(config, borders.train), "look_back": window}
    for name, number in sizes.items():
        if not 1 <= number < borders.train:
            raise InputError(f"forecast.{name}: found {number}, want 1 to {borders.train - 1}, below the training part")
        check_series(series.targets(), series.splits(), asked, skip=number - 1)
    return series


def horizons(config: Evaluation, data: ForecastSet) -> tuple[int, ...]:
    """The horizons asked for, or those the field reports."""
    return data.horizons if config.forecast.horizons is None else config.forecast.horizons


def look_back(config: Config, name: str, train: int) -> int:
    """The window of the linear protocols, of a set with `train` steps to train on."""
    given = config.forecast.look_back
    if given is None and config.train.window:
        return config.train.window
    return _at_most_half(96 if name == "Exchange" else 336, train) if given is None else given


def context(config: Evaluation, train: int) -> int:
    """The steps that a representation sees, of a set with `train` steps to train on."""
    return _at_most_half(201, train) if config.forecast.context is None else config.forecast.context


def _at_most_half(steps: int, train: int) -> int:
    """The field's number of steps, which a short series does not have."""
    return max(1, min(steps, train // 2))
