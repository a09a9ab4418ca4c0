"""From the blocks of an encoder to one vector for a series: a read-out that wastes little."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from tsrl.errors import InputError
from tsrl.types import Array

# Steepness of the sigmoid whose slope stands for that of a step function, for values of unit scale.
_STEEPNESS = 4.0


def rich_readout(layers: Sequence[Array], mask: Array) -> Array:
    """Max, mean, standard deviation and share of positive values over time, of every block of an encoder.

    TS2Vec's read-out is one maximum over the last block. This one, with `evaluate_ridge`, tells whether a
    representation is poor or was only read poorly: an untrained encoder gains most from it. It can be compiled, and
    trained through: the share, which has no slope, has that of a steep sigmoid.

    Args:
      layers: outputs of the blocks, each `[N, S_i, D_i]`.
      mask: `[N, S]` true where a step is observed; the others count for nothing, whatever they hold. An output of a
        block that has not S steps, of an encoder that shortens the series, counts where any of the steps that it stands
        for is observed: output s for those from `s * S / S_i` on, up to the next one's first.

    Returns:
      `[N, 4 * sum(D_i)]`: block by block, its maxima, means, standard deviations (of the population) and shares of
      values above zero. A row without any observed step is all zeros.

    Raises:
      InputError: no blocks, or shapes that do not fit the mask's.
    """
    if not layers or mask.ndim != 2 or any(z.ndim != 3 or len(z) != len(mask) for z in layers):
        raise InputError(f"layers: found shapes {[z.shape for z in layers]}, want [N, S, D] with mask's {mask.shape}")
    observed = jnp.asarray(mask, bool)
    parts: list[Array] = []
    for z in layers:
        seen = _stands_for(observed, z.shape[1])[..., None]
        count = seen.sum(1)
        some = jnp.maximum(count, 1)
        mean = jnp.where(seen, z, 0).sum(1) / some
        spread = _root(jnp.where(seen, (z - mean[:, None]) ** 2, 0).sum(1) / some)
        top = jnp.where(count > 0, jnp.where(seen, z, -jnp.inf).max(1), 0)
        parts += [top, mean, spread, jnp.where(seen, _positive(z), 0).sum(1) / some]
    return jnp.concatenate(parts, axis=1)


def _stands_for(observed: Array, outputs: int) -> Array:
    """`[N, S] -> [N, outputs]`: whether any of the steps that an output stands for is observed."""
    steps = observed.shape[1]
    if outputs == steps:
        return observed
    edges = jnp.arange(outputs + 1) * steps // outputs
    # More outputs than steps: each stands for one step at least.
    first, stop = edges[:-1], jnp.maximum(edges[1:], edges[:-1] + 1)
    before = jnp.pad(jnp.cumsum(observed, 1), ((0, 0), (1, 0)))
    return before[:, stop] > before[:, first]


def _root(variance: Array) -> Array:
    """The square root, with the slope 0 at 0: of a block that does not vary nothing is to be learned."""
    some = variance > 0
    return jnp.where(some, jnp.sqrt(jnp.where(some, variance, 1)), 0)


def _positive(z: Array) -> Array:
    """1 above zero, else 0; the derivative is that of a sigmoid."""
    soft = jax.nn.sigmoid(_STEEPNESS * z)
    return soft + lax.stop_gradient((z > 0) - soft)
