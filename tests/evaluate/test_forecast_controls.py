"""Controls against loops, against weighted least squares on normalised windows, and against numbers on real data."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.linear_model import Ridge

from tsrl.errors import InputError
from tsrl.evaluate.forecast import flatten, window_linear
from tsrl.evaluate.forecast_controls import last_value, normalised_linear, seasonal_naive
from tsrl.evaluate.origins import Splits
from tsrl.evaluate.ridge import WINDOW_PENALTIES

SPLITS = Splits(slice(0, 100), slice(100, 140), slice(140, 180))
HORIZONS, SCALE = (1, 5), np.array([2.0, 0.5])
X = np.random.default_rng(0).normal(size=(190, 2)).cumsum(0)


def test_naive_forecasts_by_hand():
    x = np.array([[0.0], [0.0], [0.0], [1.0], [0.0], [1.0], [2.0], [3.0], [5.0]])
    splits = Splits(slice(0, 3), slice(3, 6), slice(6, 9))
    # The only origin of two steps ahead is 6: 2 is forecast for 3 and 5.
    expected = {"mse": 5.0, "mae": 2.0, "mse_original": 500.0, "mae_original": 20.0}
    repeated = last_value(x, splits, [2], scale=np.array([10.0]))
    assert [found[:4] for found in repeated] == [(2, False, expected, {}), (2, True, expected, {})]
    # One season of three steps ago stood 0 and 1; the origin's value there was 1, now it is 2.
    assert [found[:4] for found in seasonal_naive(x, splits, [2], 3)] == [
        (2, False, {"mse": (9 + 16) / 2, "mae": 3.5}, {}),
        (2, True, {"mse": (4 + 9) / 2, "mae": 2.5}, {}),
    ]


@pytest.mark.parametrize("period", [1, 4, 7, 140])
def test_seasonal_naive_repeats_the_last_season(period):
    for one in seasonal_naive(X, SPLITS, (5, 12), period, scale=SCALE):
        wrong = []
        for t in range(140, 180 - one.horizon):
            season = X[t - period + 1 : t + 1]
            level = X[t] - X[t - period] if one.anchored else 0
            wrong.append([season[h % period] + level - X[t + 1 + h] for h in range(one.horizon)])
        wrong = np.array(wrong)
        assert one.scores == pytest.approx(
            {
                "mse": np.square(wrong).mean(),
                "mae": np.abs(wrong).mean(),
                "mse_original": np.square(wrong * SCALE).mean(),
                "mae_original": np.abs(wrong * SCALE).mean(),
            }
        )


def test_last_value_is_the_season_of_one_step_and_so_is_its_anchored_form():
    assert last_value(X, SPLITS, HORIZONS)[::2] == seasonal_naive(X, SPLITS, HORIZONS, 1)[::2]


def test_normalised_linear_is_least_squares_on_normalised_windows_weighted_by_their_variance():
    length = 8

    def parts(rows, horizon):
        w = sliding_window_view(X, length, axis=0)[rows - length + 1].reshape(-1, length)
        y = sliding_window_view(X, horizon, axis=0)[rows + 1].reshape(-1, horizon)
        return w, y, w.mean(1, keepdims=True), w.std(1, keepdims=True)

    for one in normalised_linear(X, SPLITS, HORIZONS, length, scale=SCALE):
        losses, models = [], []

        def error(model, rows, one=one):
            w, y, mean, std = parts(rows, one.horizon)
            base = w[:, -1:] if one.anchored else mean
            return base + std * model.predict((w - mean) / std).reshape(y.shape) - y

        for penalty in WINDOW_PENALTIES:
            w, y, mean, std = parts(np.arange(length - 1, 100 - one.horizon), one.horizon)
            base = w[:, -1:] if one.anchored else mean
            model = Ridge(penalty, fit_intercept=False)
            models.append(model.fit((w - mean) / std, (y - base) / std, sample_weight=std[:, 0] ** 2))
            wrong = error(model, np.arange(100, 140 - one.horizon))
            losses.append(np.sqrt(np.square(wrong).mean()) + np.abs(wrong).mean())
        best = int(np.argmin(losses))
        wrong = error(models[best], np.arange(140, 180 - one.horizon)).reshape(-1, 2, one.horizon)
        assert one.chosen == pytest.approx(
            {"penalty": WINDOW_PENALTIES[best], "validation_loss": losses[best]}, rel=1e-6
        )
        assert one.scores == pytest.approx(
            {
                "mse": np.square(wrong).mean(),
                "mae": np.abs(wrong).mean(),
                "mse_original": np.square(wrong * SCALE[:, None]).mean(),
                "mae_original": np.abs(wrong * SCALE[:, None]).mean(),
            },
            rel=1e-6,
        )


def test_normalised_linear_takes_flat_windows_and_ignores_the_level():
    x = X.copy()
    x[:30] = 3.0
    found = normalised_linear(x, SPLITS, HORIZONS, 8)
    for one, moved in zip(found, normalised_linear(x + 1000, SPLITS, HORIZONS, 8), strict=True):
        assert moved.scores == pytest.approx(one.scores, rel=1e-6)
    for one in normalised_linear(np.full((190, 1), 2.5), SPLITS, HORIZONS, 8):
        assert one.scores == {"mse": 0.0, "mae": 0.0}


def test_raw_window_is_all_its_steps_and_channels_side_by_side():
    covariates = np.concatenate([X, np.sin(np.arange(190))[:, None]], 1)
    found = window_linear(flatten, covariates, X, SPLITS, HORIZONS, 4, scale=SCALE)
    assert found == window_linear(
        lambda w: np.stack([w[:, t, c] for t in range(4) for c in range(3)], 1),
        covariates, X, SPLITS, HORIZONS, 4, scale=SCALE,
    )  # fmt: skip
    only = window_linear(flatten, X, X, SPLITS, HORIZONS, 4, penalties=(3.0,))
    assert [one.chosen["penalty"] for one in only] == [3.0] * 4


@pytest.mark.parametrize(
    "control",
    [
        lambda x, **options: normalised_linear(x, SPLITS, HORIZONS, 8, **options),
        lambda x, **options: window_linear(flatten, x, x, SPLITS, HORIZONS, 8, **options),
    ],
)
def test_fitted_controls_choose_without_test(control):
    later, after = X.copy(), X.copy()
    later[140:] = 50 - 20 * later[140:]
    after[180:] = 1e6
    found, moved = control(X), control(later)
    assert [one.chosen for one in moved] == [one.chosen for one in found]
    assert all(a.scores["mse"] != b.scores["mse"] for a, b in zip(moved, found, strict=True))
    assert control(after) == found
    for one, honest in zip(control(X, selection="paper"), found, strict=True):
        assert one.chosen.keys() == {"penalty", "optimistic"}
        assert one.scores["mse"] <= honest.scores["mse"]


@pytest.mark.parametrize("period", [0, 141, 2.0, True])
def test_wrong_period_is_named(period):
    with pytest.raises(InputError, match=f"period: found {period}, want a whole number from 1 to the 140 steps"):
        seasonal_naive(X, SPLITS, HORIZONS, period)


def test_wrong_input_is_named():
    with pytest.raises(InputError, match="horizons: found 40 for 40 rows of valid"):
        last_value(X, SPLITS, [40])
    with pytest.raises(InputError, match="look_back: found 0"):
        normalised_linear(X, SPLITS, HORIZONS, 0)


def test_exchange_rates_equal_a_separate_computation():
    # A script of its own, with numpy only, gave these numbers; the last value of an exchange rate is hard to beat.
    if "TSRL_DATA_DIR" not in os.environ:
        pytest.skip("TSRL_DATA_DIR is not set")
    path = Path(os.environ["TSRL_DATA_DIR"]) / "forecasting" / "exchange_rate.csv"
    if not path.exists():
        pytest.skip("exchange_rate.csv is not in TSRL_DATA_DIR")
    x = np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(1, 9))
    train, test = int(0.7 * len(x)), len(x) - int(0.2 * len(x))
    x = (x - x[:train].mean(0)) / x[:train].std(0)
    splits = Splits(slice(0, train), slice(train, test), slice(test, len(x)))
    expected = {24: 0.0238, 48: 0.0419, 168: 0.1456, 336: 0.3104, 720: 0.8131}
    found = {
        one.horizon: one.scores["mse"] for one in normalised_linear(x, splits, (*expected,), 96) if not one.anchored
    }
    assert found == pytest.approx(expected, abs=1e-4)
    found = {one.horizon: one.scores["mse"] for one in last_value(x, splits, (24, 720)) if not one.anchored}
    assert found == pytest.approx({24: 0.0239, 720: 0.8099}, abs=1e-4)
