"""The encoder against a slow convolution; padding, masks, receptive field, initialisation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from tsrl.encoders import DilatedConv, convolution, layers
from tsrl.encoders.convolution import dilated_convolution
from tsrl.encoders.layers import Linear, SameConv1d, gelu
from tsrl.errors import InputError

ENCODER = DilatedConv(width=4, features=6, depth=2)
apply = jax.jit(ENCODER.apply)


def slow_conv(x, kernel, bias, dilation):
    out = np.zeros((*x.shape[:2], kernel.shape[2])) + bias
    for t in range(x.shape[1]):
        for tap in range(len(kernel)):
            s = t + (tap - len(kernel) // 2) * dilation
            if 0 <= s < x.shape[1]:
                out[:, t] += x[:, s] @ kernel[tap]
    return out


def slow_encoder(params, h, mask, depth):
    gelu = lambda v: v * (1 + erf(v / np.sqrt(2))) / 2  # noqa: E731
    h = np.where(mask[..., None], h, 0)
    for block in range(depth + 1):
        one, two = params[f"block_{block}_conv_0"], params[f"block_{block}_conv_1"]
        y = slow_conv(gelu(h), one["kernel"], one["bias"], 2**block)
        y = slow_conv(gelu(y), two["kernel"], two["bias"], 2**block)
        skip = params.get(f"block_{block}_projection")
        h = y + (h if skip is None else h @ skip["kernel"][0] + skip["bias"])
    return h


@pytest.fixture(scope="module")
def setup():
    random = np.random.default_rng(0)
    h, mask = random.normal(size=(2, 9, 4)).astype(np.float32), random.random((2, 9)) > 0.3
    return jax.jit(ENCODER.init)(jax.random.key(0), h, mask), h, mask


def test_equals_the_slow_encoder(setup):
    params, h, mask = setup
    slow = slow_encoder(jax.tree.map(np.asarray, params["params"]), h, mask, ENCODER.depth)
    np.testing.assert_allclose(apply(params, h, mask), slow, atol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 5, 9])
def test_padding_outside_the_series_changes_nothing(setup, length):
    params, h, mask = setup
    exists = jnp.arange(9) < length
    padded = apply(params, jnp.where(exists[:, None], h, 1e6), mask, exists)
    cut = apply(params, h[:, :length], mask[:, :length])
    np.testing.assert_allclose(padded[:, :length], cut, atol=1e-5)


def test_padding_may_differ_by_row(setup):
    params, h, mask = setup
    exists = jnp.arange(9) < jnp.asarray([4, 7])[:, None]
    padded = apply(params, h, mask, exists)
    for row, length in enumerate((4, 7)):
        cut = apply(params, h[row : row + 1, :length], mask[row : row + 1, :length])
        np.testing.assert_allclose(padded[row, :length], cut[0], atol=1e-5)


def test_masked_steps_are_not_seen(setup):
    params, h, mask = setup
    other = np.where(mask[..., None], h, 99)
    np.testing.assert_array_equal(apply(params, h, mask), apply(params, other, mask))


@pytest.mark.parametrize("dilation", [1, 2, 8, 9, 64])
def test_taps_beyond_the_series_are_left_out_exactly(dilation):
    x = np.random.default_rng(1).normal(size=(2, 9, 3)).astype(np.float32)
    conv = SameConv1d(4, 5, dilation)
    params = conv.init(jax.random.key(0), x)
    kernel, bias = (np.asarray(params["params"][name]) for name in ("kernel", "bias"))
    np.testing.assert_allclose(conv.apply(params, x), slow_conv(x, kernel, bias, dilation), atol=1e-5)


@pytest.mark.parametrize("narrow", [0, 64 * 64], ids=["tap by tap where most is padding", "one product"])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("dilation", [1, 4, 5, 8, 9, 20])
def test_every_way_of_convolving_and_its_gradients(monkeypatch, narrow, kernel_size, dilation):
    monkeypatch.setattr(convolution, "NARROW", narrow)
    keys = jax.random.split(jax.random.key(0), 4)
    x = jax.random.normal(keys[0], (2, 9, 3))
    kernel, bias = jax.random.normal(keys[1], (kernel_size, 3, 4)), jax.random.normal(keys[2], (4,))
    cotangent = np.asarray(jax.random.normal(keys[3], (2, 9, 4)))
    y, pull = jax.vjp(lambda *inputs: dilated_convolution(*inputs, dilation), x, kernel, bias)
    for_x, for_kernel, for_bias = pull(cotangent)
    np.testing.assert_allclose(y, slow_conv(*map(np.asarray, (x, kernel, bias)), dilation), atol=1e-5)
    # The convolution is linear in x and in the kernel: each entry of a gradient is the output of a unit, weighed.
    for gradient, output_of_unit in (
        (for_x, lambda unit: slow_conv(unit, np.asarray(kernel), 0, dilation)),
        (for_kernel, lambda unit: slow_conv(np.asarray(x), unit, 0, dilation)),
    ):
        slow = np.zeros(gradient.shape)
        for entry in np.ndindex(*gradient.shape):
            unit = np.zeros(gradient.shape)
            unit[entry] = 1
            slow[entry] = (output_of_unit(unit) * cotangent).sum()
        np.testing.assert_allclose(gradient, slow, atol=1e-4)
    np.testing.assert_allclose(for_bias, cotangent.sum((0, 1)), atol=1e-5)


def test_gelu_and_its_gradient_against_double_precision():
    x = np.linspace(-12, 12, 4001)
    value, slope = jax.vmap(jax.value_and_grad(gelu))(jnp.asarray(x, jnp.float32))
    cdf, density = (1 + erf(x / np.sqrt(2))) / 2, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(value, x * cdf, atol=2e-6)
    np.testing.assert_allclose(slope, cdf + x * density, atol=1e-6)


@pytest.mark.parametrize("depth", [2, 4], ids=["last block at all steps", "last block at the wanted steps"])
def test_wanted_steps_equal_those_of_all(depth):
    encoder = DilatedConv(width=4, features=6, depth=depth)
    h = jax.random.normal(jax.random.key(0), (2, 9, 4))
    exists = jnp.arange(9) < 7
    params = encoder.init(jax.random.key(1), h, jnp.ones((2, 9), bool))

    def part(array):
        return jnp.stack([array[0, 1:5], array[1, 3:7]])

    def total(params, inside):
        wanted, after = (part, lambda z: z) if inside else (None, part)
        return jnp.sin(after(encoder.apply(params, h, jnp.ones((2, 9), bool), exists, wanted))).sum()

    found, expected = (jax.jit(jax.value_and_grad(total), static_argnums=1)(params, inside) for inside in (True, False))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), found, expected)


@pytest.mark.parametrize("dilation", [1, 8])
def test_products_in_bfloat16_are_those_of_rounded_factors(dilation):
    keys = jax.random.split(jax.random.key(0), 3)
    x, kernel = jax.random.normal(keys[0], (2, 9, 5)), jax.random.normal(keys[1], (3, 5, 4))
    cotangent = jax.random.normal(keys[2], (2, 9, 4))

    def rounded(*arrays):
        return [array.astype(jnp.bfloat16).astype(jnp.float32) for array in arrays]

    def pulled(x, kernel, cotangent, dtype):
        y, pull = jax.vjp(lambda *inputs: dilated_convolution(*inputs, jnp.zeros(4), dilation, dtype), x, kernel)
        return y, *pull(cotangent)

    found = jax.jit(pulled, static_argnums=3)(x, kernel, cotangent, "bfloat16")
    expected = pulled(*rounded(x, kernel, cotangent), "float32")
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == jnp.float32
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_an_encoder_with_bfloat16_products_is_near_the_exact_one(setup):
    params, h, mask = setup
    near = jax.jit(DilatedConv(width=4, features=6, depth=2, products="bfloat16").apply)(params, h, mask)
    exact = apply(params, h, mask)
    assert 0 < np.abs(near - exact).max() < 0.02 * np.abs(exact).max()
    with pytest.raises(InputError, match="products: found 'float16'"):
        DilatedConv(products="float16")


def test_receptive_field_is_that_of_the_dilations(setup):
    params, _, _ = setup
    h, mask = jnp.zeros((1, 41, 4)), jnp.ones((1, 41), bool)
    reached = jax.jit(jax.grad(lambda h: ENCODER.apply(params, h, mask)[0, 20].sum()))(h)[0]
    seen = np.flatnonzero(np.abs(reached).sum(-1))
    # Two convolutions of three taps in each of the blocks with dilations 1, 2, 4.
    assert (seen.min(), seen.max()) == (20 - 14, 20 + 14)


def test_initialisation_is_uniform_in_one_over_root_fan_in():
    x = jnp.zeros((1, 5, 100))
    dense = Linear(200).init(jax.random.key(0), x)["params"]["dense"]
    conv = SameConv1d(200).init(jax.random.key(1), x)["params"]
    for leaf, bound in (
        (dense["kernel"], 0.1),
        (dense["bias"], 0.1),
        (conv["kernel"], 300**-0.5),
        (conv["bias"], 300**-0.5),
    ):
        assert abs(leaf).max() <= bound
        np.testing.assert_allclose(leaf.std(), bound / 3**0.5, rtol=0.15)


@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4)])
def test_wide_linear_maps_have_the_gradients_of_narrow_ones(shape, monkeypatch):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    params = Linear(6).init(jax.random.key(0), x)
    made = []
    for narrow in (10**6, 0):
        monkeypatch.setattr(layers, "NARROW", narrow)
        graded = jax.value_and_grad(lambda params, x: jnp.sin(Linear(6).apply(params, x)).sum(), (0, 1))
        program = jax.jit(graded).lower(params, x)
        assert ("optimization_barrier" in program.as_text()) == (narrow == 0)
        made.append(program.compile()(params, x))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), *made)
