"""TS2Vec's contrast: instance-wise and temporal, repeated on max-pooled scales.

References: Yue, Wang, Duan, Yang, Huang, Tong, Xu (2022), TS2Vec: Towards Universal Representation of Time Series,
arXiv 2106.10466, equations 1-3 and algorithm 1. The released code is followed where it differs from equation 3: each
scale counts `alpha` of the instance loss and `1 - alpha` of the temporal loss, and the sum is divided by the number of
scales. Similarities are raw dot products.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from tsrl.losses.log_normaliser import Layout, layout, log_normalisers
from tsrl.types import Array


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
    length = jnp.asarray(steps if length is None else length)
    exists = (jnp.arange(steps) < length) & (length > 1)
    where = layout([2 * steps])
    z = _side_by_side([jnp.stack([z1, z2], 2)], where)
    per_step = _temporal_normalisers(z, length[None], where)[:, :steps] - jnp.sum(z1 * z2, -1)
    return jnp.sum(per_step, 1, where=exists) / jnp.maximum(length, 1)


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
    steps = z1.shape[1]
    length = steps if length is None else length
    if len(z1 if candidates is None else candidates[0]) == 1:
        return jnp.zeros(len(z1), z1.dtype)
    everyone = None if candidates is None else jnp.stack(candidates, 2)
    per_step = _instance_normalisers(jnp.stack([z1, z2], 2), everyone, first_row) - jnp.sum(z1 * z2, -1)
    return jnp.sum(per_step, 1, where=jnp.arange(steps) < length) / length


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
    # All scales stand one after another on the time axis, so that each part of the loss is one call for all of them.
    sizes = [z1.shape[1] >> scale for scale in range(z1.shape[1].bit_length())]
    where = layout([2 * size for size in sizes])
    z = _side_by_side(_scales(jnp.stack([z1, z2], 2)), where)
    lengths = jnp.asarray(z1.shape[1] if length is None else length) >> jnp.arange(len(sizes))
    positive = _between_views(z)

    def mean_of_scales(normalisers: Array, counts: Array) -> Array:
        """The contrast `[B]`, averaged over the steps of a scale and over scales; only scales that count are added."""
        step, start = jnp.arange(z.shape[1]), jnp.array(where.starts)[:, None] // 2
        exists = (step >= start) & (step < start + lengths[:, None]) & counts[:, None]
        weight = (exists / jnp.maximum(lengths, 1)[:, None]).sum(0) / jnp.sum(lengths >= 1)
        return (normalisers - positive) @ weight

    total = jnp.zeros(len(z), z.dtype)
    everyone = None if candidates is None else _side_by_side(_scales(jnp.stack(candidates, 2)), where)
    if alpha != 0 and len(z if everyone is None else everyone) > 1:
        total += alpha * mean_of_scales(_instance_normalisers(z, everyone, first_row), lengths >= 1)
    if alpha != 1:
        # A scale of one step has no temporal contrast.
        counts = (lengths > 1) & (jnp.arange(len(sizes)) >= temporal_unit)
        total += (1 - alpha) * mean_of_scales(_temporal_normalisers(z, lengths, where), counts)
    return total


def _scales(z: Array) -> list[Array]:
    """`[B, T, 2, D]` and its halvings by max-pooling, down to one step."""
    scales = [z]
    while z.shape[1] > 1:
        half = z.shape[1] // 2
        z = _larger(z[:, : 2 * half].reshape(len(z), half, 2, *z.shape[2:]))
        scales.append(z)
    return scales


def _side_by_side(scales: Sequence[Array], where: Layout) -> Array:
    """`[B, T_i, 2, D]` each at its place on one time axis: `[B, S, 2, D]`, zeros between."""
    pieces, end = [], 0
    for z, start in zip(scales, where.starts, strict=True):
        pieces += [jnp.zeros((len(z), start // 2 - end, *z.shape[2:]), z.dtype), z]
        end = start // 2 + z.shape[1]
    pieces.append(jnp.zeros((len(z), where.total // 2 - end, *z.shape[2:]), z.dtype))
    return jnp.concatenate(pieces, 1)


@jax.custom_vjp
def _between_views(z: Array) -> Array:
    """`[B, S, 2, D] -> [B, S]`: the dot product of the two views. Its own derivative is one pass over z; that of the
    two slices would be padded and added up."""
    return jnp.sum(z[:, :, 0] * z[:, :, 1], -1)


_between_views.defvjp(
    lambda z: (_between_views(z), z), lambda z, cotangent: (cotangent[..., None, None] * z[:, :, ::-1],)
)


@jax.custom_vjp
def _products(z: Array) -> Array:
    """`[S, N, D] -> [S, N, N]`: dot products of all rows. Its own derivative is one product instead of two."""
    return z @ z.swapaxes(1, 2)


_products.defvjp(lambda z: (_products(z), z), lambda z, cotangent: ((cotangent + cotangent.swapaxes(1, 2)) @ z,))


@jax.custom_vjp
def _larger(pairs: Array) -> Array:
    """The maximum over axis 2 of size 2. The gradient goes to one of the two, the first of equals, as max-pooling's
    does; that of `jnp.max` counts and divides, in several passes over the largest arrays of the loss."""
    return pairs.max(2)


def _larger_forward(pairs: Array) -> tuple[Array, Array]:
    return pairs.max(2), pairs[:, :, 0] >= pairs[:, :, 1]


def _larger_backward(first: Array, cotangent: Array) -> tuple[Array]:
    return (jnp.stack([jnp.where(first, cotangent, 0), jnp.where(first, 0, cotangent)], 2),)


_larger.defvjp(_larger_forward, _larger_backward)


def _temporal_normalisers(z: Array, lengths: Array, where: Layout) -> Array:
    """`[B, S, 2, D] -> [B, S]`: over all other steps of the scale in both views, the mean of both anchors."""
    rows = z.reshape(len(z), where.total, -1)
    return log_normalisers(rows, 2 * lengths, where).reshape(*z.shape[:2], 2).mean(2)


def _instance_normalisers(z: Array, everyone: Array | None, first_row: Array | int) -> Array:
    """`[B, S, 2, D] -> [B, S]`: over all other series at the step in both views, the mean of both anchors.

    `everyone` `[G, S, 2, D]` is the whole batch where z is a share of it; None: z is.
    """
    rows, total = len(z), len(z if everyone is None else everyone)
    own = jnp.concatenate([first_row + jnp.arange(rows) + view * total for view in range(2)])
    # A row's own representation stands in the half of the candidates that holds its own view.
    blocked = own[:, None] == jnp.arange(2 * total)
    anchors = _by_step(z)
    similarities = _products(anchors) if everyone is None else anchors @ _by_step(everyone).swapaxes(1, 2)
    normalisers = jax.nn.logsumexp(similarities, where=~blocked, axis=-1)
    return normalisers.reshape(-1, 2, rows).mean(1).T


def _by_step(z: Array) -> Array:
    """`[B, S, 2, D] -> [S, 2 * B, D]`, all first views, then all second views."""
    return z.transpose(1, 2, 0, 3).reshape(z.shape[1], 2 * len(z), -1)


def _check(z1: Array, z2: Array) -> None:
    if z1.ndim != 3 or z1.shape != z2.shape:
        raise ValueError(f"z1, z2: found shapes {z1.shape} and {z2.shape}, want twice the same [B, T, D]")
