"""The positive-unlabelled loss against cross-entropies written out."""

import jax
import numpy as np
import pytest

from tsrl.losses.neighbourhood import positive_unlabelled

NEAR, FAR = np.random.default_rng(0).normal(size=(2, 3, 4))


@pytest.mark.parametrize("weight", [0.0, 0.05, 1.0])
def test_values_and_gradients(weight):
    p, q = 1 / (1 + np.exp(-NEAR)), 1 / (1 + np.exp(-FAR))
    wanted = (-np.log(p) - weight * np.log(q) - (1 - weight) * np.log(1 - q)).mean(1) / 2
    np.testing.assert_allclose(jax.jit(positive_unlabelled)(NEAR, FAR, weight), wanted, rtol=1e-5)
    slopes = jax.grad(lambda a, b: positive_unlabelled(a, b, weight).sum(), argnums=(0, 1))(NEAR, FAR)
    np.testing.assert_allclose(slopes[0], (p - 1) / 8, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(slopes[1], (q - weight) / 8, rtol=1e-4, atol=1e-7)
