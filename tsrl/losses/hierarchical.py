"""TS2Vec's contrast: instance-wise and temporal, repeated on max-pooled scales.

References: Yue, Wang, Duan, Yang, Huang, Tong, Xu (2022), TS2Vec: Towards Universal Representation of Time Series,
arXiv 2106.10466, equations 1-3 and algorithm 1. The released code is followed where it differs from equation 3: each
scale counts `alpha` of the instance loss and `1 - alpha` of the temporal loss, and the sum is divided by the number of
scales. Similarities are raw dot products.
"""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp

from tsrl.losses.log_normaliser import (
    Layout,
    across_series,
    add_across_series,
    add_within_series,
    existing,
    layout,
    within_series,
)
from tsrl.types import Array

Gather = Callable[[Array], Array]


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
    z = _side_by_side([_stacked((z1, z2), length)], where)
    normalisers, _, positive = _compared(z, length[None], jnp.asarray(0), where, True, False, None)
    return jnp.sum((normalisers - positive)[:, :steps], 1, where=exists) / jnp.maximum(length, 1)


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
    everyone = (z1, z2) if candidates is None else candidates
    if len(everyone[0]) == 1:
        return jnp.zeros(len(z1), z1.dtype)
    z = _stacked((z1, z2), length)
    normalisers = _instance_normalisers(z, _stacked(everyone, length), first_row)
    per_step = normalisers - jnp.sum(z[:, :, 0] * z[:, :, 1], -1)
    return jnp.sum(per_step, 1, where=jnp.arange(steps) < length) / length


