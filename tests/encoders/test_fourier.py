"""The transform and the layer of frequencies against numpy's transform: values, gradients, bands."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.encoders.disentangle import Disentangle
from tsrl.encoders.fourier import BandedFourier, coefficients
from tsrl.errors import InputError

RANDOM = np.random.default_rng(0)


def series(steps, channels=3):
    return RANDOM.normal(size=(2, steps, channels)).astype(np.float32)


@pytest.mark.parametrize("steps", [2, 7, 24, 201])
def test_coefficients_are_those_of_a_fast_transform(steps):
    x = series(steps)
    re, im = coefficients(x)
    expected = np.fft.rfft(x.astype(float), axis=1)
    np.testing.assert_allclose(re, expected.real, atol=1e-5 * np.sqrt(steps))
    np.testing.assert_allclose(im, expected.imag, atol=1e-5 * np.sqrt(steps))
    # Phases depend on the sign of what is exactly zero.
    assert not im[:, 0].any()
    assert steps % 2 or not im[:, -1].any()


def reference(params, x, start, end):
    """By the fast transform, with complex weights."""
    weight = params["weight_re"] + 1j * params["weight_im"]
    bias = params["bias_re"] + 1j * params["bias_im"]
    found = jnp.fft.rfft(x, axis=1)
    y = jnp.zeros((*found.shape[:2], weight.shape[-1]), complex)
    y = y.at[:, start:end].set(jnp.einsum("bfc,fcd->bfd", found[:, start:end], weight) + bias)
    return jnp.fft.irfft(y, n=x.shape[1], axis=1)


@pytest.mark.parametrize(
    ("length", "steps", "band", "bands", "start", "end"),
    [(21, 21, 0, 1, 0, 11), (20, 20, 0, 1, 0, 11), (20, 31, 0, 1, 0, 11), (24, 24, 1, 3, 4, 8), (25, 25, 2, 3, 8, 13)],
)
def test_layer_is_linear_for_each_frequency(length, steps, band, bands, start, end):
    layer, x = BandedFourier(4, length, band, bands), jnp.asarray(series(steps))
    params = layer.init(jax.random.key(1), x)["params"]
    assert params["weight_re"].shape == (end - start, 3, 4)
    weight = series(steps, 4)

    def graded(function):
        return jax.jit(jax.value_and_grad(lambda params, x: (function(params, x) * weight).sum(), (0, 1)))(params, x)

    ours = graded(lambda params, x: layer.apply({"params": params}, x))
    expected = graded(lambda params, x: reference(params, x, start, end))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-5), ours, expected)
    last = layer.apply({"params": params}, x, True)
    np.testing.assert_allclose(last, reference(params, x, start, end)[:, -1], atol=1e-5)


def test_initialisation_counts_inputs_times_outputs():
    params = BandedFourier(50, 40).init(jax.random.key(0), series(40, 8))["params"]
    for leaf in params.values():
        assert 0.9 / 20 < abs(leaf).max() <= 1 / 20


def test_a_shorter_series_is_refused():
    with pytest.raises(InputError, match="length: found series of 20 steps, want at least 21"):
        BandedFourier(4, 21).init(jax.random.key(0), series(20))


def test_parts_of_the_branches_are_those_of_both():
    branches, z = Disentangle(12, (1, 2, 4)), series(12, 6)
    params = branches.init(jax.random.key(0), z, "both_last")
    both = branches.apply(params, z, "both")
    assert both.shape == (2, 12, 6)
    np.testing.assert_allclose(branches.apply(params, z, "season"), both[..., 3:], atol=1e-6)
    np.testing.assert_allclose(branches.apply(params, z, "both_last"), both[:, -1], atol=1e-6)
    # The trend's last step sees as many steps as the longest convolution.
    np.testing.assert_allclose(branches.apply(params, z[:, -4:], "trend_last"), both[:, -1, :3], atol=1e-6)
    only_trend = {"params": {"trend": params["params"]["trend"]}}
    np.testing.assert_array_equal(branches.apply(only_trend, z, "trend_last"), branches.apply(params, z, "trend_last"))
