"""The merged convolution against the mean of slow ones: values, gradients, single steps, windows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.encoders.causal_mean import CausalMean

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 21, 2)).astype(np.float32)


def slow(params, x):
    """One convolution at a time, over the steps before each step and it."""
    total = 0
    for conv in params.values():
        taps = len(conv["kernel"])
        padded = jnp.pad(x, ((0, 0), (taps - 1, 0), (0, 0)))
        steps = [jnp.einsum("bkc,kcf->bf", padded[:, t : t + taps], conv["kernel"]) for t in range(x.shape[1])]
        total += jnp.stack(steps, 1) + conv["bias"]
    return total / len(params)


def made(kernels, x=X):
    module = CausalMean(5, kernels)
    return module, jax.jit(module.init)(jax.random.key(0), x)["params"]


def assert_trees_close(ours, expected):
    assert jax.tree.structure(ours) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-5), ours, expected)


# With a length twice, and kernels longer than the series and than the taps of one product.
@pytest.mark.parametrize("kernels", [(1,), (3,), (1, 2, 4, 8, 16), (2, 5, 5, 18), (1, 32)], ids=str)
def test_it_is_the_mean_of_causal_convolutions(kernels):
    module, params = made(kernels)
    weight = RANDOM.normal(size=(3, 21, 5)).astype(np.float32)

    def graded(function):
        return jax.jit(jax.value_and_grad(lambda params, x: (function(params, x) * weight).sum(), (0, 1)))(params, X)

    np.testing.assert_allclose(module.apply({"params": params}, X), slow(params, X), atol=1e-5)
    ours, expected = graded(lambda params, x: module.apply({"params": params}, x)), graded(slow)
    assert_trees_close(ours, expected)


@pytest.mark.parametrize("kernels", [(1, 2, 4, 8), (1, 32)], ids=str)
@pytest.mark.parametrize("step", [0, 5, 20])
def test_a_single_step_is_computed_alone(kernels, step):
    module, params = made(kernels)
    wanted = lambda array: jax.lax.dynamic_slice_in_dim(array, step, 1, 1)  # noqa: E731

    def graded(function):
        return jax.jit(jax.value_and_grad(lambda params, x: (function(params, x) ** 2).sum(), (0, 1)))(params, X)

    expected = graded(lambda params, x: slow(params, x)[:, step])
    assert_trees_close(graded(lambda params, x: module.apply({"params": params}, x, wanted)), expected)
    # The same of the series that ends there.
    cut = graded(lambda params, x: module.apply({"params": params}, x[:, : step + 1], method="last"))
    assert_trees_close(cut, expected)
    assert module.apply({"params": params}, X, wanted).shape == (3, 1, 5)


def test_several_wanted_steps():
    module, params = made((1, 4))
    z = module.apply({"params": params}, X, lambda array: array[:, 3:9])
    np.testing.assert_allclose(z, slow(params, X)[:, 3:9], atol=1e-5)


@pytest.mark.parametrize("hide_last", [False, True])
@pytest.mark.parametrize("before", [0, 6, 15])
def test_last_of_windows(before, hide_last):
    module, params = made((1, 2, 12))
    found = module.apply({"params": params}, X, before, hide_last=hide_last, method="last_of_windows")
    assert found.shape == (3, 21 - before, 5)
    for row in range(21 - before):
        window = X[:, row : row + before + 1].copy()
        if hide_last:
            window[:, -1] = 0
        np.testing.assert_allclose(found[:, row], slow(params, window)[:, -1], atol=1e-5)


def test_initialisation_is_pytorchs():
    _, params = made((1, 50), RANDOM.normal(size=(1, 60, 8)).astype(np.float32))
    for conv, fan_in in zip(params.values(), (8, 400), strict=True):
        for leaf in conv.values():
            assert abs(leaf).max() <= 1 / np.sqrt(fan_in)
        assert abs(conv["kernel"]).max() > 0.9 / np.sqrt(fan_in)
