"""Attention over time: full, and ProbSparse, in which only the queries that prefer some keys to others attend."""

import math
from collections.abc import Callable
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from tsrl.encoders.layers import Dropout, Linear
from tsrl.errors import InputError
from tsrl.types import Array, Key

AttentionKind = Literal["prob", "full"]


def full_attention(
    q: Array,
    k: Array,
    v: Array,
    *,
    causal: bool = False,
    exists: Array | None = None,
    drop: Callable[[Array], Array] | None = None,
) -> Array:
    """Softmax attention with scores over the root of the head's width.

    Args:
      q: `[B, L, H, D]` queries.
      k: `[B, S, H, D]` keys.
      v: `[B, S, H, E]` values.
      causal: a query sees keys up to its own step.
      exists: `[B, S]` bool; where False a key is not attended to.
      drop: applied to the weights `[B, H, L, S]`.

    Returns:
      `[B, L, H, E]`.
    """
    scores = _scores(q, k) / math.sqrt(q.shape[-1])
    if causal:
        scores = jnp.where(jnp.tri(q.shape[1], k.shape[1], dtype=bool), scores, -jnp.inf)
    if exists is not None:
        scores = jnp.where(exists[:, None, None], scores, -jnp.inf)
    weights = jax.nn.softmax(scores)
    return _weighted(weights if drop is None else drop(weights), v)


def sample_size(factor: int, steps: int) -> int:
    """How many of `steps` keys are sampled, or queries chosen: `factor * ceil(ln steps)`, from one to all of them."""
    return max(1, min(factor * math.ceil(math.log(steps)), steps))


def key_sample(key: Key, queries: int, keys: int, factor: int) -> Array:
    """Keys at which each query's sparsity is measured: `[queries, U]` int, drawn with replacement."""
    return jax.random.randint(key, (queries, sample_size(factor, keys)), 0, keys)


def prob_sparse_attention(
    q: Array, k: Array, v: Array, sample: Array, *, factor: int = 5, causal: bool = False
) -> Array:
    """Attention of the most decided queries; the others take the mean of all values, or their sum up to the step.

    How decided a query is says the largest of its products with sampled keys less their sum over S.

    Args:
      q: `[B, L, H, D]` queries.
      k: `[B, S, H, D]` keys.
      v: `[B, S, H, E]` values.
      sample: `[L, U]` int, see `key_sample`.
      factor: `sample_size(factor, L)` queries attend, chosen for each head of each row.
      causal: a query sees keys up to its own step; L equals S. The choice of queries looks at all keys.

    Returns:
      `[B, L, H, E]`.

    References: Zhou, Zhang, Peng, Zhang, Li, Xiong, Zhang (2021), Informer: Beyond Efficient Transformer for Long
    Sequence Time-Series Forecasting, arXiv 2012.07436. The paper writes the measure with the mean of the sampled
    products, the released code divides their sum by S, not U: the code is followed.
    """
    steps, keys = q.shape[1], k.shape[1]
    # Products with all keys are one matrix product and cost less than gathering the sampled keys of every query.
    # No gradient goes through the choice.
    scores = lax.stop_gradient(_scores(q, k))
    count = jnp.zeros((steps, keys), scores.dtype).at[jnp.arange(steps)[:, None], sample].add(1)
    sparsity = jnp.where(count > 0, scores, -jnp.inf).max(-1) - jnp.sum(scores * count, -1) / keys
    chosen = lax.top_k(sparsity, sample_size(factor, steps))[1]
    # Taking rows and putting them back as products with 0 and 1: scattering is what XLA does badly.
    place = jax.nn.one_hot(chosen, steps, dtype=q.dtype)
    own = jnp.einsum("bhul,blhd->buhd", place, q, precision="highest")
    scores = _scores(own, k) / math.sqrt(q.shape[-1])
    if causal:
        scores = jnp.where(chosen[..., None] >= jnp.arange(keys), scores, -jnp.inf)
    attended = _weighted(jax.nn.softmax(scores), v)
    lazy = jnp.cumsum(v, 1) if causal else v.mean(1, keepdims=True)
    put = jnp.einsum("bhul,buhe->blhe", place, attended, precision="highest")
    return put + lazy * (1 - place.sum(2)).swapaxes(1, 2)[..., None]


def _scores(q: Array, k: Array) -> Array:
    return jnp.einsum("blhd,bshd->bhls", q, k)


def _weighted(weights: Array, v: Array) -> Array:
    return jnp.einsum("bhls,bshe->blhe", weights, v)


class Attention(nn.Module):
    """Attention of several heads between projections: `[B, L, C], [B, S, C'] -> [B, L, width]`.

    The key sample of ProbSparse attention is drawn from the "sample" key that `apply` is given, the same for all rows
    and heads; without one from a fixed key, so that evaluation is a function of its input. (The released code draws in
    evaluation too.)

    Attributes:
      width: of the projections and the result, a multiple of `heads`.
      heads: how many.
      kind: "prob" or "full".
      factor: of ProbSparse attention.
      causal: a query sees keys up to its own step.
      mix: the heads' results are laid one after another over time before they are joined to `width`.
      dropout: rate on the weights of full attention, as in the released code.
      last: make the last so many steps of the result only; None = all.
    """

    width: int
    heads: int
    kind: AttentionKind
    factor: int = 5
    causal: bool = False
    mix: bool = False
    dropout: float = 0.0
    last: int | None = None

    @nn.compact
    def __call__(self, x: Array, memory: Array, exists: Array | None = None) -> Array:
        split = lambda h: h.reshape(*h.shape[:2], self.heads, -1)  # noqa: E731
        q, k, v = (
            split(Linear(self.width, name=name)(h)) for name, h in (("query", x), ("key", memory), ("value", memory))
        )
        if self.kind == "full":
            attended = full_attention(q, k, v, causal=self.causal, exists=exists, drop=Dropout(self.dropout))
        else:
            if exists is not None:
                raise InputError(
                    "attention: found prob for a batch padded with steps that do not exist, among which it would sample"
                    " and choose; want full (--encoder.attention full)"
                )
            key = self.make_rng("sample") if self.has_rng("sample") else jax.random.key(0)
            sample = key_sample(key, q.shape[1], k.shape[1], self.factor)
            attended = prob_sparse_attention(q, k, v, sample, factor=self.factor, causal=self.causal)
        if self.mix:
            attended = attended.swapaxes(1, 2)
        attended = attended.reshape(*x.shape[:2], self.width)
        return Linear(self.width, name="out")(attended if self.last is None else attended[:, -self.last :])
