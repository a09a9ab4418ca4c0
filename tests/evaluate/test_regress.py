"""Extrinsic regression against scikit-learn used directly, and what it does where scores are undefined."""

import math

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.preprocessing import StandardScaler

from tsrl.errors import InputError
from tsrl.evaluate.regress import evaluate_regression

RNG = np.random.default_rng(0)
Z, FRESH = (RNG.normal(size=(rows, 6)) * 10.0 ** np.arange(6) for rows in (40, 30))
WEIGHTS = np.array([3.0, -1.0, 0.5, 0, 0, 0]) / 10.0 ** np.arange(6)
Y, TARGETS = (z @ WEIGHTS + 5 + 2 * RNG.normal(size=len(z)) for z in (Z, FRESH))


def test_penalty_is_the_best_of_leaving_one_out():
    scaled = StandardScaler().fit_transform(Z)
    errors = {
        alpha: np.mean((cross_val_predict(Ridge(alpha), scaled, Y, cv=LeaveOneOut()) - Y) ** 2)
        for alpha in np.logspace(-3, 3, 10)
    }
    best = min(errors, key=errors.get)
    result = evaluate_regression(Z, Y, FRESH, TARGETS)
    assert result["alpha"] == pytest.approx(best)
    assert 0.01 < best < 100
    scaler = StandardScaler().fit(Z)
    forecast = Ridge(best).fit(scaled, Y).predict(scaler.transform(FRESH))
    assert result["rmse"] == pytest.approx(math.sqrt(np.mean((forecast - TARGETS) ** 2)))
    assert result["r2"] == pytest.approx(r2_score(TARGETS, forecast))
    assert (result["n_train"], result["n_test"]) == (40, 30)


def test_scores_by_hand():
    # Constant training targets are forecast as they are: errors -1, 1, 3; the test mean is 5 + 1.
    result = evaluate_regression(Z, np.full(40, 5.0), FRESH[:3], np.array([4.0, 6.0, 8.0]))
    assert result["rmse"] == pytest.approx(math.sqrt(11 / 3))
    assert result["r2"] == pytest.approx(1 - 11 / 8)


@pytest.mark.parametrize("targets", [np.full(30, 2.5), np.ones(1)])
def test_r2_of_constant_targets_is_undefined(targets):
    result = evaluate_regression(Z, Y, FRESH[: len(targets)], targets)
    assert math.isnan(result["r2"])
    assert result["rmse"] > 0


def test_features_without_information_forecast_the_mean():
    result = evaluate_regression(np.zeros((40, 2)), Y, np.ones((30, 2)), TARGETS)
    assert result["rmse"] == pytest.approx(math.sqrt(np.mean((TARGETS - Y.mean()) ** 2)))


def test_nothing_is_chosen_on_the_test_split():
    assert (
        evaluate_regression(Z, Y, 1e3 * FRESH, -TARGETS)["alpha"] == evaluate_regression(Z, Y, FRESH, TARGETS)["alpha"]
    )


def test_whole_numbers_are_targets_too():
    whole = np.round(Y).astype(int)
    assert evaluate_regression(Z, whole, FRESH, TARGETS) == evaluate_regression(Z, whole * 1.0, FRESH, TARGETS)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((Z, np.where(Y > 5, Y, np.nan), FRESH, TARGETS), "y_train: found NaN or infinity"),
        ((Z, Y, FRESH, TARGETS * np.inf), "y_test: found NaN or infinity in 30 of 30 rows"),
        ((Z * np.nan, Y, FRESH, TARGETS), "z_train: found NaN"),
        ((Z, Y.astype(str), FRESH, TARGETS), "y_train: found type <U32, want numbers"),
        ((Z[:1], Y[:1], FRESH, TARGETS), "z_train: found 1 row, want at least two"),
        ((Z, Y, FRESH[:, :2], TARGETS), "z_test: found width 2, want z_train's 6"),
        ((Z, Y[:, None], FRESH, TARGETS), r"y_train: found shape \(40, 1\), want \[40\]"),
    ],
)
def test_wrong_input_is_named(inputs, message):
    with pytest.raises(InputError, match=message):
        evaluate_regression(*inputs)


def test_features_that_say_nothing_are_penalised_away():
    random = np.random.default_rng(0)
    z, z_new = random.normal(size=(60, 3000)), random.normal(size=(200, 3000))
    # One test row far from all others must not be forecast far from all others.
    z_new[0] *= 30
    y, y_new = random.normal(size=60), random.normal(size=200)
    found = evaluate_regression(z, y, z_new, y_new)
    assert found["alpha"] > 1e3
    assert found["rmse"] < 1.1 * np.sqrt(np.mean((y_new - y.mean()) ** 2))
