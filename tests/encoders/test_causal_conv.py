"""T-Loss's encoder against convolutions written out; causality, padding, sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.encoders import CausalConv
from tsrl.errors import InputError

ENCODER = CausalConv(width=4, features=6, depth=2)
X = jax.random.normal(jax.random.key(0), (2, 11, 3))
MASK = jnp.ones((2, 11), bool)
PARAMS = ENCODER.init(jax.random.key(1), X, MASK)["params"]
apply = jax.jit(ENCODER.apply)


def slow(params, x):
    """Double precision, a step and a tap at a time."""

    def conv(own, h, dilation):
        kernel, bias = np.asarray(own["kernel"], float), np.asarray(own["bias"], float)
        if "scale" in own:
            kernel = kernel * np.asarray(own["scale"]) / np.sqrt((kernel**2).sum((0, 1)))
        made = np.zeros((*h.shape[:2], kernel.shape[2])) + bias
        for t, tap in np.ndindex(h.shape[1], len(kernel)):
            seen = t - (len(kernel) - 1 - tap) * dilation
            if seen >= 0:
                made[:, t] += h[:, seen] @ kernel[tap]
        return made

    h = np.asarray(x, float)
    for block in range(3):
        y = h
        for place in range(2):
            y = conv(params[f"block_{block}_conv_{place}"], y, 2**block)
            y = np.where(y > 0, y, 0.01 * y)
        name = f"block_{block}_projection"
        h = y + (conv(params[name], h, 1) if name in params else h)
    return h


def test_convolutions_written_out():
    np.testing.assert_allclose(apply({"params": PARAMS}, X, MASK), slow(PARAMS, X), atol=1e-5)
    assert {"block_0_projection", "block_2_projection"} <= set(PARAMS)
    assert "block_1_projection" not in PARAMS


def test_no_step_sees_a_later_one():
    changed = X.at[:, 7:].set(9.0)
    one, other = apply({"params": PARAMS}, X, MASK), apply({"params": PARAMS}, changed, MASK)
    np.testing.assert_array_equal(one[:, :7], other[:, :7])
    assert np.abs(one[:, 7] - other[:, 7]).max() > 1e-3


def test_padding_on_both_sides_changes_nothing():
    exists = jnp.arange(15) < 13
    exists = exists & (jnp.arange(15) >= 2)
    padded = jnp.pad(X, ((0, 0), (2, 2), (0, 0)), constant_values=5.0)
    made = apply({"params": PARAMS}, padded, jnp.ones((2, 15), bool), exists)
    # Before the first step the residual of padding goes on by itself, and no convolution sees it.
    np.testing.assert_allclose(made[:, 2:13], apply({"params": PARAMS}, X, MASK), atol=1e-6)


def test_missing_steps_enter_as_zeros_and_wanted_steps_are_taken():
    mask = MASK.at[0, 3].set(False)
    zeroed = X.at[0, 3].set(0)
    whole = apply({"params": PARAMS}, zeroed, MASK)
    np.testing.assert_array_equal(apply({"params": PARAMS}, X, mask), whole)
    last = ENCODER.apply({"params": PARAMS}, zeroed, MASK, None, lambda h: h[:, -1:])
    np.testing.assert_allclose(last, whole[:, -1:], atol=1e-6)


@pytest.mark.parametrize("name", ["width", "features", "kernel_size"])
def test_wrong_sizes_are_refused(name):
    with pytest.raises(InputError, match=f"{name}: found 0"):
        CausalConv(**{name: 0})
