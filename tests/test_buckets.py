"""Padding to a few sizes: same value and gradient as each branch alone, one branch under vmap."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsrl.buckets import smallest_fitting, switch_loss
from tsrl.encoders import DilatedConv
from tsrl.methods import ts2vec
from tsrl.methods.ts2vec import view_sizes
from tsrl.types import as_batch

BRANCHES = [lambda p, x, k=k: (jnp.sum(p["w"] * x) ** k, {"branch": jnp.float32(k)}) for k in (1, 2, 3)]
PARAMS, X = {"w": jnp.asarray([0.5, 2.0])}, jnp.asarray([1.0, 3.0])


def test_switch_loss_has_the_branchs_value_and_gradient():
    for choice, branch in enumerate(BRANCHES):
        graded = jax.value_and_grad(lambda p, c: switch_loss(c, BRANCHES, p, X), has_aux=True)
        (value, metrics), gradient = jax.jit(graded)(PARAMS, choice)
        (expected, _), expected_gradient = jax.value_and_grad(branch, has_aux=True)(PARAMS, X)
        assert value == expected
        assert metrics["branch"] == choice + 1
        np.testing.assert_allclose(gradient["w"], expected_gradient["w"], rtol=1e-6)
    # Scaled cotangents reach the gradient too.
    scaled = jax.grad(lambda p: 3 * switch_loss(jnp.int32(1), BRANCHES, p, X)[0])(PARAMS)
    np.testing.assert_allclose(scaled["w"], 3 * jax.grad(lambda p: BRANCHES[1](p, X)[0])(PARAMS)["w"], rtol=1e-6)


def test_smallest_fitting_and_its_largest_under_vmap():
    sizes = [(4, 2), (8, 6), (16, 16)]
    needed = jnp.asarray([(1, 1), (4, 2), (4, 3), (5, 1), (8, 6), (8, 7), (9, 1), (16, 16)])
    assert [int(smallest_fitting(sizes, n)) for n in needed] == [0, 0, 1, 1, 1, 2, 2, 2]
    together = jax.vmap(lambda n: smallest_fitting(sizes, n))
    np.testing.assert_array_equal(together(needed[:4]), [1, 1, 1, 1])
    np.testing.assert_array_equal(together(needed[jnp.asarray([0, 6])]), [2, 2])


def test_a_shared_choice_stays_one_branch_under_vmap():
    def loss(needed):
        return switch_loss(smallest_fitting([(4,), (8,), (16,)], needed[None]), BRANCHES, PARAMS, X)[0]

    program = jax.make_jaxpr(jax.vmap(loss))(jnp.asarray([1, 9]))
    assert "cond[" in str(program)
    batched = jax.make_jaxpr(jax.vmap(lambda c: jax.lax.switch(c, BRANCHES, PARAMS, X)[0]))(jnp.asarray([1, 2]))
    assert "cond[" not in str(batched)  # what would happen without sharing: every branch runs


def test_view_sizes_are_few_and_hold_the_series():
    assert view_sizes(100) == [(100, 100)]
    for steps in (257, 300, 1000, 3000):
        sizes = view_sizes(steps)
        assert sizes[-1] == (steps, steps)
        for lengths in zip(*sizes, strict=True):
            assert list(lengths) == sorted(lengths)
        assert len(sizes) <= 3


# At depth 4 the last block's dilation of 16 exceeds the views, so that it is computed at the overlap only.
@pytest.mark.parametrize("depth", [1, 4])
def test_ts2vec_loss_does_not_depend_on_the_padded_size(monkeypatch, depth):
    data = as_batch(np.random.default_rng(0).normal(size=(3, 12, 1)).astype(np.float32))
    method = ts2vec(DilatedConv(width=4, features=4, depth=depth))
    params, aux = jax.jit(method.init)(jax.random.key(0), data)

    def graded(sizes):
        monkeypatch.setattr(sys.modules["tsrl.methods.ts2vec"], "view_sizes", lambda steps: sizes)
        compiled = jax.jit(jax.value_and_grad(lambda p, k: method.loss(p, aux, data, k)[0]))
        return [compiled(params, jax.random.key(seed)) for seed in range(6)]

    whole = graded([(12, 12)])
    several = graded([(6, 4), (9, 9), (12, 12)])
    for (value, gradient), (expected, expected_gradient) in zip(several, whole, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), gradient, expected_gradient)
