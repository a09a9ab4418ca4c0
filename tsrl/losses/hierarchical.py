"""TS2Vec's contrast: instance-wise and temporal, repeated on max-pooled scales.

References: Yue, Wang, Duan, Yang, Huang, Tong, Xu (2022), TS2Vec: Towards Universal Representation of Time Series,
arXiv 2106.10466, equations 1-3 and algorithm 1. The released code is followed where it differs from equation 3: each
scale counts `alpha` of the instance loss and `1 - alpha` of the temporal loss, and the sum is divided by the number of
scales. Similarities are raw dot products.
"""

import jax
import jax.numpy as jnp
from jax import lax

from tsrl.types import Array

Views = tuple[Array, Array, Array, Array]

# Scales of at most this many steps share one compiled loop.
_SHARED_STEPS = 16


def temporal_contrastive(z1: Array, z2: Array, length: Array | int | None = None) -> Array:
    """Each step against all other steps of the same series in both views; the same step of the other view is positive.

    Args:
      z1: `[B, T, D]` representations of the first view.
      z2: `[B, T, D]` the same steps in the second view.
      length: how many leading steps exist, an int or a traced scalar; the rest is padding. Default: all T.

    Returns:
      `[B]` losses, the mean over steps and both directions. Zero for a single step.

    References: TS2Vec, equation 1.
    """
    _check(z1, z2)
    steps = z1.shape[1]
    exists = _exists(steps, length)
    blocked = jnp.eye(2 * steps, dtype=bool) | ~jnp.tile(exists, 2)

    def one(a: Array, b: Array) -> Array:
        both = jnp.concatenate([a, b])
        normaliser = jax.nn.logsumexp(both @ both.T, where=~blocked, axis=-1)
        per_row = normaliser - jnp.tile(jnp.sum(a * b, -1), 2)
        return jnp.sum(per_row, where=jnp.tile(exists, 2)) / (2 * exists.sum())

    return jax.vmap(one)(z1, z2) if steps > 1 else jnp.zeros(z1.shape[0], z1.dtype)


def instance_contrastive(
    z1: Array,
    z2: Array,
    length: Array | int | None = None,
    *,
    candidates: tuple[Array, Array] | None = None,
    first_row: Array | int = 0,
) -> Array:
    """At each step, each series against all other series of the batch in both views; its other view is positive.

    Args:
      z1: `[B, T, D]` representations of the first view.
      z2: `[B, T, D]` the same steps in the second view.
      length: how many leading steps exist; default all T.
      candidates: both views `[G, T, D]` of the whole batch when z1, z2 are one device's share of it; default z1, z2.
      first_row: position of z1's first row in the candidates.

    Returns:
      `[B]` losses, the mean over steps and both directions. Zero for a batch of one.

    References: TS2Vec, equation 2.
    """
    _check(z1, z2)
    all1, all2 = (z1, z2) if candidates is None else candidates
    count, total = z1.shape[0], all1.shape[0]
    if total == 1:
        return jnp.zeros(count, z1.dtype)
    row = first_row + jnp.arange(count)
    # A row's own representation stands in the half of the candidates that holds its own view.
    own = jnp.concatenate([row, row + total])[:, None] == jnp.arange(2 * total)

    def at_one_step(a: Array, b: Array, all_a: Array, all_b: Array) -> Array:
        anchors, others = jnp.concatenate([a, b]), jnp.concatenate([all_a, all_b])
        normaliser = jax.nn.logsumexp(anchors @ others.T, where=~own, axis=-1)
        return (normaliser[:count] + normaliser[count:]) / 2 - jnp.sum(a * b, -1)

    per_step = jax.vmap(at_one_step, in_axes=1, out_axes=1)(z1, z2, all1, all2)
    exists = _exists(z1.shape[1], length)
    return jnp.sum(per_step, 1, where=exists) / exists.sum()


def hierarchical_contrastive(
    z1: Array,
    z2: Array,
    *,
    alpha: float = 0.5,
    temporal_unit: int = 0,
    length: Array | int | None = None,
    candidates: tuple[Array, Array] | None = None,
    first_row: Array | int = 0,
) -> Array:
    """The dual contrast on every scale from single steps to the whole series, max-pooled by 2 between scales.

    Args:
      z1: `[B, T, D]` representations of the first view.
      z2: `[B, T, D]` the same steps in the second view.
      alpha: weight of the instance contrast; the temporal contrast has `1 - alpha`.
      temporal_unit: the temporal contrast is skipped on this many finest scales.
      length: how many leading steps exist, an int or a traced scalar; the result equals that of the arrays cut to it.
      candidates: both views `[G, T, D]` of the whole batch, when z1, z2 are one device's share of it.
      first_row: position of z1's first row in the candidates.

    Returns:
      `[B]` losses; their mean is the published loss.

    Raises:
      ValueError: shapes that differ or are not of rank 3.

    References: TS2Vec, equation 3 and algorithm 1 (halves and division by the number of scales from the code).
    """
    _check(z1, z2)
    all1, all2 = (z1, z2) if candidates is None else candidates
    length = z1.shape[1] if length is None else length

    def at_scale(scale: Array | int, z: Views, steps: Array | int) -> Array:
        """The dual contrast of one scale `[B]`; zero when it has no step."""
        z1, z2, all1, all2 = z
        term = jnp.zeros(z1.shape[0], z1.dtype)
        if alpha != 0:
            term += alpha * instance_contrastive(z1, z2, steps, candidates=(all1, all2), first_row=first_row)
        if alpha != 1:
            # A scale of one step has no temporal contrast; rounding must not leave a residue of it.
            counts = (steps > 1) & (scale >= temporal_unit)
            term += jnp.where(counts, (1 - alpha) * temporal_contrastive(z1, z2, steps), 0)
        return jnp.where(steps >= 1, term, 0)

    z: Views = (z1, z2, all1, all2)
    total, scale = jnp.zeros(z1.shape[0], z1.dtype), 0
    while z[0].shape[1] > _SHARED_STEPS:
        total += at_scale(scale, z, length // 2**scale)
        z, scale = jax.tree.map(_pool, z), scale + 1
    # The remaining scales run in one loop, each padded to the largest of them: one compilation instead of up to five.
    size = z[0].shape[1]

    def padded_scale(carry: tuple[Views, Array], scale: Array) -> tuple[tuple[Views, Array], None]:
        z, total = carry
        total += at_scale(scale, z, length // 2**scale)
        return (jax.tree.map(lambda view: _pad(_pool(view), size), z), total), None

    (_, total), _ = lax.scan(padded_scale, (z, total), jnp.arange(scale, scale + size.bit_length()))
    return total / jnp.sum(length >= 2 ** jnp.arange(scale + size.bit_length()))


def _pad(z: Array, steps: int) -> Array:
    return jnp.pad(z, ((0, 0), (0, steps - z.shape[1]), (0, 0)))


def _pool(z: Array) -> Array:
    half = z.shape[1] // 2
    return z[:, : 2 * half].reshape(z.shape[0], half, 2, z.shape[2]).max(2)


def _exists(steps: int, length: Array | int | None) -> Array:
    # At least one step counts as existing, so that a scale beyond the true length stays finite until it is dropped.
    return jnp.arange(steps) < (steps if length is None else jnp.maximum(length, 1))


def _check(z1: Array, z2: Array) -> None:
    if z1.ndim != 3 or z1.shape != z2.shape:
        raise ValueError(f"z1, z2: found shapes {z1.shape} and {z2.shape}, want twice the same [B, T, D]")
