"""Patches against slicing, the token convolution against one written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.encoders.patch import PatchFront, patches


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 6))
def test_patches_are_slices_of_the_series_with_its_last_step_repeated(steps, size, stride):
    if size > steps:
        return
    x = np.random.default_rng(0).normal(size=(2, steps, 3)).astype(np.float32)
    longer = np.concatenate([x, np.repeat(x[:, -1:], stride, 1)], 1)
    starts = range(0, longer.shape[1] - size + 1, stride)
    wanted = np.stack([longer[:, s : s + size].swapaxes(1, 2) for s in starts], 2)
    found = patches(jnp.asarray(x), size, stride)
    np.testing.assert_array_equal(found, wanted)
    assert found.shape[2] == (steps - size) // stride + 2
    # No step is left out.
    if stride <= size:
        assert starts[-1] + size >= steps


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_tokens_wrap_around(kernel_size):
    x = jax.random.normal(jax.random.key(0), (2, 3, 4, 5))
    front = PatchFront(6, kernel_size)
    params = front.init(jax.random.key(1), {"x": x})["params"]
    tokens = np.asarray(jax.jit(front.apply)({"params": params}, {"x": x}))
    assert tokens.shape == (6, 5, 6)
    kernel, cls = np.asarray(params["kernel"]), np.asarray(params["cls"])
    for row, group in np.ndindex(2, 3):
        own = np.concatenate([cls[group][None], x[row, group]])
        for place in range(5):
            wanted = sum(own[(place + tap - kernel_size // 2) % 5] @ kernel[tap] for tap in range(kernel_size))
            np.testing.assert_allclose(tokens[row * 3 + group, place], wanted, atol=1e-5)
