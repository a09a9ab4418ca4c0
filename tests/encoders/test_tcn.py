"""The TCN against a loop over steps; causality, padding, wanted steps, initialisation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.encoders import TCN, RawFront, front_of
from tsrl.errors import InputError

ENCODER = TCN(width=4, levels=3, kernel_size=3)
apply = jax.jit(ENCODER.apply)


def slow_tcn(params, h, levels):
    def conv(x, own, dilation):
        kernel = own["kernel"]
        if "scale" in own:
            kernel = jnp.stack(
                [own["scale"][f] * kernel[..., f] / jnp.linalg.norm(kernel[..., f]) for f in range(4)], -1
            )
        size = len(kernel)
        rows = []
        for t in range(x.shape[1]):
            seen = [t - (size - 1 - tap) * dilation for tap in range(size)]
            rows.append(sum((x[:, s] @ kernel[tap] for tap, s in enumerate(seen) if s >= 0), own["bias"]))
        return jnp.stack(rows, 1)

    for level in range(levels):
        own = params[f"block_{level}"]
        y = jax.nn.relu(conv(h, own["conv_0"], 2**level))
        y = jax.nn.relu(conv(y, own["conv_1"], 2**level))
        h = jax.nn.relu(y + (conv(h, own["projection"], 1) if "projection" in own else h))
    return h


@pytest.fixture(scope="module")
def setup():
    random = np.random.default_rng(0)
    h, mask = random.normal(size=(2, 9, 2)).astype(np.float32), random.random((2, 9)) > 0.3
    params = jax.jit(ENCODER.init)(jax.random.key(0), h, mask)
    return jax.tree.map(lambda leaf: leaf + 0.2 * random.normal(size=leaf.shape).astype(np.float32), params), h, mask


def test_equals_the_slow_network(setup):
    params, h, mask = setup
    zeroed = jnp.where(mask[..., None], h, 0)
    np.testing.assert_allclose(apply(params, h, mask), slow_tcn(params["params"], zeroed, 3), atol=1e-5)
    ours = jax.jit(jax.grad(lambda p: jnp.sin(ENCODER.apply({"params": p}, h, mask)).sum()))(params["params"])
    slow = jax.jit(jax.grad(lambda p: jnp.sin(slow_tcn(p, zeroed, 3)).sum()))(params["params"])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), ours, slow)


def test_no_step_sees_a_later_one(setup):
    params, h, _ = setup
    mask = np.ones((2, 9), bool)
    changed = h.copy()
    changed[:, 6:] += 1
    before, after = apply(params, h, mask), apply(params, changed, mask)
    np.testing.assert_array_equal(before[:, :6], after[:, :6])
    assert abs(before[:, 6:] - after[:, 6:]).max() > 1e-3


@pytest.mark.parametrize("lengths", [(9, 5), (1, 7)])
def test_padding_changes_nothing_before_or_after_the_series(setup, lengths):
    params, h, mask = setup
    for first in (0, 2):
        exists = (jnp.arange(9) >= first) & (jnp.arange(9) < jnp.asarray(lengths)[:, None])
        padded = apply(params, jnp.where(exists[..., None], h, 1e6), mask, exists)
        for row, length in enumerate(lengths):
            if first < length:
                cut = apply(params, h[row : row + 1, first:length], mask[row : row + 1, first:length])
                np.testing.assert_allclose(padded[row : row + 1, first:length], cut, atol=1e-5)


@pytest.mark.parametrize("steps", [9, 3])
def test_wanted_steps_are_those_of_all(setup, steps):
    """Of three steps the last block's dilation is beyond the series: it is computed for the wanted ones alone."""
    params, h, mask = setup
    h, mask, exists = h[:, :steps], mask[:, :steps], jnp.arange(steps) >= 1
    wanted = lambda a: a[:, -2:]  # noqa: E731
    for given in (None, exists):
        z, sown = ENCODER.apply(params, h, mask, given, wanted, mutable=["intermediates"])
        np.testing.assert_allclose(z, ENCODER.apply(params, h, mask, given)[:, -2:], atol=1e-5)
        assert sown["intermediates"]["block"][-1].shape[1] == (9 if steps == 9 else 2)


def test_every_block_is_sown(setup):
    params, h, mask = setup
    z, sown = ENCODER.apply(params, h, mask, mutable=["intermediates"])
    blocks = sown["intermediates"]["block"]
    assert [block.shape for block in blocks] == [(2, 9, 4)] * 3
    np.testing.assert_array_equal(blocks[-1], z)
    assert isinstance(front_of(ENCODER), RawFront)


def test_dropout_is_drawn_in_training(setup):
    params, h, mask = setup
    one, other = (apply(params, h, mask, rngs={"dropout": jax.random.key(seed)}) for seed in range(2))
    assert abs(one - other).max() > 1e-2


def test_residual_projections_start_small_and_convolutions_as_in_pytorch():
    params = TCN(width=64, levels=2).init(jax.random.key(0), jnp.zeros((1, 4, 50)), jnp.ones((1, 4), bool))["params"]
    assert np.std(params["block_0"]["projection"]["kernel"]) == pytest.approx(0.01, rel=0.05)
    assert np.abs(params["block_0"]["conv_0"]["kernel"]).max() == pytest.approx(1 / np.sqrt(2 * 50), rel=0.01)
    assert "projection" not in params["block_1"]
    kernel = params["block_1"]["conv_0"]["kernel"]
    np.testing.assert_allclose(params["block_1"]["conv_0"]["scale"], np.sqrt(np.square(kernel).sum((0, 1))), rtol=1e-5)


@pytest.mark.parametrize("name", ["width", "levels", "kernel_size"])
def test_sizes_below_one_are_refused(name):
    with pytest.raises(InputError, match=f"{name}: found 0, want a whole number from 1 up"):
        TCN(**{name: 0})


def test_a_wrong_rate_is_refused():
    with pytest.raises(InputError, match=r"dropout: found 1\.0"):
        TCN(dropout=1.0)
