"""Ridge paths against scikit-learn's Ridge on targets written out in full."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.linear_model import Ridge

from tsrl.evaluate import ridge
from tsrl.evaluate.origins import make_series
from tsrl.evaluate.ridge import fit_ridge, path_errors

STEPS, CHANNELS, STOP, HORIZONS, PENALTIES = 130, 3, 90, (1, 4, 11), (0.1, 5.0, 1000.0)


def walk(seed=0, steps=STEPS, channels=CHANNELS):
    return np.random.default_rng(seed).normal(size=(steps, channels)).cumsum(0)


def written_out(z, x, anchor, rows, horizon):
    """Rows and targets minus the anchor, `[n, F], [n, H * C]`, or `[n * C, F], [n * C, H]` for a shared map."""
    y = sliding_window_view(x, horizon, axis=0)[rows + 1] - anchor[rows][:, :, None]  # [n, C, H]
    if z.shape[1] == 1:
        return z[rows, 0], y.reshape(len(rows), -1)
    return z[rows].reshape(-1, z.shape[-1]), y.reshape(-1, horizon)


def features_of(maps, width, offset=0.0, seed=1):
    return offset + np.random.default_rng(seed).normal(size=(STEPS, maps, width)).cumsum(0)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(
    ("maps", "width", "small"),
    [(1, 8, 512), (1, 8, 0), (1, 300, 512), (CHANNELS, 8, 512), (CHANNELS, 8, 0), (CHANNELS, 500, 512)],
)
def test_equals_scikit_learn(maps, width, small, intercept, monkeypatch):
    monkeypatch.setattr(ridge, "_SMALL", small)
    monkeypatch.setattr(ridge, "BLOCK", 16)
    monkeypatch.setattr(ridge, "_KERNEL_BLOCK", 64)
    x, z = walk(), features_of(maps, width)
    anchors = (np.zeros_like(x), x)
    series = make_series(x, anchors)
    paths, query = fit_ridge(lambda t: z[t], series, np.arange(5, STOP - 1), STOP, HORIZONS, intercept=intercept)
    fresh = np.arange(STOP, STEPS - max(HORIZONS))
    for horizon in HORIZONS:
        found = path_errors(paths[horizon], query(fresh), series, fresh, horizon, PENALTIES)
        for v, anchor in enumerate(anchors):
            rows, targets = written_out(z, x, anchor, np.arange(5, STOP - horizon), horizon)
            new_rows, new_targets = written_out(z, x, anchor, fresh, horizon)
            for p, penalty in enumerate(PENALTIES):
                model = Ridge(penalty, fit_intercept=intercept).fit(rows, targets)
                error = model.predict(new_rows).reshape(new_targets.shape) - new_targets
                error = error.reshape(len(fresh), CHANNELS, horizon)
                np.testing.assert_allclose(found[0, v, p], np.square(error).sum((0, 2)), rtol=1e-6)
                np.testing.assert_allclose(found[1, v, p], np.abs(error).sum((0, 2)), rtol=1e-6)


def test_features_far_from_zero_lose_nothing():
    x, z = walk(), features_of(1, 8)
    fits = []
    for offset in (0.0, 1e5):
        series = make_series(x, (x,))
        paths, query = fit_ridge(lambda t, o=offset: z[t] + o, series, np.arange(STOP - 4), STOP, (4,))
        fits.append(path_errors(paths[4], query(np.arange(90, 120)), series, np.arange(90, 120), 4, PENALTIES))
    np.testing.assert_allclose(fits[1], fits[0], rtol=1e-8)


@pytest.mark.parametrize("width", [60, 300])
def test_float32_forecasts_keep_the_sums_where_features_are_nearly_collinear(width):
    x = walk()
    z = features_of(1, 3) @ np.random.default_rng(2).normal(size=(3, width))
    z += 1e-4 * np.random.default_rng(3).normal(size=z.shape)
    series, fresh = make_series(x, (np.zeros_like(x), x)), np.arange(90, 119)
    paths, query = fit_ridge(lambda t: z[t], series, np.arange(STOP - 11), STOP, (11,))
    double, single = (
        path_errors(paths[11], query(fresh), series, fresh, 11, PENALTIES, dtype) for dtype in (np.float64, np.float32)
    )
    np.testing.assert_allclose(single, double, rtol=1e-6)


def test_rows_of_the_dual_are_thinned_evenly():
    x, z = walk(), features_of(1, 300)
    series, fresh = make_series(x, (x,)), np.arange(90, 110)
    for rows, kept in ((20, np.arange(20) * 80 // 20), (200, np.arange(80))):
        paths, query = fit_ridge(lambda t: z[t], series, np.arange(80), STOP, (10,), max_dual_rows=rows)
        model = Ridge(5.0).fit(*written_out(z, x, x, kept, 10))
        new_rows, new_targets = written_out(z, x, x, fresh, 10)
        expected = np.square(model.predict(new_rows) - new_targets).sum()
        found = path_errors(paths[10], query(fresh), series, fresh, 10, (5.0,))[0].sum()
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(("limit", "rows_in_basis"), [(None, 30), (15, 30), (14, 14)])
def test_wide_features_go_the_dual_way(limit, rows_in_basis):
    x, z = walk(), features_of(1, 30)
    paths, _ = fit_ridge(lambda t: z[t], make_series(x, (x,)), np.arange(80), STOP, (10,), max_dual_rows=limit)
    assert len(paths[10].basis) == rows_in_basis


@pytest.mark.parametrize("width", [4, 400])
def test_collapsed_features_forecast_the_mean(width):
    x = walk()
    series, fresh = make_series(x, (np.zeros_like(x),)), np.arange(90, 110)
    paths, query = fit_ridge(lambda t: np.full((len(t), 1, width), 7.0), series, np.arange(80), STOP, (10,))
    mean = sliding_window_view(x, 10, axis=0)[np.arange(80) + 1].mean(0)
    expected = np.square(sliding_window_view(x, 10, axis=0)[fresh + 1] - mean).sum((0, 2))
    np.testing.assert_allclose(path_errors(paths[10], query(fresh), series, fresh, 10, (0.1,))[0, 0, 0], expected)


@pytest.mark.parametrize("width", [8, 300])
def test_fit_sees_nothing_from_the_stop_on(width):
    x, z = walk(), features_of(1, width)
    later, later_z = x.copy(), z.copy()
    later[STOP:] += 100
    later_z[STOP:] -= 100
    first, _ = fit_ridge(lambda t: z[t], make_series(x, (x,)), np.arange(STOP - 1), STOP, HORIZONS)
    second, _ = fit_ridge(lambda t: later_z[t], make_series(later, (later,)), np.arange(STOP - 1), STOP, HORIZONS)
    for horizon in HORIZONS:
        for a, b in zip(first[horizon], second[horizon], strict=True):
            np.testing.assert_array_equal(a, b)
    changed = x.copy()
    changed[STOP - 1] += 100
    third, _ = fit_ridge(lambda t: z[t], make_series(changed, (changed,)), np.arange(STOP - 1), STOP, HORIZONS)
    assert not any(np.array_equal(first[h].weights, third[h].weights) for h in HORIZONS)
