"""Softmax contrasts of one vector for each series: its counterpart against the rest of the batch."""

import jax
import jax.numpy as jnp

from tsrl.types import Array


def info_nce(
    anchors: Array, counterparts: Array, *, candidates: Array | None = None, ignored: Array | None = None
) -> Array:
    """How well each anchor tells its counterpart from those of the other series, by dot products.

    Args:
      anchors: `[B, ..., D]`; what lies between the batch and the width is contrasted by itself.
      counterparts: `[B, ..., D]`.
      candidates: the counterparts `[N, ..., D]` of the whole batch when these are one device's share; default: these.
      ignored: `[B, N]` bool, candidates that are no negatives of a row; never its own counterpart. Default: none.

    Returns:
      `[B, ...]` losses; 0 for a batch of one.

    References: van den Oord, Li, Vinyals (2018), Contrastive Predictive Coding, arXiv 1807.03748, equation 4, with the
      product itself as the score.
    """
    everyone = counterparts if candidates is None else candidates
    scores = jnp.einsum("b...d,n...d->b...n", anchors, everyone)
    positive = jnp.sum(anchors * counterparts, -1)
    if ignored is not None:
        between = ignored.reshape(len(anchors), *(1,) * (anchors.ndim - 2), -1)
        scores = jnp.where(between, -jnp.inf, scores)
    return jax.nn.logsumexp(scores, -1) - positive


def nt_xent(
    z1: Array,
    z2: Array,
    temperature: float,
    *,
    cosine: bool = True,
    candidates: tuple[Array, Array] | None = None,
    first_row: Array | int = 0,
    ignored: Array | None = None,
) -> Array:
    """Each view of a series against both views of all others; the series' other view is positive.

    Args:
      z1: `[B, D]` first views.
      z2: `[B, D]` second views.
      temperature: divides the similarities.
      cosine: similarities are cosines; otherwise dot products.
      candidates: both views `[N, D]` of the whole batch when z1, z2 are one device's share of it; default z1, z2.
      first_row: position of z1's first row in the candidates.
      ignored: `[B, N]` bool, series that are no negatives of a row; never itself. Default: none.

    Returns:
      `[B]` losses, the mean over both views; 0 for a batch of one.

    References: Chen, Kornblith, Norouzi, Hinton (2020), SimCLR, arXiv 2002.05709, equation 1.
    """
    everyone = (z1, z2) if candidates is None else candidates
    if cosine:
        z1, z2 = unit(z1), unit(z2)
        everyone = (unit(everyone[0]), unit(everyone[1]))
    keys, count = jnp.concatenate(everyone), len(everyone[0])
    positive = jnp.sum(z1 * z2, -1) / temperature
    rows = first_row + jnp.arange(len(z1))
    total = jnp.zeros(len(z1))
    for view, anchors in enumerate((z1, z2)):
        scores = anchors @ keys.T / temperature
        left_out = jnp.arange(2 * count) == (rows + view * count)[:, None]
        if ignored is not None:
            left_out |= jnp.tile(ignored, 2)
        total += jax.nn.logsumexp(jnp.where(left_out, -jnp.inf, scores), -1) - positive
    return total / 2


def unit(z: Array) -> Array:
    """`[..., D]` at length 1; as PyTorch's `normalize`, a norm counts as at least 1e-12."""
    return z / jnp.sqrt(jnp.maximum(jnp.sum(z * z, -1, keepdims=True), 1e-24))
