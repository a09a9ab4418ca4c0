"""Reconstruction and negative cosine against the formulas written out."""

import jax
import jax.numpy as jnp
import numpy as np

from tsrl.losses.predictive import predictive_error
from tsrl.losses.siamese import negative_cosine

RANDOM = np.random.default_rng(0)
A, B = RANDOM.normal(size=(2, 4, 3, 5)).astype(np.float32)


def test_predictive_error_is_the_mean_over_what_is_observed():
    np.testing.assert_allclose(predictive_error(A, B), ((A - B) ** 2).mean((1, 2)), rtol=1e-5)
    seen = RANDOM.random((4, 3, 5)) < 0.5
    seen[2] = False
    wanted = [((A[i] - B[i]) ** 2)[seen[i]].mean() if seen[i].any() else 0 for i in range(4)]
    np.testing.assert_allclose(predictive_error(A, B, seen), wanted, rtol=1e-5)
    gradient = jax.grad(lambda a: predictive_error(a, B, seen).sum())(jnp.asarray(A))
    assert (np.asarray(gradient)[~seen] == 0).all()
    assert np.isfinite(gradient).all()


def test_negative_cosine_and_its_gradient():
    wanted = -(A * B).sum(-1) / np.linalg.norm(A, axis=-1) / np.linalg.norm(B, axis=-1)
    np.testing.assert_allclose(jax.jit(negative_cosine)(A, B), wanted, rtol=1e-5)
    gradient = jax.grad(lambda a: negative_cosine(a, B).sum())(jnp.asarray(A))
    unit = A / np.linalg.norm(A, axis=-1, keepdims=True)
    other = B / np.linalg.norm(B, axis=-1, keepdims=True)
    along = (unit * other).sum(-1, keepdims=True)
    by_hand = -(other - along * unit) / np.linalg.norm(A, axis=-1, keepdims=True)
    np.testing.assert_allclose(gradient, by_hand, atol=1e-5)


def test_a_zero_vector_has_no_direction_and_a_finite_gradient():
    zero = jnp.zeros((1, 5))
    value, gradient = jax.value_and_grad(lambda a: negative_cosine(a, B[0, :1]).sum())(zero)
    assert value == 0
    assert np.isfinite(gradient).all()
