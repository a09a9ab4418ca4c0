"""A contrast against a queue of earlier keys."""

import jax
import jax.numpy as jnp

from tsrl.types import Array


def queue_contrastive(anchors: Array, positives: Array, queue: Array, temperature: float) -> Array:
    """How well each anchor tells its positive from all keys in the queue; all rows are of unit length.

    Args:
      anchors: `[B, D]`.
      positives: `[B, D]`, that of each anchor.
      queue: `[K, D]` negatives.
      temperature: divides the similarities.

    Returns:
      `[B]` losses.

    References: He, Fan, Wu, Xie, Girshick (2020), Momentum Contrast, arXiv 1911.05722, equation 1.
    """
    positive = jnp.sum(anchors * positives, -1) / temperature
    negative = anchors @ queue.T / temperature
    return jax.nn.logsumexp(jnp.concatenate([positive[:, None], negative], 1), axis=1) - positive
