"""Contrasts whose positives come from a clustering."""

import jax
import jax.numpy as jnp

from tsrl.types import Array


def binary_contrastive(logits: Array, positive: Array, counts: Array) -> Array:
    """Each candidate by itself is said to be a positive or not.

    Args:
      logits: `[B, M]` similarities of each anchor and its candidates.
      positive: `[B, M]` or `[M]` bool.
      counts: `[B, M]` bool, the candidates that count.

    Returns:
      `[B]` binary cross-entropies, the mean over the candidates.

    References: Meng et al. (2023), MHCCL, arXiv 2212.01141, whose released code takes this in the place of a softmax.
    """
    losses = jax.nn.softplus(jnp.where(positive, -logits, logits))
    return jnp.where(counts, losses, 0).sum(-1) / jnp.maximum(counts.sum(-1), 1)


def margin_contrastive(anchors: Array, candidates: Array, positive: Array, counts: Array, margin: float) -> Array:
    """Squared distances to positives, and what negatives lie nearer than the margin, squared; both weigh the same.

    Args:
      anchors: `[B, D]`.
      candidates: `[N, D]`.
      positive: `[B, N]` bool.
      counts: `[B, N]` bool, the pairs that count.
      margin: distance beyond which a negative is far enough.

    Returns:
      `[B]` losses: half the mean over positives plus half the mean over negatives, of those there are.

    References: Hadsell, Chopra, LeCun (2006), Dimensionality Reduction by Learning an Invariant Mapping, equation 4; as
      in Sharma et al. (2020), CCL, arXiv 2004.02195.
    """
    squared = jnp.square(anchors[:, None] - candidates).sum(-1)
    # Under the root nothing is zero, which keeps the gradient finite.
    near = jnp.square(jnp.maximum(margin - jnp.sqrt(jnp.maximum(squared, 1e-12)), 0))
    found = jnp.zeros(len(anchors))
    for values, chosen in ((squared, positive & counts), (near, ~positive & counts)):
        found += jnp.where(chosen, values, 0).sum(-1) / jnp.maximum(chosen.sum(-1), 1)
    return found / 2
