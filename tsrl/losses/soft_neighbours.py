"""How much nearer each row is to its class than to the others, leaving itself out: trains distances, not directions.

References: Goldberger, Roweis, Hinton, Salakhutdinov (2004), Neighbourhood Components Analysis, NeurIPS 17, in the form
of Frosst, Papernot, Hinton (2019), Analyzing and Improving Representations with the Soft Nearest Neighbor Loss, arXiv
1902.01889, equation 1.
"""

import jax
import jax.numpy as jnp

from tsrl.losses.leave_one_out import standardised
from tsrl.types import Array


def soft_neighbours(features: Array, labels: Array, temperature: float = 0.1) -> Array:
    """Negative log of the chance that a row, choosing a neighbour by distance, chooses one of its own class.

    Args:
      features: `[N, D]`, standardised here over the rows.
      labels: `[N]` int.
      temperature: of the mean squared difference of a feature, 2 for two rows that have nothing in common.

    Returns:
      `[N]`; 0 for the only row of a class, which no neighbour could be of.
    """
    z = standardised(features)
    lengths = (z**2).sum(1)
    distance = (lengths[:, None] - 2 * z @ z.T + lengths) / z.shape[1]
    logits = jnp.where(jnp.eye(len(z), dtype=bool), -jnp.inf, -distance / temperature)
    own = (labels[:, None] == labels) & ~jnp.eye(len(z), dtype=bool)
    some = own.any(1)
    # A row of another class stands in where there is none of its own: the log of nothing has no finite slope.
    among = jax.nn.logsumexp(jnp.where(own | ~some[:, None], logits, -jnp.inf), axis=1)
    return jnp.where(some, jax.nn.logsumexp(logits, axis=1) - among, 0)
