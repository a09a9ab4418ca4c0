"""The logistic triplet loss: an anchor is like its positive and unlike its negatives, by inner products."""

import jax

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
