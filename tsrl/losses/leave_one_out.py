"""How well a ridge classifier of all other rows tells each row: a loss that trains representations to be read so.

References: Bertinetto, Henriques, Torr, Vedaldi (2019), Meta-learning with differentiable closed-form solvers, arXiv
1805.08136, whose R2-D2 solves ridge regression inside the loss, on rows apart from those that are judged. Here every
row is judged by the solution of the others, which costs one matrix inverse for all.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from tsrl.types import Array

# Of a feature's variance: one that is constant in the rows stays at zero.
_EPSILON = 1e-5


def leave_one_out_ridge(
    features: Array, labels: Array, classes: int, penalties: Sequence[float] = (0.01, 0.1), temperature: float = 1 / 6
) -> Array:
    """Cross-entropy of every row under ridge regression of the others' standardised features.

    Mean and deviation of the features, and the mean of the one-hot labels, are those of all rows.

    Args:
      features: `[N, D]`.
      labels: `[N]` int, 0 to `classes - 1`; a class without rows is never predicted.
      classes: K, static.
      penalties: of the ridge, relative to the mean squared length of a row; the loss is the mean over them.
      temperature: of the softmax over the regression's predictions, which are near 0 and 1.

    Returns:
      `[N]`.
    """
    z = standardised(features)
    # 1 / N keeps what all rows share, the intercept, out of the penalty's reach.
    kernel = z @ z.T / z.shape[1] + 1 / len(z)
    targets = jax.nn.one_hot(labels, classes)
    present = targets.any(0)
    targets = targets - targets.mean(0)

    def with_penalty(penalty: float) -> Array:
        inverse = jnp.linalg.inv(kernel + penalty * jnp.eye(len(z)))
        # The solution without row i predicts for it what this leaves of its target (Allen's PRESS).
        predicted = targets - inverse @ targets / jnp.diag(inverse)[:, None]
        logits = jnp.where(present, predicted / temperature, -jnp.inf)
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1)[:, 0]

    return jnp.stack([with_penalty(penalty) for penalty in penalties]).mean(0)


def standardised(features: Array) -> Array:
    """Every feature `[N, D]` at mean 0 and deviation 1 over the rows; one that is constant is zeros."""
    z = features - features.mean(0)
    return z / jnp.sqrt((z**2).mean(0) + _EPSILON)
