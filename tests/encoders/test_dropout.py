"""Dropout: rate, scale, independence of its draws, and where it does not act."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.encoders.layers import Dropout, drop


@pytest.mark.parametrize("kind", ["threefry2x32", "rbg"])
@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_elements_are_dropped_at_the_rate_and_the_rest_is_scaled(kind, rate):
    x = jnp.full((101, 997), 3.0)
    dropped = np.asarray(drop(jax.random.key(0, impl=kind), x, rate))
    assert set(np.unique(dropped)) == {np.float32(0), np.asarray(x / (1 - rate))[0, 0]}
    # Six standard errors.
    assert abs((dropped == 0).mean() - rate) < 6 * np.sqrt(rate * (1 - rate) / x.size)
    # Both ways of a matrix: no row or column is dropped as one.
    assert np.allclose((dropped == 0).mean(0).std(), np.sqrt(rate * (1 - rate) / 101), rtol=0.15)
    assert np.allclose((dropped == 0).mean(1).std(), np.sqrt(rate * (1 - rate) / 997), rtol=0.3)


@pytest.mark.parametrize("kind", ["threefry2x32", "rbg"])
def test_elements_that_share_a_random_number_are_independent(kind):
    quarters = np.asarray(drop(jax.random.key(1, impl=kind), jnp.ones(4 * 50_000), 0.3) == 0).reshape(-1, 50_000)
    correlations = np.corrcoef(quarters)
    assert np.abs(correlations - np.eye(len(quarters))).max() < 6 / np.sqrt(50_000)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 8])
def test_any_number_of_elements(size):
    assert drop(jax.random.key(0), jnp.ones(size), 0.5).shape == (size,)


def test_keys_differ_and_gradients_follow_what_is_left():
    x = jnp.arange(1.0, 201)
    one, other = (drop(jax.random.key(seed), x, 0.5) for seed in (0, 1))
    assert not np.array_equal(one, other)
    gradient = jax.grad(lambda x: drop(jax.random.key(0), x, 0.5).sum())(x)
    np.testing.assert_array_equal(gradient, np.where(one == 0, 0.0, 2.0))


def test_the_module_acts_with_a_key_only():
    x = jnp.ones((4, 50))
    np.testing.assert_array_equal(Dropout(0.5).apply({}, x), x)
    np.testing.assert_array_equal(Dropout(0.0).apply({}, x, rngs={"dropout": jax.random.key(0)}), x)
    assert (Dropout(0.5).apply({}, x, rngs={"dropout": jax.random.key(0)}) == 0).any()
