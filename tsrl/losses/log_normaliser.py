"""Logarithms of softmax normalisers over all pairs of rows, in memory linear in the rows.

The matrix of similarities is walked in square blocks and never held: the forward pass keeps one number a row, the
backward pass makes the blocks again. The matrix is symmetric, so each block off the diagonal is made once and used for
its rows and its columns. Loops end with the rows that exist, so padding costs no block.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from tsrl.types import Array

# Stands for a similarity that does not count; finite, so that differences of two of them are.
_NONE = -1e30
# Most rows of a block, and from how many rows on the second counts: small blocks waste less beyond the rows that exist,
# large ones are faster products.
_ROWS, _MANY, _ROWS_OF_MANY = 256, 3072, 512


class Layout(NamedTuple):
    """Where groups of rows lie in an array that is walked in blocks; hashable, all static.

    Attributes:
      rows: rows of a block.
      starts: the first row of each group; a group begins with a block, but the last ones share the last block.
      firsts: the first block of each walk; all groups that share the last block are one walk.
      total: rows of all blocks; those between groups and after them are padding.
    """

    rows: int
    starts: tuple[int, ...]
    firsts: tuple[int, ...]
    total: int


def layout(sizes: Sequence[int]) -> Layout:
    """Places groups of `sizes` rows, the largest first, in blocks."""
    most = _ROWS_OF_MANY if sizes[0] >= _MANY else _ROWS
    # All groups in one block, or equal blocks for the largest group.
    rows = sum(sizes) if sum(sizes) <= most else -(-sizes[0] // -(-sizes[0] // most))
    rows = -(-rows // 8) * 8
    starts: list[int] = []
    firsts: list[int] = []
    end, sharing = 0, False
    for group, size in enumerate(sizes):
        if not sharing:
            end = -(-end // rows) * rows
            firsts.append(end // rows)
            sharing = sum(sizes[group:]) <= rows
        starts.append(end)
        end += size
    return Layout(rows, tuple(starts), tuple(firsts), -(-end // rows) * rows)


def log_normalisers(z: Array, counts: Array, where: Layout) -> Array:
    """The logarithm of the summed exponentials of each row's dot products with the other rows of its group.

    Args:
      z: `[B, where.total, D]`, the rows of each group from its start on, anything finite elsewhere.
      counts: `[groups]` int, how many rows of each group exist.
      where: the groups' places, from `layout`.

    Returns:
      `[B, where.total]`; 0 for a row that does not exist or is alone in its group. Reverse-mode differentiable in z.
    """
    row, start = jnp.arange(where.total), jnp.array(where.starts)[:, None]
    inside = (row >= start) & (row < start + counts[:, None])
    blocks = (where.total // where.rows, where.rows)
    label = jnp.where(inside, jnp.arange(len(counts))[:, None], -1).max(0).reshape(blocks)
    # The last walk is one block, whatever its groups count.
    ends = jnp.array(where.firsts) + jnp.maximum(-(-counts[: len(where.firsts)] // where.rows), 1)
    walk = jax.vmap(lambda z: _walk(z, label, ends, where.firsts))
    return walk(z.reshape(len(z), *blocks, -1)).reshape(z.shape[:2])


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _walk(z: Array, label: Array, ends: Array, firsts: tuple[int, ...]) -> Array:
    """Log-normalisers `[blocks, rows]` of `z` `[blocks, rows, D]`; rows of equal label from 0 up are a group."""
    return _forward(z, label, ends, firsts)[0]


def _forward(z: Array, label: Array, ends: Array, firsts: tuple[int, ...]) -> tuple[Array, tuple[Array, ...]]:
    def row_block(i: Array, end: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
        def block(j: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
            top, total, tops, totals = carry
            similarities = _similarities(z, label, i, j)
            top, total = _merged((top, total), _log_sum(similarities, 1))
            below = _merged((tops[j], totals[j]), _log_sum(similarities, 0))
            return top, total, _put(tops, below[0], j), _put(totals, below[1], j)

        # What the block on the diagonal adds to its columns is overwritten by its rows' sums: no case of its own.
        top, total, tops, totals = lax.fori_loop(i, end, block, (sums[0][i], sums[1][i], *sums))
        return _put(tops, top, i), _put(totals, total, i)

    start = (jnp.full(label.shape, _NONE, z.dtype), jnp.zeros(label.shape, z.dtype))
    tops, totals = _each_row_block(row_block, start, ends, firsts)
    normalisers = jnp.where(tops > _NONE / 2, tops + jnp.log(totals), 0)
    return normalisers, (z, label, ends, normalisers)


def _backward(firsts: tuple[int, ...], kept: tuple[Array, ...], cotangent: Array) -> tuple[Array, None, None]:
    z, label, ends, normalisers = kept

    def row_block(i: Array, end: Array, gradient: Array) -> Array:
        own, weight = normalisers[i][:, None], cotangent[i][:, None]

        def block(j: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            total, gradient = carry
            similarities = _similarities(z, label, i, j)
            # How a product of two rows moves the weighted sum of both rows' normalisers.
            shares = weight * jnp.exp(similarities - own) + cotangent[j] * jnp.exp(similarities - normalisers[j])
            return total + shares @ z[j], _put(gradient, gradient[j] + shares.T @ z[i], j)

        total, gradient = lax.fori_loop(i, end, block, (gradient[i], gradient))
        return _put(gradient, total, i)

    return _each_row_block(row_block, jnp.zeros_like(z), ends, firsts), None, None


_walk.defvjp(_forward, _backward)


def _each_row_block(step, start, ends: Array, firsts: tuple[int, ...]):  # type: ignore[no-untyped-def]
    """Folds `step(i, end, carry)` over the row blocks of every walk."""
    begins = jnp.array(firsts)

    def walk(number: Array, carry):  # type: ignore[no-untyped-def]
        return lax.fori_loop(begins[number], ends[number], lambda i, carry: step(i, ends[number], carry), carry)

    return lax.fori_loop(0, len(firsts), walk, start)


def _similarities(z: Array, label: Array, i: Array, j: Array) -> Array:
    """`[rows, rows]`: dot products of block i with block j, `_NONE` for those that do not count."""
    themselves = (i == j) & jnp.eye(label.shape[1], dtype=bool)
    count = (label[i][:, None] == label[j]) & (label[i][:, None] >= 0) & ~themselves
    return jnp.where(count, z[i] @ z[j].T, _NONE)


def _log_sum(similarities: Array, axis: int) -> tuple[Array, Array]:
    """A log-sum of exponentials as its largest term and the sum relative to it."""
    top = similarities.max(axis)
    return top, jnp.exp(similarities - jnp.expand_dims(top, axis)).sum(axis)


def _merged(a: tuple[Array, Array], b: tuple[Array, Array]) -> tuple[Array, Array]:
    top = jnp.maximum(a[0], b[0])
    return top, a[1] * jnp.exp(a[0] - top) + b[1] * jnp.exp(b[0] - top)


def _put(blocks: Array, block: Array, at: Array) -> Array:
    return lax.dynamic_update_index_in_dim(blocks, block, at, 0)