def hierarchical_contrastive(
    z1: Array,
    z2: Array,
    *,
    alpha: float = 0.5,
    temporal_unit: int = 0,
    length: Array | int | None = None,
    gather: Gather | None = None,
    first_row: Array | int = 0,
) -> Array:
    """The dual contrast on every scale from single steps to the whole series, max-pooled by 2 between scales.

    Args:
      z1: `[B, T, D]` representations of the first view.
      z2: `[B, T, D]` the same steps in the second view.
      alpha: weight of the instance contrast; the temporal contrast has `1 - alpha`.
      temporal_unit: the temporal contrast is skipped on this many finest scales.
      length: how many leading steps exist, an int or a traced scalar; the result equals that of the arrays cut to it.
      gather: of a device that holds a share of the batch: `[B, ...] -> [G, ...]`, the shares of all devices. The
        gradient with respect to z1 and z2 is then that of the sum of all devices' losses, as if gradients had been sent
        back through `gather`; each device makes its own share of it, and only log-normalisers are sent once more.
      first_row: position of z1's first row in the whole batch.

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
    length = z1.shape[1] if length is None else length
    z = _side_by_side(_scales(_stacked((z1, z2), length)), where)
    lengths = jnp.asarray(length) >> jnp.arange(len(sizes))
    # There are several devices where there is something to gather, hence several rows.
    instance = alpha != 0 and (len(z) > 1 or gather is not None)
    temporal, across, positive = _compared(z, lengths, jnp.asarray(first_row), where, alpha != 1, instance, gather)

    def mean_of_scales(normalisers: Array, counts: Array) -> Array:
        """The contrast `[B]`, averaged over the steps of a scale and over scales; only scales that count are added."""
        step, start = jnp.arange(z.shape[1]), jnp.array(where.starts)[:, None] // 2
        exists = (step >= start) & (step < start + lengths[:, None]) & counts[:, None]
        weight = (exists / jnp.maximum(lengths, 1)[:, None]).sum(0) / jnp.sum(lengths >= 1)
        return jnp.sum((normalisers - positive) * weight, -1)

    total = jnp.zeros(len(z), z.dtype)
    if instance:
        total += alpha * mean_of_scales(across, lengths >= 1)
    if alpha != 1:
        # A scale of one step has no temporal contrast.
        counts = (lengths > 1) & (jnp.arange(len(sizes)) >= temporal_unit)
        total += (1 - alpha) * mean_of_scales(temporal, counts)
    return total


def _stacked(views: tuple[Array, Array], length: Array | int) -> Array:
    """Two `[B, T, D]` as `[B, T, 2, D]`, zeros beyond `length`: nothing there reaches a loss, whatever it is."""
    z = jnp.stack(views, 2)
    return jnp.where((jnp.arange(z.shape[1]) < length)[:, None, None], z, 0)


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


@partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5, 6))
def _compared(
    z: Array,
    lengths: Array,
    first_row: Array,
    where: Layout,
    temporal: bool,
    instance: bool,
    gather: Gather | None,
) -> tuple[Array, Array, Array]:
    """What each step is compared with; one function, so that the gradients meet in one array, the largest of the loss.

    Args:
      z: `[B, S, 2, D]`, scales side by side.
      lengths: `[scales]` steps that exist of each.
      first_row: see `hierarchical_contrastive`.
      where: the places of the scales' rows.
      temporal: whether the first result is asked for; zeros otherwise.
      instance: whether the second is.
      gather: see `hierarchical_contrastive`.

    Returns:
      Three arrays `[B, S]`: the log-normaliser over all other steps of the scale in both views; that over all other
      series at the step in both views; the dot product of the two views. The first two are means of both anchors.
    """
    return _compared_forward(z, lengths, first_row, where, temporal, instance, gather)[0]


def _compared_forward(z, lengths, first_row, where, temporal, instance, gather):  # type: ignore[no-untyped-def]
    blocks, rows = existing(2 * lengths, where), z.reshape(len(z), -1, where.rows, z.shape[-1])
    none = jnp.zeros(rows.shape[:3], z.dtype)
    within = within_series(rows, blocks, where.firsts) if temporal else none
    everyone = gather(rows) if instance and gather is not None else None
    across = across_series(rows, blocks, where.firsts, everyone, first_row) if instance else none
    of_anchors = [normalisers.reshape(z.shape[:3]).mean(2) for normalisers in (within, across)]
    made = (*of_anchors, jnp.sum(z[:, :, 0] * z[:, :, 1], -1))
    return made, (rows, blocks, first_row, within, across, everyone)


def _compared_backward(where, temporal, instance, gather, kept, cotangents):  # type: ignore[no-untyped-def]
    rows, blocks, first_row, within, across, everyone = kept
    for_within, for_across = (jnp.repeat(c / 2, 2, 1).reshape(within.shape) for c in cotangents[:2])
    z = rows.reshape(len(rows), -1, 2, rows.shape[-1])
    gradient = (cotangents[2][..., None, None] * z[:, :, ::-1]).reshape(rows.shape)
    if instance:
        others = None if everyone is None else (everyone, gather(across), gather(for_across), first_row)
        gradient = add_across_series(gradient, rows, across, for_across, blocks, where.firsts, others)
    if temporal:
        gradient = add_within_series(gradient, rows, within, for_within, blocks, where.firsts)
    return gradient.reshape(z.shape), None, None


_compared.defvjp(_compared_forward, _compared_backward)


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


def _instance_normalisers(z: Array, everyone: Array, first_row: Array | int) -> Array:
    """`[B, S, 2, D] -> [B, S]`: over all other series at the step in both views, the mean of both anchors.

    `everyone` `[G, S, 2, D]` is the whole batch, of which z is a share.
    """
    rows, total = len(z), len(everyone)
    own = jnp.concatenate([first_row + jnp.arange(rows) + view * total for view in range(2)])
    # A row's own representation stands in the half of the candidates that holds its own view.
    blocked = own[:, None] == jnp.arange(2 * total)
    anchors, others = (array.transpose(1, 2, 0, 3).reshape(z.shape[1], -1, z.shape[3]) for array in (z, everyone))
    normalisers = jax.nn.logsumexp(anchors @ others.swapaxes(1, 2), where=~blocked, axis=-1)
    return normalisers.reshape(-1, 2, rows).mean(1).T


def _check(z1: Array, z2: Array) -> None:
    if z1.ndim != 3 or z1.shape != z2.shape:
        raise ValueError(f"z1, z2: found shapes {z1.shape} and {z2.shape}, want twice the same [B, T, D]")
