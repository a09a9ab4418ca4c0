"""Logarithms of softmax normalisers over pairs of rows, in memory linear in the rows.

Rows of one series, against each other: the matrix of similarities is walked in square blocks and never held; the
forward pass keeps one number a row, the backward pass makes the blocks again. The matrix is symmetric, so each block
off the diagonal is made once and used for its rows and its columns. Rows of one step, of all series: a small matrix
for each step. Loops end with the rows that exist, so padding costs no block. The gradients are functions of their own,
which add to an array that is there already.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from tsrl.buckets import largest_under_vmap
from tsrl.types import Array

# Stands for a similarity that does not count; finite, so that differences of two of them are.
_NONE = -1e30
# Rows of a block: small blocks waste less beyond the rows that exist, large ones are faster products. On two cores, at
# width 320 and 600 to 6,000 rows, of 128, 144, 160, 176, 192, 224, 256, 320 this is the best or within 4 %.
_ROWS = 160


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
    rows = min(_ROWS, -(-sum(sizes) // 16) * 16)
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


class Blocks(NamedTuple):
    """Which blocks and rows exist.

    Attributes:
      label: `[blocks, rows]` int, the group of a row, -1 where none exists.
      ends: `[walks]` int, one past the last block of each walk that has rows; under `vmap` that of the longest.
    """

    label: Array
    ends: Array


def existing(counts: Array, where: Layout) -> Blocks:
    """The rows of groups of which the first `counts` `[groups]` exist."""
    row, start = jnp.arange(where.total), jnp.array(where.starts)[:, None]
    inside = (row >= start) & (row < start + counts[:, None])
    label = jnp.where(inside, jnp.arange(len(counts))[:, None], -1).max(0).reshape(-1, where.rows)
    # The last walk is one block, whatever its groups count.
    ends = jnp.array(where.firsts) + jnp.maximum(-(-counts[: len(where.firsts)] // where.rows), 1)
    return Blocks(label, largest_under_vmap(ends))


def within_series(z: Array, blocks: Blocks, firsts: tuple[int, ...]) -> Array:
    """The logarithm of the summed exponentials of each row's dot products with the other rows of its group.

    Args:
      z: `[B, blocks, rows, D]`; anything finite where no row exists.
      blocks: from `existing`.
      firsts: the layout's.

    Returns:
      `[B, blocks, rows]`; 0 for a row that does not exist or is alone in its group.
    """

    def of_one(z: Array) -> Array:
        def row_block(i: Array, end: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
            def block(j: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
                top, total, tops, totals = carry
                similarities = _similarities(z, blocks.label, i, j)
                top, total = _merged((top, total), _log_sum(similarities, 1))
                below = _merged((tops[j], totals[j]), _log_sum(similarities, 0))
                return top, total, _put(tops, below[0], j), _put(totals, below[1], j)

            # What the block on the diagonal adds to its columns is overwritten by its rows' sums: no case of its own.
            top, total, tops, totals = lax.fori_loop(i, end, block, (sums[0][i], sums[1][i], *sums))
            return _put(tops, top, i), _put(totals, total, i)

        start = (jnp.full(z.shape[:2], _NONE, z.dtype), jnp.zeros(z.shape[:2], z.dtype))
        tops, totals = _each_block(row_block, start, blocks.ends, firsts)
        return jnp.where(tops > _NONE / 2, tops + jnp.log(totals), 0)

    return jax.vmap(of_one)(z)


def add_within_series(
    gradient: Array, z: Array, normalisers: Array, cotangent: Array, blocks: Blocks, firsts: tuple[int, ...]
) -> Array:
    """`gradient` `[B, blocks, rows, D]` plus that of `within_series` for a `cotangent` of its `normalisers`."""

    def of_one(gradient: Array, z: Array, normalisers: Array, cotangent: Array) -> Array:
        def row_block(i: Array, end: Array, gradient: Array) -> Array:
            own, weight = normalisers[i][:, None], cotangent[i][:, None]

            def block(j: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
                total, gradient = carry
                similarities = _similarities(z, blocks.label, i, j)
                # How a product of two rows moves the weighted sum of both rows' normalisers.
                shares = weight * jnp.exp(similarities - own) + cotangent[j] * jnp.exp(similarities - normalisers[j])
                return total + shares @ z[j], _put(gradient, gradient[j] + shares.T @ z[i], j)

            total, gradient = lax.fori_loop(i, end, block, (gradient[i], gradient))
            return _put(gradient, total, i)

        return _each_block(row_block, gradient, blocks.ends, firsts)

    return jax.vmap(of_one)(gradient, z, normalisers, cotangent)


def across_series(
    z: Array, blocks: Blocks, firsts: tuple[int, ...], everyone: Array | None = None, first_row: Array | int = 0
) -> Array:
    """As `within_series`, of each row's dot products with the rows of both views of its step in all series but itself.

    Rows 2t and 2t + 1 of a group are the two views of step t.

    Args:
      z: `[B, blocks, rows, D]`.
      blocks: from `existing`.
      firsts: the layout's.
      everyone: `[G, blocks, rows, D]`, the whole batch of which z is a share; default: z is the batch.
      first_row: position of z's first series in it.
    """

    def block(k: Array, end: Array, normalisers: Array) -> Array:
        del end
        anchors = _by_step(z[:, k])
        others = anchors if everyone is None else _by_step(everyone[:, k])
        found = jax.nn.logsumexp(_but_themselves(anchors, others, first_row), -1)
        return _put(normalisers, _by_series(found[..., None])[..., 0], k, 1)

    return _each_block(block, jnp.zeros(z.shape[:3], z.dtype), blocks.ends, firsts)


def add_across_series(
    gradient: Array,
    z: Array,
    normalisers: Array,
    cotangent: Array,
    blocks: Blocks,
    firsts: tuple[int, ...],
    whole: tuple[Array, Array, Array, Array] | None = None,
) -> Array:
    """`gradient` `[B, blocks, rows, D]` plus that of `across_series` for a `cotangent` of its `normalisers`.

    Where z is a share of the batch, `whole` has the batch, its normalisers and their cotangents `[G, ...]`, and the
    position of z's first series: the gradient is then that of the normalisers of the whole batch.
    """
    everyone, their_normalisers, their_cotangent, first_row = (z, normalisers, cotangent, 0) if whole is None else whole

    def block(k: Array, end: Array, gradient: Array) -> Array:
        del end
        own, weight = (_by_step(array[:, k, :, None]) for array in (normalisers, cotangent))
        anchors = _by_step(z[:, k])
        if whole is None:
            shares = weight * jnp.exp(_but_themselves(anchors, anchors, first_row) - own)
            added = (shares + shares.swapaxes(1, 2)) @ anchors
        else:
            others = _by_step(everyone[:, k])
            theirs, their_weight = (
                _by_step(array[:, k, :, None]).swapaxes(1, 2) for array in (their_normalisers, their_cotangent)
            )
            similarities = _but_themselves(anchors, others, first_row)
            shares = weight * jnp.exp(similarities - own) + their_weight * jnp.exp(similarities - theirs)
            added = shares @ others
        return _put(gradient, gradient[:, k] + _by_series(added), k, 1)

    return _each_block(block, gradient, blocks.ends, firsts)


def _but_themselves(anchors: Array, others: Array, first_row: Array | int) -> Array:
    """Dot products of the rows of a step with those of all series, `_NONE` for a row with itself.

    Args:
      anchors: `[S, 2 * B, D]`.
      others: `[S, 2 * G, D]`.
      first_row: position of the first of the B series among the G.
    """
    count, total = anchors.shape[1] // 2, others.shape[1] // 2
    row = jnp.arange(2 * count)
    themselves = (row % count + first_row + (row // count) * total)[:, None] == jnp.arange(2 * total)
    return jnp.where(themselves, _NONE, anchors @ others.swapaxes(1, 2))


def _by_step(z: Array) -> Array:
    """`[B, 2 * S, D] -> [S, 2 * B, D]`, all first views, then all second views."""
    rows, _, width = z.shape
    return z.reshape(rows, -1, 2, width).transpose(1, 2, 0, 3).reshape(-1, 2 * rows, width)


def _by_series(z: Array) -> Array:
    """The inverse of `_by_step`."""
    steps, rows, width = z.shape
    return z.reshape(steps, 2, rows // 2, width).transpose(2, 0, 1, 3).reshape(rows // 2, -1, width)


def _each_block(step, start, ends: Array, firsts: tuple[int, ...]):  # type: ignore[no-untyped-def]
    """Folds `step(i, end, carry)` over the blocks of every walk."""
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


def _put(blocks: Array, block: Array, at: Array, axis: int = 0) -> Array:
    return lax.dynamic_update_index_in_dim(blocks, block, at, axis)
