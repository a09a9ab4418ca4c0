"""Soft nearest neighbours against loops."""

import jax
import numpy as np
from jax.test_util import check_grads

from tsrl.losses.soft_neighbours import soft_neighbours

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(9, 4)).astype(np.float32) * np.array([1, 10, 0.1, 1], np.float32)
LABELS = np.array([0, 1, 0, 1, 0, 1, 0, 1, 2])


def slow(features, labels, temperature):
    z = (features - features.mean(0)) / np.sqrt(features.astype("f8").var(0) + 1e-5)
    losses = []
    for row in range(len(z)):
        chances = {j: np.exp(-((z[row] - z[j]) ** 2).mean() / temperature) for j in range(len(z)) if j != row}
        own = sum(chance for j, chance in chances.items() if labels[j] == labels[row])
        losses.append(np.log(sum(chances.values())) - np.log(own) if own else 0)
    return losses


def test_equals_loops_and_the_only_row_of_a_class_costs_nothing():
    found = jax.jit(soft_neighbours)(FEATURES, LABELS)
    np.testing.assert_allclose(found, slow(FEATURES, LABELS, 0.1), rtol=1e-3, atol=1e-5)
    assert found[-1] == 0
    np.testing.assert_allclose(soft_neighbours(FEATURES, LABELS, 1.0), slow(FEATURES, LABELS, 1.0), rtol=1e-4)


def test_rows_at_their_class_cost_little():
    clear = np.eye(3)[LABELS] + 0.01 * RANDOM.normal(size=(9, 3))
    assert soft_neighbours(clear.astype("f4"), LABELS).max() < 1e-3


def test_its_slopes():
    check_grads(lambda z: soft_neighbours(z, LABELS, 1.0).sum(), (FEATURES,), 1, ["rev"], atol=0.02, eps=1e-2)
    assert np.isfinite(jax.grad(lambda z: soft_neighbours(z, LABELS).sum())(np.zeros_like(FEATURES))).all()
