"""Similarity of two views without negatives."""

import jax.numpy as jnp

from tsrl.types import Array


def negative_cosine(predictions: Array, targets: Array) -> Array:
    """Minus the cosine of the angle between vectors: `[..., D] -> [...]`.

    Args:
      predictions: `[..., D]`.
      targets: `[..., D]`; stop its gradient where the method does.

    Returns:
      Values in [-1, 1]; 0 where a vector is zero.

    References: Chen and He (2021), Exploring Simple Siamese Representation Learning, arXiv 2011.10566, equation 1. As
      PyTorch's `cosine_similarity`, each norm counts as at least 1e-8.
    """
    # Under the root nothing is zero, which keeps the gradient finite.
    lengths = [jnp.sqrt(jnp.maximum(jnp.square(vectors).sum(-1), 1e-16)) for vectors in (predictions, targets)]
    return -(predictions * targets).sum(-1) / (lengths[0] * lengths[1])
