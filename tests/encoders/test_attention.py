"""ProbSparse and full attention against loops over queries and keys."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.encoders.attention import Attention, full_attention, key_sample, prob_sparse_attention, sample_size
from tsrl.errors import InputError


def inputs(queries, keys, batch=2, heads=2, width=4, seed=0):
    random = np.random.default_rng(seed)
    sizes = (queries, keys, keys, queries)
    return [jnp.asarray(random.normal(size=(batch, n, heads, width)), jnp.float32) for n in sizes]


def slow_row(query, keys, values):
    weights = jnp.exp(keys @ query / math.sqrt(len(query)))
    return weights @ values / weights.sum()


def slow_full(q, k, v, causal=False):
    rows = [
        [[slow_row(q[b, t, h], *(a[b, : t + 1 if causal else None, h] for a in (k, v))) for h in range(q.shape[2])]]
        for b in range(len(q))
        for t in range(q.shape[1])
    ]
    return jnp.stack([jnp.stack(row[0]) for row in rows]).reshape(q.shape)


def slow_choice(q, k, sample, factor):
    """Of each head of each row, the queries that attend."""
    steps, keys, chosen = q.shape[1], k.shape[1], {}
    for b in range(len(q)):
        for h in range(q.shape[2]):
            products = np.asarray(q)[b, :, h] @ np.asarray(k)[b, :, h].T
            measure = [products[t, sample[t]].max() - products[t, sample[t]].sum() / keys for t in range(steps)]
            chosen[b, h] = set(np.argsort(measure)[::-1][: sample_size(factor, steps)])
    return chosen


def slow_prob(q, k, v, choice, causal=False):
    full, steps, out = slow_full(q, k, v, causal), q.shape[1], []
    for b in range(len(q)):
        for h in range(q.shape[2]):
            chosen = choice[b, h]
            lazy = [v[b, : t + 1, h].sum(0) if causal else v[b, :, h].mean(0) for t in range(steps)]
            out.append(jnp.stack([full[b, t, h] if t in chosen else lazy[t] for t in range(steps)]))
    return jnp.stack(out).reshape(len(q), q.shape[2], steps, -1).swapaxes(1, 2)


def assert_same(ours, slow, qkv, cotangent):
    def graded(f):
        def total(*qkv):
            made = f(*qkv)
            return (made * cotangent).sum(), made

        return jax.jit(jax.grad(total, (0, 1, 2), has_aux=True))(*qkv)

    for one, other in zip(*map(jax.tree.leaves, (graded(ours), graded(slow))), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_full_attention_equals_loops(causal):
    *qkv, cotangent = inputs(5, 5)
    assert_same(lambda *a: full_attention(*a, causal=causal), lambda *a: slow_full(*a, causal), qkv, cotangent)


@pytest.mark.parametrize(("queries", "keys", "causal"), [(7, 7, False), (7, 7, True), (6, 9, False)])
def test_prob_sparse_attention_equals_loops(queries, keys, causal):
    *qkv, cotangent = inputs(queries, keys)
    sample = key_sample(jax.random.key(3), queries, keys, 1)
    assert sample.shape[1] < keys
    choice = slow_choice(*qkv[:2], np.asarray(sample), 1)
    assert_same(
        lambda *a: prob_sparse_attention(*a, sample, factor=1, causal=causal),
        lambda *a: slow_prob(*a, choice, causal),
        qkv,
        cotangent,
    )


def test_where_all_queries_attend_it_is_full_attention():
    *qkv, _ = inputs(9, 9)
    sample = key_sample(jax.random.key(0), 9, 9, 5)
    np.testing.assert_allclose(prob_sparse_attention(*qkv, sample), full_attention(*qkv), atol=1e-6)


def test_equal_queries_choose_no_more_than_they_may():
    _, k, v, _ = inputs(20, 20, batch=1, heads=1)
    attended = prob_sparse_attention(jnp.zeros_like(k), k + 1, v, key_sample(jax.random.key(0), 20, 20, 1), factor=1)
    # Of zero queries attending and not attending is the same: the mean.
    np.testing.assert_allclose(attended, jnp.broadcast_to(v.mean(1, keepdims=True), v.shape), atol=1e-6)


@settings(max_examples=12, deadline=None)
@given(factor=st.integers(1, 6), queries=st.integers(1, 30), keys=st.integers(1, 30), seed=st.integers(0, 99))
def test_samples_are_keys_and_as_many_as_said(factor, queries, keys, seed):
    sample = np.asarray(key_sample(jax.random.key(seed), queries, keys, factor))
    assert sample.shape == (queries, sample_size(factor, keys))
    assert 0 <= sample.min() <= sample.max() < keys
    assert sample_size(factor, keys) == max(1, min(keys, factor * math.ceil(math.log(keys))))


def test_samples_differ_between_queries():
    sample = np.asarray(key_sample(jax.random.key(0), 50, 50, 5))
    assert len(np.unique(sample, axis=0)) == 50
    assert len(np.unique(sample)) == 50


ATTENTION = Attention(8, 2, "prob", factor=1)


def test_evaluation_is_a_function_of_its_input_and_training_draws():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 24, 8)), jnp.float32)
    params = jax.jit(ATTENTION.init)(jax.random.key(0), x, x)
    one, other = ATTENTION.apply(params, x, x), ATTENTION.apply(params, x, x)
    np.testing.assert_array_equal(one, other)
    # A row's result does not depend on the rows beside it.
    np.testing.assert_allclose(ATTENTION.apply(params, x[:1], x[:1]), one[:1], atol=1e-5)
    drawn = [ATTENTION.apply(params, x, x, rngs={"sample": jax.random.key(seed)}) for seed in range(2)]
    assert abs(drawn[0] - drawn[1]).max() > 1e-3
    # Dropout is for full attention.
    dropped = ATTENTION.clone(dropout=0.5).apply(params, x, x, rngs={"dropout": jax.random.key(0)})
    np.testing.assert_array_equal(dropped, one)


def test_dropout_acts_on_the_weights_of_full_attention():
    module = ATTENTION.clone(kind="full", dropout=0.5)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 6, 8)), jnp.float32)
    params = jax.jit(module.init)(jax.random.key(0), x, x)
    assert (
        abs(module.apply(params, x, x, rngs={"dropout": jax.random.key(0)}) - module.apply(params, x, x)).max() > 1e-2
    )


@pytest.mark.parametrize("mix", [False, True])
def test_the_last_steps_are_those_of_all(mix):
    module = ATTENTION.clone(mix=mix, causal=True)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 12, 8)), jnp.float32)
    params = jax.jit(module.init)(jax.random.key(0), x, x)
    last = module.clone(last=5).apply(params, x, x)
    np.testing.assert_allclose(last, module.apply(params, x, x)[:, -5:], atol=1e-6)


def test_mix_lays_heads_one_after_another_over_time():
    module = Attention(4, 2, "full")
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 6, 4)), jnp.float32)
    params = jax.jit(module.init)(jax.random.key(0), x, x)
    identity = {"kernel": jnp.eye(4), "bias": jnp.zeros(4)}
    params["params"]["out"]["dense"] = identity
    plain, mixed = (module.clone(mix=mix).apply(params, x, x) for mix in (False, True))
    # Two steps of a head share a row: the first three rows hold head 0, the rest head 1.
    np.testing.assert_allclose(mixed[0, 0], jnp.concatenate([plain[0, 0, :2], plain[0, 1, :2]]), atol=1e-6)
    np.testing.assert_allclose(mixed[0, 3], jnp.concatenate([plain[0, 0, 2:], plain[0, 1, 2:]]), atol=1e-6)


def test_padding_with_prob_sparse_attention_is_refused():
    x = jnp.zeros((1, 6, 8))
    with pytest.raises(InputError, match=r"attention: found prob .* want full"):
        ATTENTION.init(jax.random.key(0), x, x, jnp.ones((1, 6), bool))
