"""Triplet losses: an anchor is like its positive and unlike its negatives."""

import jax
import jax.numpy as jnp

from tsrl.types import Array


def logistic_triplet(anchors: Array, positives: Array, negatives: Array, penalty: float = 1.0) -> Array:
    """`-log s(a . p) - penalty / K * sum_k log s(-a . n_k)` of each row, with the logistic function s.

    Args:
      anchors: `[B, D]`.
      positives: `[B, D]`.
      negatives: `[B, K, D]`.
      penalty: weight of the negatives' mean.

    Returns:
      `[B]`; `(1 + penalty) log 2` where the anchor is zero.

    References: Franceschi, Dieuleveut, Jaggi (2019), Unsupervised Scalable Representation Learning for Multivariate
      Time Series, arXiv 1901.10738, equation 1; the mean over negatives is that of the released code.
    """
    attracted = jax.nn.softplus(-(anchors * positives).sum(-1))
    repelled = jax.nn.softplus((anchors[:, None] * negatives).sum(-1)).mean(-1)
    return attracted + penalty * repelled


def semi_hard_triplet(anchors: Array, positives: Array, candidates: Array, negative: Array, margin: float) -> Array:
    """How much nearer than the margin allows a negative is, which is chosen for each pair.

    Of the negatives that are farther than the positive the nearest counts; where none is, the farthest of all.

    Args:
      anchors: `[B, D]`.
      positives: `[B, D]`, that of each anchor.
      candidates: `[N, D]`.
      negative: `[B, N]` bool, which candidates are negatives of a row.
      margin: how much farther than the positive a negative has to be, in squared distance.

    Returns:
      `[B]` losses; 0 where a row has no negative.

    References: Schroff, Kalenichenko, Philbin (2015), FaceNet, arXiv 1503.03832, equation 4.
    """
    own = jnp.square(anchors - positives).sum(-1)
    others = jnp.square(anchors[:, None] - candidates).sum(-1)
    beyond = negative & (others > own[:, None])
    nearest = jnp.where(beyond, others, jnp.inf).min(-1)
    farthest = jnp.where(negative, others, -jnp.inf).max(-1)
    chosen = jnp.where(beyond.any(-1), nearest, farthest)
    chosen = jnp.where(negative.any(-1), chosen, own + margin)
    return jnp.maximum(own - chosen + margin, 0)
