"""Forecasts that need no encoder, computed on the same origins as those that do.

A representation is worth what it adds to these. Each control has a plain and an anchored variant, see `forecast`.
"""

from collections.abc import Sequence
from numbers import Integral

import numpy as np

from tsrl.errors import InputError
from tsrl.evaluate.forecast_scores import Forecast, Selection, prediction_errors, ridge_forecasts, scores
from tsrl.evaluate.origins import Splits, all_origins, check_series, cut_windows, make_series, origins, window_means
from tsrl.evaluate.ridge import WINDOW_PENALTIES


def normalised_linear(
    x: np.ndarray,
    splits: Splits,
    horizons: Sequence[int],
    look_back: int,
    *,
    scale: np.ndarray | None = None,
    penalties: Sequence[float] = WINDOW_PENALTIES,
    selection: Selection = "validation",
) -> list[Forecast]:
    """A linear map of the instance-normalised window, one for all channels, in closed form.

    With the mean m and the standard deviation s of a window w, the forecast is `m + s * W ((w - m) / s)`. With errors
    in scaled units s cancels: it is ridge without an intercept from `w - m` to `y - m`. W has no bias, which s would
    turn into a trend that every window shares. The anchored variant has the window's last value for the first m.

    Args:
      x: `[T, C]` scaled values.
      splits: as in `window_linear`.
      horizons: as in `window_linear`.
      look_back: as in `window_linear`.
      scale: as in `window_linear`.
      penalties: as in `window_linear`.
      selection: as in `window_linear`.

    Returns:
      Two `Forecast` a horizon, plain and anchored.

    Raises:
      InputError: as `window_linear`.

    References:
      Kim et al. 2022, RevIN, the normalisation; Toner and Darlow 2024, arXiv 2403.14587, linear forecasters in closed
      form.
    """
    x = check_series(x, splits, horizons, look_back=look_back, scale=scale)
    windows = cut_windows(x, look_back)
    mean = window_means(x, look_back)

    def features(asked: np.ndarray) -> np.ndarray:
        return windows(asked).swapaxes(1, 2) - mean[asked, :, None]

    series, rows = make_series(x, (mean, x)), all_origins(splits, horizons, look_back - 1)
    return ridge_forecasts(
        features, series, splits, rows, horizons, scale, penalties, selection, intercept=False, max_dual_rows=4096
    )


def last_value(
    x: np.ndarray, splits: Splits, horizons: Sequence[int], *, scale: np.ndarray | None = None
) -> list[Forecast]:
    """Every step is forecast by the origin's value; anchored, by a change of zero, which is the same forecast.

    Args:
      x: `[T, C]` scaled values.
      splits: as in `window_linear`.
      horizons: as in `window_linear`.
      scale: as in `window_linear`.

    Returns:
      Two equal `Forecast` a horizon, plain and anchored.

    Raises:
      InputError: as `window_linear`.
    """
    x = check_series(x, splits, horizons, scale=scale)
    forecasts = []
    for horizon in horizons:
        errors = prediction_errors(lambda rows: x[rows, None], x, origins(splits.test, horizon), horizon)
        forecasts += [Forecast(horizon, anchored, scores(errors, scale), {}) for anchored in (False, True)]
    return forecasts


def seasonal_naive(
    x: np.ndarray, splits: Splits, horizons: Sequence[int], period: int, *, scale: np.ndarray | None = None
) -> list[Forecast]:
    """Every step is forecast by the last known value at the same place of the season.

    The anchored variant forecasts the change since the origin, `x[t + h] - x[t]`, by the change one season earlier.

    Args:
      x: `[T, C]` scaled values.
      splits: as in `window_linear`.
      horizons: as in `window_linear`; beyond the period the last season is repeated.
      period: steps of a season.
      scale: as in `window_linear`.

    Returns:
      Two `Forecast` a horizon, plain and anchored.

    Raises:
      InputError: as `window_linear`; a period that is no whole number from 1 to the steps before test.
    """
    x = check_series(x, splits, horizons, scale=scale)
    if not isinstance(period, Integral) or isinstance(period, bool) or not 1 <= period <= splits.test.start:
        raise InputError(
            f"period: found {period!r}, want a whole number from 1 to the {splits.test.start} steps before test"
        )
    forecasts = []
    for horizon in horizons:
        same_place = 1 + np.arange(horizon) % period - period
        rows = origins(splits.test, horizon)
        plain = prediction_errors(lambda t, place=same_place: x[t[:, None] + place], x, rows, horizon)
        changed = prediction_errors(
            lambda t, place=same_place: x[t[:, None] + place] + (x[t] - x[t - period])[:, None], x, rows, horizon
        )
        forecasts += [
            Forecast(horizon, False, scores(plain, scale), {}),
            Forecast(horizon, True, scores(changed, scale), {}),
        ]
    return forecasts
