"""Differencing until the training part has no unit root: how TS2Vec prepares KPI and Yahoo."""

import importlib.util
import warnings
from dataclasses import replace

import numpy as np

from tsrl.data.anomaly.series import AnomalySeries, ranges
from tsrl.errors import InputError

SIGNIFICANT = 0.05
# The released code has no bound. Real series need one or two; a fifth difference is mostly noise.
MAX_DIFFERENCES = 5
# The test with one lag cannot be fitted to fewer values.
FEWEST = 6


def check_tests() -> None:
    """Refuses to go on without the library of the tests.

    Raises:
      InputError: says how to install it.
    """
    if importlib.util.find_spec("statsmodels") is None:
        raise InputError(
            "anomaly.difference: found no statsmodels, want it for unit-root tests: pip install 'tsrl[stationarity]'"
        )


def made_stationary(series: AnomalySeries) -> AnomalySeries:
    """The series differenced as often as `unit_root_order` says of its training part, the test part likewise.

    Args:
      series: any; a difference is missing where either of its steps is. Its values are float32, so that differences
        below a ten-millionth of their level are rounding.

    Returns:
      The same series if nothing is to be done. Otherwise one that is shorter by the order, at its start, where the
      labels of the steps that are gone are lost; `train_stop` is the same step, and `differences` the order.

    Raises:
      InputError: as `unit_root_order`; no statsmodels; too few steps are left.

    References:
      Yue et al. 2022, TS2Vec, arXiv 2106.10466, section 5.3; the steps are in the released code, `datasets/`. There the
      tests after n differencings reach n steps into the test part, here they never do.
    """
    order = unit_root_order(series.values[: series.train_stop], series.name)
    if not order:
        return series
    return replace(
        series,
        values=np.diff(series.values.astype(np.float64), order, axis=0),
        timestamps=series.timestamps[order:],
        windows=ranges(series.numbered[order:]),
        train_stop=series.train_stop - order,
        differences=order,
    )


def unit_root_order(x: np.ndarray, name: str = "x") -> int:
    """How often a series is differenced until two augmented Dickey-Fuller tests reject a unit root in every channel.

    Args:
      x: `[T, C]`, NaN = missing: the tests see the observed values of a channel one after another.
      name: of the series, for messages.

    Returns:
      0 to 5, the least order at which the test with at most one lag and the test with the default choice of lags both
      have p <= 0.05; 5 if none has. A test without a p-value (it fits exactly) and a constant channel ask for no
      differencing.

    Raises:
      InputError: a channel with fewer than 6 observed values, at any of the orders tried; no statsmodels.

    References:
      Said and Dickey 1984, Testing for Unit Roots in Autoregressive-Moving Average Models of Unknown Order.
    """
    check_tests()
    values = np.asarray(x, np.float64)
    for order in range(MAX_DIFFERENCES):
        channels = [channel[~np.isnan(channel)] for channel in np.diff(values, order, axis=0).T]
        fewest = min(map(len, channels))
        if fewest < FEWEST:
            raise InputError(
                f"{name}: found {fewest} observed values in the {len(values)} steps to train on, differenced {order} "
                f"times, want at least {FEWEST} for a unit-root test"
            )
        if not any(map(_has_unit_root, channels)):
            return order
    return MAX_DIFFERENCES


def _has_unit_root(values: np.ndarray) -> bool:
    from statsmodels.tools.sm_exceptions import SingularMatrixWarning
    from statsmodels.tsa.stattools import adfuller

    if np.ptp(values) == 0:
        return False
    # A series that its past determines makes these; its p-value is then small or not a number.
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", SingularMatrixWarning)
        # The test with one lag takes a fraction of the other's time, which is not run where the first suffices.
        return any(adfuller(values, lags, result_object=True).pvalue > SIGNIFICANT for lags in (1, None))
