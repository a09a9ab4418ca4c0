"""Scaling against scikit-learn and the published list of unscaled sets."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from tsrl.data.scaling import _IN_OWN_UNITS, _PUBLISHED_UNSCALED, Scaler, fit_archive_scaler, z_normalised
from tsrl.errors import InputError

DATA_DIR = os.environ.get("TSRL_DATA_DIR")
# Univariate sets of the data folder that are not from the UCR archive.
NOT_UCR = {"Epilepsy"}


def gappy(shape, seed=0):
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=shape) * [1e-3, 1, 50][: shape[2]] + [0, 3, -1000][: shape[2]]).astype(np.float32)
    x[0, : shape[1] // 2] = np.nan
    x[1, 2, 0] = np.nan
    return x


def z_scored(x, ddof=0):
    return (x - np.nanmean(x, 1, keepdims=True)) / np.nanstd(x, 1, keepdims=True, ddof=ddof)


def test_equals_scikit_learn():
    x, fresh = gappy((8, 20, 3)), gappy((5, 30, 3), seed=1)
    reference = StandardScaler().fit(x.reshape(-1, 3).astype(np.float64))
    scaler = fit_archive_scaler(x)
    assert scaler is not None
    np.testing.assert_allclose(scaler.mean, reference.mean_, rtol=1e-6)
    np.testing.assert_allclose(scaler.std, reference.scale_, rtol=1e-6)
    scaled = scaler.apply(fresh)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(
        scaled, reference.transform(fresh.reshape(-1, 3).astype(np.float64)).reshape(fresh.shape), atol=1e-4
    )


def test_literal():
    scaler = Scaler.of(np.array([[[0.0, 7.0], [2.0, 7.0]], [[4.0, np.nan], [np.nan, 7.0]]], np.float32))
    np.testing.assert_array_equal(scaler.mean, np.array([2, 7], np.float32))
    np.testing.assert_allclose(scaler.std, [np.sqrt(8 / 3), 1], rtol=1e-6)
    np.testing.assert_allclose(scaler.apply(np.array([[[2.0, 9.0], [np.nan, 7.0]]])), [[[0, 2], [np.nan, 0]]])


@pytest.mark.parametrize("value", [0.1, 1e6 + 0.3, -3e-7, np.nan])
def test_constant_or_empty_channel_is_not_divided(value):
    # Many values, and in float64: a rounded sum would leave a tiny deviation to divide by.
    x = np.full((7, 1001, 2), value)
    x[..., 1] = np.arange(1001)
    scaler = Scaler.of(x)
    assert scaler.std[0] == 1
    np.testing.assert_array_equal(scaler.apply(x)[..., 0], np.full((7, 1001), 0 * value))


def test_deviation_too_small_for_float32_is_not_divided_by():
    assert Scaler.of(np.array([[[0.0], [1e-45]]], np.float32)).std == 1


def test_wrong_channel_count():
    with pytest.raises(InputError, match=r"x: found 3 channels in shape \(2, 4, 3\), want 1"):
        Scaler.of(np.ones((2, 4, 1))).apply(np.ones((2, 4, 3)))


@pytest.mark.parametrize("ddof", [0, 1])
def test_normalised_univariate_set_is_left_alone(ddof):
    x = z_scored(gappy((6, 15, 1)), ddof)
    assert fit_archive_scaler(x) is None
    x[0] = 0  # as constant series come out of a careful normalisation
    assert fit_archive_scaler(x) is None
    assert fit_archive_scaler(np.concatenate([x, x], axis=2)) is not None


def test_one_series_in_its_own_unit_scales_the_set():
    x = z_scored(gappy((6, 15, 1)))
    for change in (lambda row: 1.1 * row, lambda row: row + 0.1):
        changed = x.copy()
        changed[3] = change(x[3])
        assert not z_normalised(changed)
        scaler = fit_archive_scaler(changed)
        np.testing.assert_allclose(scaler.std, [np.nanstd(changed)], rtol=1e-5)


def test_series_in_a_small_unit_are_scaled():
    assert fit_archive_scaler(1e-5 * z_scored(gappy((6, 15, 1)))) is not None


def test_published_list_wins_over_the_rule():
    normalised = z_scored(gappy((6, 15, 1)))
    assert fit_archive_scaler(normalised, "BME") is not None
    assert fit_archive_scaler(5 * normalised, "DodgerLoopGame") is None
    assert fit_archive_scaler(5 * normalised, "Mine") is not None
    assert len(_IN_OWN_UNITS) == 34


@pytest.mark.skipif(not DATA_DIR, reason="TSRL_DATA_DIR names no folder with archive sets")
def test_rule_against_the_published_list():
    checked, disagree = 0, set()
    for path in sorted(Path(DATA_DIR).rglob("*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            if "x_train" not in stored or path.stem in NOT_UCR or stored["x_train"].shape[2] > 1:
                continue
            x_train = stored["x_train"]
        checked += 1
        if z_normalised(x_train) == (path.stem in _IN_OWN_UNITS):
            disagree.add(path.stem)
        assert (fit_archive_scaler(x_train, path.stem) is not None) == (path.stem in _IN_OWN_UNITS), path.stem
    if not checked:
        pytest.skip("TSRL_DATA_DIR has no univariate archive sets")
    assert disagree <= _PUBLISHED_UNSCALED
