"""The last step of every window at once, against the encoder on each window by itself."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.encoders import DilatedConv


def window_by_window(encoder, variables, h, mask, before, hide_last):
    apply = jax.jit(encoder.apply)
    found = []
    for end in range(before, h.shape[1]):
        inside = slice(end - before, end + 1)
        seen = mask[:, inside]
        found.append(apply(variables, h[:, inside], seen.at[:, -1].set(False) if hide_last else seen)[:, -1])
    return jnp.stack(found, 1)


def at_once(encoder, variables, h, mask, before, hide_last):
    return jax.jit(
        lambda variables, h, mask: encoder.apply(
            variables, h, mask, before, hide_last=hide_last, method="last_of_windows"
        )
    )(variables, h, mask)


def inputs(encoder, before, windows, rows=2, seed=0, missing=0.2):
    keys = jax.random.split(jax.random.key(seed), 3)
    h = jax.random.normal(keys[0], (rows, before + windows, encoder.width))
    mask = jax.random.bernoulli(keys[1], 1 - missing, h.shape[:2])
    return jax.jit(encoder.init)(keys[2], h, mask), h, mask


@pytest.mark.parametrize("hide_last", [False, True])
@pytest.mark.parametrize("before", [0, 1, 2, 5, 17, 64])
def test_equals_encoding_every_window(before, hide_last):
    encoder = DilatedConv(width=4, features=6, depth=5)
    case = (encoder, *inputs(encoder, before, 6), before, hide_last)
    np.testing.assert_allclose(at_once(*case), window_by_window(*case), atol=1e-5)


@pytest.mark.parametrize("hide_last", [False, True])
def test_the_published_encoder_and_window(hide_last):
    encoder = DilatedConv()
    case = (encoder, *inputs(encoder, 200, 5, rows=1), 200, hide_last)
    np.testing.assert_allclose(at_once(*case), window_by_window(*case), atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    before=st.integers(0, 40),
    windows=st.integers(1, 4),
    depth=st.integers(0, 4),
    kernel_size=st.sampled_from([1, 3, 5, 7]),
    hide_last=st.booleans(),
    seed=st.integers(0, 5),
)
def test_any_shape(before, windows, depth, kernel_size, hide_last, seed):
    encoder = DilatedConv(width=3, features=5, depth=depth, kernel_size=kernel_size)
    case = (encoder, *inputs(encoder, before, windows, seed=seed), before, hide_last)
    np.testing.assert_allclose(at_once(*case), window_by_window(*case), atol=1e-5)


def test_gradients_and_vmap():
    encoder, before = DilatedConv(width=3, features=5, depth=4), 20
    variables, h, mask = inputs(encoder, before, 4)

    def total(apply, variables, h):
        return jnp.square(apply(encoder, variables, h, mask, before, False)).sum()

    for argument in (0, 1):
        fast, slow = (jax.grad(partial(total, apply), argument)(variables, h) for apply in (at_once, window_by_window))
        jax.tree.map(partial(np.testing.assert_allclose, atol=1e-4), fast, slow)
    rows = jax.vmap(lambda h, mask: at_once(encoder, variables, h[None], mask[None], before, False)[0])(h, mask)
    np.testing.assert_allclose(rows, at_once(encoder, variables, h, mask, before, False), atol=1e-5)


def test_depends_on_its_window_only():
    encoder, before = DilatedConv(width=3, features=5, depth=4), 20
    variables, h, mask = inputs(encoder, before, 30, missing=0.0)
    z = at_once(encoder, variables, h, mask, before, False)
    changed = at_once(encoder, variables, h.at[:, 25].set(100.0), mask, before, False)
    moved = np.abs(z - changed).max((0, 2)) > 0
    # Step 25 is the last of window 5 and the first of window 25.
    assert not moved[:5].any()
    assert not moved[26:].any()
    assert moved[5:26].sum() > 10
