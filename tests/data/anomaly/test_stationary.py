"""Differencing against a loop over the library's test, and what it may and may not depend on."""

import importlib.util

import numpy as np
import pytest

from tsrl.data.anomaly import AnomalySeries
from tsrl.data.anomaly.stationary import MAX_DIFFERENCES, made_stationary, unit_root_order
from tsrl.errors import InputError

stattools = pytest.importorskip("statsmodels.tsa.stattools")

NOISE = np.random.default_rng(0).normal(size=(300, 1))


def series(values, windows=(), train_stop=150):
    steps = len(values)
    return AnomalySeries("s", values, 60 * np.arange(steps), windows, train_stop)


@pytest.mark.parametrize("integrated", [0, 1, 2])
def test_order_is_that_of_the_published_loop_on_the_training_part(integrated):
    x = NOISE.copy()
    for _ in range(integrated):
        x = x.cumsum(0)
    part, by_hand = x[:150, 0].astype(np.float32).astype(np.float64), 0
    while any(stattools.adfuller(part, lags, result_object=True).pvalue > 0.05 for lags in (1, None)):
        part, by_hand = np.diff(part), by_hand + 1
    made = made_stationary(series(x, ((1, 1), (200, 205), (206, 210))))
    assert made.differences == by_hand == integrated
    np.testing.assert_allclose(made.values, np.diff(x.astype(np.float32).astype(float), integrated, axis=0), rtol=1e-6)
    np.testing.assert_array_equal(made.timestamps, 60 * np.arange(integrated, 300))
    # A step keeps its label: a range that lies before the first difference is gone.
    kept = ((1 - integrated, 1 - integrated),) if integrated < 2 else ()
    assert made.windows == (*kept, (200 - integrated, 205 - integrated), (206 - integrated, 210 - integrated))
    assert made.train_stop == 150 - integrated


def test_both_tests_have_to_reject():
    """With one lag the pattern of four steps looks stationary; with more lags its walk shows."""
    random = np.random.default_rng(1)
    x = (random.normal(size=200).cumsum() * 0.3 + np.tile([3.0, -1, 4, -6], 50))[:, None]
    one, default = (stattools.adfuller(x[:, 0], lags, result_object=True).pvalue for lags in (1, None))
    assert one <= 0.05 < default
    assert unit_root_order(x) >= 1


def test_test_part_changes_neither_order_nor_training_part():
    x = NOISE.cumsum(0)
    later = x.copy()
    later[150:] = 1e6 * np.arange(150)[:, None] ** 3
    made, other = made_stationary(series(x)), made_stationary(series(later))
    assert made.differences == other.differences == 1
    np.testing.assert_array_equal(made.standardised()[: made.train_stop], other.standardised()[: other.train_stop])
    assert not np.array_equal(made.values, other.values)


@pytest.mark.parametrize(
    ("x", "orders"),
    [
        (np.full(80, 3.25), {0}),
        (1.5 ** np.arange(80), {MAX_DIFFERENCES}),
        # Their tests fit exactly: the p-values are rounding errors or not numbers.
        (np.where(np.arange(80) < 79, 0.0, 1.0), {0, 1}),
        (np.tile([0.0, 1.0], 40), {0, 1}),
        (np.arange(80.0), {0, 1}),
        (np.arange(80.0) ** 2, {0, 1, 2}),
    ],
    ids=["constant", "explosive", "one jump", "two values", "ramp", "parabola"],
)
def test_series_without_noise_have_an_order(x, orders):
    made = made_stationary(series(np.concatenate([x, NOISE[:20, 0]])[:, None], train_stop=80))
    assert made.differences in orders
    assert np.isfinite(made.standardised()).all()


def test_one_order_for_all_channels():
    assert unit_root_order(np.concatenate([NOISE, NOISE[::-1].cumsum(0)], 1)) == 1


def test_differences_over_gaps_are_missing():
    x = NOISE.cumsum(0)
    x[40:60] = np.nan
    x[200] = np.nan
    made = made_stationary(series(x))
    assert made.differences == 1
    assert np.flatnonzero(np.isnan(made.values[:, 0])).tolist() == [*range(39, 60), 199, 200]


def test_too_few_values_to_test_are_named():
    with pytest.raises(
        InputError, match=r"^s: found 5 observed values in the 5 steps to train on, differenced 0 times"
    ):
        made_stationary(series(NOISE, train_stop=5))
    x = NOISE.cumsum(0)
    x[::2] = np.nan
    with pytest.raises(
        InputError, match="s: found 0 observed values in the 150 steps to train on, differenced 1 times"
    ):
        made_stationary(series(x))


def test_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"found no statsmodels.*pip install 'tsrl\[stationarity\]'"):
        unit_root_order(NOISE)
