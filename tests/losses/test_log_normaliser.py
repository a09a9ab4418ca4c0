"""Normalisers walked in blocks, against the matrix of all similarities."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from tsrl.losses import hierarchical_contrastive, log_normaliser
from tsrl.losses.log_normaliser import (
    across_series,
    add_across_series,
    add_within_series,
    existing,
    layout,
    within_series,
)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _normalisers(z, counts, where, forward, add):
    return _forward(z, counts, where, forward, add)[0]


def _forward(z, counts, where, forward, add):
    rows, blocks = z.reshape(len(z), -1, where.rows, z.shape[-1]), existing(counts, where)
    found = forward(rows, blocks, where.firsts)
    return found.reshape(z.shape[:2]), (rows, blocks, found)


def _backward(where, forward, add, kept, cotangent):
    rows, blocks, found = kept
    # Added to ones, which the sum must keep.
    gradient = add(jnp.ones_like(rows), rows, found, cotangent.reshape(found.shape), blocks, where.firsts)
    return (gradient - 1).reshape(len(rows), where.total, -1), None


_normalisers.defvjp(_forward, _backward)


def log_normalisers(z, counts, where):
    return _normalisers(z, counts, where, within_series, add_within_series)


def of_steps(z, counts, where):
    return _normalisers(z, counts, where, across_series, add_across_series)


def slow(z, counts, where, cotangent=None):
    """`[B, total]`: group by group, from the whole matrix of a series' rows; with a cotangent its gradient by z."""
    firsts = np.arange(len(z)) * where.total
    groups = [
        first + np.arange(start, start + count)
        for start, count in zip(where.starts, counts, strict=True)
        for first in firsts
        if count > 1
    ]
    return slow_of_groups(z, groups, cotangent)


def slow_of_steps(z, counts, where, cotangent=None):
    """`[B, total]`: step by step, from all rows of the step."""
    firsts = np.arange(len(z)) * where.total
    groups = [
        np.concatenate([firsts + row, firsts + row + 1])
        for start, count in zip(where.starts, counts, strict=True)
        for row in range(start, start + count, 2)
    ]
    return slow_of_groups(z, groups, cotangent)


def slow_of_groups(z, groups, cotangent):
    """Every row's log-sum of the others of its group; numpy, so that nothing is compiled for every size."""
    rows = np.asarray(z, np.float64).reshape(-1, z.shape[-1])
    made = np.zeros(len(rows)) if cotangent is None else np.zeros_like(rows)
    for group in groups:
        own = rows[group]
        others = np.where(np.eye(len(group), dtype=bool), -np.inf, own @ own.T)
        value = logsumexp(others, -1)
        if cotangent is None:
            made[group] = value
        else:
            weights = np.asarray(cotangent).reshape(-1)[group][:, None] * np.exp(others - value[:, None])
            made[group] = weights @ own + weights.T @ own
    return made.reshape(z.shape[:2] if cotangent is None else z.shape)


