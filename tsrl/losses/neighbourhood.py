"""Telling neighbours from windows far away, some of which are like them all the same."""

import jax

from tsrl.types import Array


def positive_unlabelled(neighbours: Array, others: Array, weight: float) -> Array:
    """Cross-entropy of a discriminator that is to call neighbours positive; others are unlabelled.

    Args:
      neighbours: `[B, M]` logits of pairs of an anchor and a neighbour.
      others: `[B, M]` logits of pairs of an anchor and a window from beyond the neighbourhood.
      weight: share w of these that count as positive; `1 - w` count as negative.

    Returns:
      `[B]`: half of the mean over pairs of both terms.

    References: Tonekaboni, Eytan, Goldenberg (2021), Unsupervised Representation Learning for Time Series with Temporal
      Neighborhood Coding, arXiv 2106.00750, equation 2.
    """
    positive = jax.nn.softplus(-neighbours).mean(-1)
    unlabelled = (weight * jax.nn.softplus(-others) + (1 - weight) * jax.nn.softplus(others)).mean(-1)
    return (positive + unlabelled) / 2
