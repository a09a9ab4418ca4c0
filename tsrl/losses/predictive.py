"""Reconstruction of what was seen: mean squared error over observed values."""

import jax.numpy as jnp

from tsrl.types import Array


def predictive_error(predictions: Array, targets: Array, observed: Array | None = None) -> Array:
    """Mean squared error of each row over its observed values.

    Args:
      predictions: `[B, ...]`.
      targets: of the same shape.
      observed: bool of the same shape, True = counts; None = all do.

    Returns:
      `[B]`; 0 for a row without an observed value.

    References: TimeDRL (arXiv 2312.04142), timestamp-predictive task.
    """
    axes = tuple(range(1, predictions.ndim))
    squared = jnp.square(predictions - targets)
    if observed is None:
        return squared.mean(axes)
    return jnp.where(observed, squared, 0).sum(axes) / jnp.maximum(observed.sum(axes), 1)