def inputs(sizes, rows=2, width=3, seed=0, scale=1.0):
    where = layout(sizes)
    z = scale * jax.random.normal(jax.random.key(seed), (rows, where.total, width))
    return z, where


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 8 rows, so that short series need several."""
    monkeypatch.setattr(log_normaliser, "_ROWS", 8)


def groups(draw_sizes):
    """Sizes in descending order, as the scales of a series have."""
    return sorted(draw_sizes, reverse=True)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(0, 3), st.sampled_from([8, 16, 256]))
def test_places_do_not_overlap_and_walks_hold_their_groups(sizes, extra, most):
    sizes = groups(sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_normaliser, "_ROWS", most)
        where = layout(sizes)
    ends = [start + size for start, size in zip(where.starts, sizes, strict=True)]
    assert all(end <= start for end, start in zip(ends, where.starts[1:], strict=False))
    assert ends[-1] <= where.total
    assert where.total % where.rows == 0
    for walk, first in enumerate(where.firsts):
        assert where.starts[walk] == first * where.rows
    # The groups after the last walk's first share its one block, unless it is the only group.
    if len(where.firsts) < len(sizes):
        assert ends[-1] <= (where.firsts[-1] + 1) * where.rows


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0, 1)), min_size=1, max_size=4), st.integers(0, 9))
def test_values_and_gradients_in_blocks(drawn, seed):
    drawn = sorted(drawn, reverse=True)
    sizes = [size for size, _ in drawn]
    counts = [round(size * share) for size, share in drawn]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_normaliser, "_ROWS", 8)
        z, where = inputs(sizes, seed=seed)
        cotangent = jax.random.normal(jax.random.key(seed + 1), z.shape[:2])
        value, pull = jax.vjp(jax.jit(lambda z: log_normalisers(z, jnp.array(counts), where)), z)
        np.testing.assert_allclose(value, slow(z, counts, where), atol=1e-5)
        np.testing.assert_allclose(pull(cotangent)[0], slow(z, counts, where, cotangent), atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.floats(0, 1)), min_size=1, max_size=3), st.integers(2, 4))
def test_values_and_gradients_of_steps(drawn, series):
    drawn = sorted(drawn, reverse=True)
    sizes = [2 * size for size, _ in drawn]
    counts = [2 * round(size * share) for size, share in drawn]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_normaliser, "_ROWS", 16)
        z, where = inputs(sizes, rows=series)
        exists = existing(jnp.array(counts), where).label.reshape(-1) >= 0
        cotangent = jnp.where(exists, jax.random.normal(jax.random.key(1), z.shape[:2]), 0)
        value, pull = jax.vjp(jax.jit(lambda z: of_steps(z, jnp.array(counts), where)), z)
        # Rows that do not exist have values of no meaning, in blocks that hold some that do.
        np.testing.assert_allclose(jnp.where(exists, value, 0), slow_of_steps(z, counts, where), atol=1e-5)
        np.testing.assert_allclose(pull(cotangent)[0], slow_of_steps(z, counts, where, cotangent), atol=1e-5)


def test_padding_is_not_seen_and_gets_no_gradient(small_blocks):
    z, where = inputs([30, 15, 7])
    counts = jnp.array([20, 10, 5])
    exists = np.zeros(where.total, bool)
    for start, count in zip(where.starts, counts, strict=True):
        exists[start : start + count] = True
    wild = jnp.where(exists[:, None], z, 1e4)
    total = jax.jit(jax.value_and_grad(lambda z: log_normalisers(z, counts, where).sum()))
    value, gradient = total(wild)
    np.testing.assert_allclose(value, total(z)[0], rtol=1e-6)
    np.testing.assert_array_equal(gradient[:, ~exists], 0)
    assert np.abs(gradient[:, exists]).min() > 0


def test_one_program_for_all_counts_also_under_vmap(small_blocks):
    z, where = inputs([40, 20])
    counts = jnp.array([[40, 20], [13, 6], [2, 1], [1, 0]])
    together = jax.jit(jax.vmap(lambda counts: log_normalisers(z, counts, where)))(counts)
    # The loops of all rows end with those of the longest.
    ends = jax.vmap(lambda counts: existing(counts, where).ends)(counts)
    np.testing.assert_array_equal(ends, jnp.broadcast_to(existing(counts[0], where).ends, ends.shape))
    for row, own in enumerate(counts.tolist()):
        np.testing.assert_allclose(together[row], slow(z, own, where), atol=1e-5)


@pytest.mark.parametrize(("found", "expected"), [(log_normalisers, slow), (of_steps, slow_of_steps)])
def test_gradients_of_several_counts_under_vmap(small_blocks, found, expected):
    z, where = inputs([40, 20])
    counts = jnp.array([[40, 20], [12, 6], [2, 0]])

    def total(z, own):
        exists = existing(own, where).label.reshape(-1) >= 0
        return jnp.where(exists, jnp.sin(found(z, own, where)), 0).sum()

    together = jax.jit(jax.vmap(jax.grad(total), in_axes=(None, 0)))(z, counts)
    for row, own in enumerate(counts.tolist()):
        slowly = expected(z, own, where, np.cos(expected(z, own, where)))
        np.testing.assert_allclose(together[row], slowly, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-4, 1e3])
def test_tiny_and_huge_similarities(small_blocks, scale):
    z, where = inputs([20], scale=scale)
    value, gradient = jax.jit(jax.value_and_grad(lambda z: log_normalisers(z, jnp.array([20]), where).sum()))(z)
    np.testing.assert_allclose(value, slow(z, [20], where).sum(), rtol=1e-5)
    assert np.isfinite(gradient).all()


def test_memory_grows_with_the_rows_not_with_their_square():
    def temporary(steps):
        z = jnp.zeros((1, steps, 8))
        loss = jax.jit(jax.grad(lambda z: hierarchical_contrastive(z, z + 1).sum()))
        return loss.lower(z).compile().memory_analysis().temp_size_in_bytes

    # The matrix of the finest scale alone would be 400 MB at 5,000 steps.
    assert temporary(5000) < 2.5 * temporary(2500) < 100e6
