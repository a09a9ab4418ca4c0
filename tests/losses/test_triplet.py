"""The triplet loss against the formula written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.losses.triplet import logistic_triplet

RANDOM = np.random.default_rng(0)
A, P = RANDOM.normal(size=(2, 4, 5)).astype(np.float32)
N = RANDOM.normal(size=(4, 3, 5)).astype(np.float32)


@pytest.mark.parametrize("penalty", [1.0, 2.5])
def test_values_and_gradients(penalty):
    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    wanted, slope = [], []
    for a, p, n in zip(A.astype(float), P, N, strict=True):
        wanted.append(-np.log(sigmoid(a @ p)) - penalty * np.mean([np.log(sigmoid(-a @ one)) for one in n]))
        slope.append(-(1 - sigmoid(a @ p)) * p + penalty * np.mean([sigmoid(a @ one) * one for one in n], 0))
    np.testing.assert_allclose(jax.jit(logistic_triplet)(A, P, N, penalty), wanted, rtol=1e-5)
    gradient = jax.grad(lambda a: logistic_triplet(a, P, N, penalty).sum())(jnp.asarray(A))
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-6)


def test_a_zero_anchor_costs_twice_the_logarithm_of_two():
    np.testing.assert_allclose(logistic_triplet(0 * A, P, N), 2 * np.log(2), rtol=1e-6)
    assert np.isfinite(logistic_triplet(1e4 * A, P, N)).all()
