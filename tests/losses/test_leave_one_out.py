"""The loss that leaves one row out, against a ridge regression fitted without each row."""

import jax
import numpy as np
import pytest
from jax.test_util import check_grads

from tsrl.losses.leave_one_out import leave_one_out_ridge

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(12, 5)).astype(np.float32) * np.array([1, 10, 0.1, 1, 1], np.float32)
LABELS = np.arange(12) % 3


def slow(features, labels, classes, penalties, temperature):
    """Every row by the ridge regression of all others, in float64."""
    z = (features - features.mean(0)) / np.sqrt(features.astype("f8").var(0) + 1e-5)
    # The intercept is a feature of its own, scaled so that the penalty next to does not touch it.
    z = np.hstack([z / np.sqrt(z.shape[1]), np.full((len(z), 1), 1 / np.sqrt(len(z)))])
    targets = np.eye(classes)[labels]
    present = targets.any(0)
    targets = targets - targets.mean(0)
    losses = np.zeros(len(z))
    for penalty in penalties:
        for row in range(len(z)):
            others = np.arange(len(z)) != row
            inner = z[others].T @ z[others] + penalty * np.eye(z.shape[1])
            weights = np.linalg.solve(inner, z[others].T @ targets[others])
            logits = (z[row] @ weights)[present] / temperature
            own = present[: labels[row]].sum()
            losses[row] += (np.log(np.exp(logits).sum()) - logits[own]) / len(penalties)
    return losses


@pytest.mark.parametrize("labels", [LABELS, LABELS * 2, LABELS % 2])
def test_equals_ridge_without_each_row(labels):
    found = jax.jit(leave_one_out_ridge, static_argnums=(2, 3))(FEATURES, labels, 5, (0.01, 0.3))
    assert found.shape == (12,)
    np.testing.assert_allclose(found, slow(FEATURES, labels, 5, (0.01, 0.3), 1 / 6), rtol=2e-4, atol=1e-6)


def test_wide_features_and_those_that_are_constant():
    wide = RANDOM.normal(size=(12, 60)).astype(np.float32)
    wide[:, 7] = 3
    found = leave_one_out_ridge(wide, LABELS, 3, (0.1,), 1.0)
    np.testing.assert_allclose(found, slow(wide, LABELS, 3, (0.1,), 1.0), rtol=2e-4, atol=1e-6)


def test_features_that_tell_the_classes_cost_little():
    clear = np.eye(3)[LABELS] + 0.01 * RANDOM.normal(size=(12, 3))
    assert leave_one_out_ridge(clear.astype("f4"), LABELS, 3).max() < 0.1
    assert leave_one_out_ridge(FEATURES, LABELS, 3).mean() > 0.8


def test_its_slopes_and_vmap():
    check_grads(lambda z: leave_one_out_ridge(z, LABELS, 3, (0.1,)).sum(), (FEATURES / 3,), 1, ["rev"], atol=0.02)
    constant = FEATURES.copy()
    constant[:, 2] = 0
    assert np.isfinite(jax.grad(lambda z: leave_one_out_ridge(z, LABELS, 3).sum())(constant)).all()
    both = np.stack([FEATURES, FEATURES[::-1]])
    found = jax.vmap(lambda z: leave_one_out_ridge(z, LABELS, 3))(both)
    np.testing.assert_allclose(found[1], leave_one_out_ridge(both[1], LABELS, 3), rtol=1e-4)
