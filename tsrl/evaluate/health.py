"""Signs of collapse, read off embeddings without labels: alignment, uniformity, effective rank, dead dimensions.

Every function is jit-able. Embeddings that are given as values, not traced, are refused when they are not finite.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tsrl.errors import InputError
from tsrl.types import Array, Aux, Batch, Method, Params

MAX_ROWS = 2048
DEAD = 1e-4
MONITORED = 64
FEW_ROWS = 16


def alignment(z1: Array, z2: Array) -> Array:
    """How far apart two views of one example are: the mean squared distance of their directions, 0 (equal) to 4.

    Args:
      z1: `[N, D]` embeddings.
      z2: `[N, D]`, of other views of the same examples.

    Returns:
      A scalar. Both are L2-normalised first; a zero vector has no direction and stays zero, at distance 1 from every
      other direction.

    Raises:
      InputError: shapes that differ, fewer than two rows, NaN or infinity.

    References: Wang and Isola (2020), Understanding contrastive representation learning through alignment and
    uniformity on the hypersphere, arXiv 2005.10242, equation 4 with exponent 2.
    """
    u, v = _directions(_checked("z1", z1)), _directions(_checked("z2", z2))
    if u.shape != v.shape:
        raise InputError(f"z2: found shape {v.shape}, want z1's {u.shape}")
    return jnp.square(u - v).sum(1).mean()


def uniformity(z: Array) -> Array:
    """How evenly the directions fill the sphere: `log mean exp(-2 |u - v|^2)` over pairs of rows.

    Args:
      z: `[N, D]` embeddings, L2-normalised first; zero vectors as in `alignment`.

    Returns:
      A scalar from 0 (all directions equal) down to about -4 (even, many dimensions); each pair of different rows
      counts once.

    Raises:
      InputError: fewer than two rows, NaN or infinity.

    References: Wang and Isola (2020), arXiv 2005.10242, equation 5 with t = 2.
    """
    u = _directions(_checked("z", z))
    length = jnp.square(u).sum(1)
    distance = jnp.maximum(length[:, None] + length - 2 * u @ u.T, 0)
    count = len(u)
    pairs = jnp.where(jnp.eye(count, dtype=bool), -jnp.inf, -2 * distance)
    return jax.nn.logsumexp(pairs) - jnp.log(float(count * (count - 1)))


def effective_rank(z: Array) -> Array:
    """How many directions the embeddings use: the exponential of the entropy of their singular values' shares.

    Args:
      z: `[N, D]` embeddings. They are centred first, so that an offset shared by all rows, which no classifier sees,
        is not a direction; RankMe does not centre.

    Returns:
      A scalar from 1 to `min(N - 1, D)`; 0 when all rows are equal. Singular values that rounding alone can explain,
      as in `numpy.linalg.matrix_rank`, count as zero.

    Raises:
      InputError: fewer than two rows, NaN or infinity.

    References: Roy and Vetterli (2007), The effective rank: a measure of effective dimensionality, EUSIPCO; as a
    measure of representations Garrido et al. (2023), RankMe, arXiv 2210.02885.
    """
    z = _unit_scale(_checked("z", z))
    values = jnp.linalg.svd(z - z.mean(0), compute_uv=False)
    # The rounding of the centring is relative to the embeddings, not to what is left of them.
    noise = jnp.finfo(z.dtype).eps * max(z.shape) * jnp.linalg.norm(z)
    values = jnp.where(values > noise, values, 0)
    total = values.sum()
    share = values / jnp.where(total > 0, total, 1)
    entropy = -jnp.where(share > 0, share * jnp.log(jnp.where(share > 0, share, 1)), 0).sum()
    return jnp.where(total > 0, jnp.exp(entropy), jnp.where(jnp.isnan(total), jnp.nan, 0))


def dead_share(z: Array) -> Array:
    """The share of dimensions that say nothing: their standard deviation over rows is near zero.

    Args:
      z: `[N, D]` embeddings.

    Returns:
      A scalar, 0 to 1. "Near zero" is relative: at most 1e-4 of the root mean square of all values, so that the unit of
      the embeddings does not matter. All dimensions of embeddings that are zero everywhere are dead.

    Raises:
      InputError: fewer than two rows, NaN or infinity.
    """
    z = _unit_scale(_checked("z", z))
    return jnp.mean(z.std(0) <= DEAD * jnp.sqrt(jnp.square(z).mean()))


def health(z: Array, z_other: Array | None = None) -> dict[str, Array]:
    """All signs of collapse at once.

    Args:
      z: `[N, D]` embeddings; of more than 2,048 rows that many are taken, evenly spaced.
      z_other: `[N, D]` embeddings of other views of the same examples, or None.

    Returns:
      `alignment` (with `z_other`), `uniformity`, `effective_rank`, `dead_share`, `width` (D), as scalars.

    Raises:
      InputError: as the single functions.
    """
    z = _checked("z", z)
    kept = _evenly(len(z), MAX_ROWS)
    pairs = {}
    if z_other is not None:
        other = _checked("z_other", z_other)
        if other.shape != z.shape:
            raise InputError(f"z_other: found shape {other.shape}, want z's {z.shape}")
        pairs["alignment"] = alignment(z[kept], other[kept])
    return {
        **pairs,
        "uniformity": uniformity(z[kept]),
        "effective_rank": effective_rank(z[kept]),
        "dead_share": dead_share(z[kept]),
        "width": jnp.asarray(z.shape[1]),
    }


def monitored_rows(count: int) -> np.ndarray:
    """The rows that `training_monitor` looks at in a data set of `count`, of which it needs no others.

    Args:
      count: N; below 64 it looks at all.

    Returns:
      At most 64 row numbers, evenly spaced.
    """
    return _evenly(count, MONITORED)


def training_monitor(method: Method, data: Batch) -> Callable[[Params, Aux], dict[str, Array]] | None:
    """What to watch while a model trains: the health of a fixed sample of its training set.

    The sample is at most 64 rows, evenly spaced. A data set of fewer than 16 rows, whose rank would say more about
    their number, is cut into windows, about 64 in all. The first and the last three quarters of each are embedded as
    pairs, one by one, which keeps the memory at that of one series. A method made for series of one length is given
    whole rows, and there are no pairs.

    Args:
      method: made for a single device.
      data: the training set.

    Returns:
      A jit-able function `(params, aux) -> health` of one seed, or None where the data set is too small for a sample
      of 16.
    """
    rows, steps = data.mask.shape
    # By numpy where the host has the data: no program is compiled for this.
    sample: dict[str, Any] = {"fields": data.fields, "mask": data.mask}
    if rows < FEW_ROWS and (pieces := min(-(-MONITORED // rows), steps // 2)) > 1:
        length = steps // pieces

        def cut(array: Array) -> Array:
            return array[:, : pieces * length].reshape(rows * pieces, length, *array.shape[2:])

        sample, steps = jax.tree.map(cut, sample), length
    if len(sample["mask"]) < FEW_ROWS:
        return None
    kept = monitored_rows(len(sample["mask"]))
    length = max(1, 3 * steps // 4)

    def both_ends(array: Array) -> Array:
        own = jnp if isinstance(array, jax.Array) else np
        return own.concatenate([array[kept, :length], array[kept, steps - length :]])

    views = jax.tree.map(both_ends, sample)
    whole = jax.tree.map(lambda array: array[monitored_rows(rows)], {"fields": data.fields, "mask": data.mask})

    def monitor(params: Params, aux: Aux) -> dict[str, Array]:
        def embed(row: dict[str, Any]) -> Array:
            one = jax.tree.map(lambda array: array[None], row)
            return method.embed(params, aux, Batch(**one, index=jnp.zeros(1, jnp.int32)))[0]

        try:
            z = jax.lax.map(embed, views)
        except InputError:
            # A method made for series of one length.
            return health(jax.lax.map(embed, whole)) if rows >= FEW_ROWS else {}
        return health(z[: len(kept)], z[len(kept) :])

    return monitor


def _evenly(count: int, most: int) -> np.ndarray:
    """At most `most` of `count` row numbers, evenly spaced."""
    kept = min(count, most)
    return np.arange(kept) * count // kept


def _checked(name: str, z: Array) -> Array:
    if jnp.ndim(z) != 2 or jnp.shape(z)[0] < 2 or jnp.shape(z)[1] < 1:
        raise InputError(f"{name}: found shape {jnp.shape(z)}, want [N, D] with at least two rows and one column")
    z = jnp.asarray(z, jnp.float32)
    if not isinstance(z, jax.core.Tracer) and not np.isfinite(z).all():
        raise InputError(f"{name}: found NaN or infinity, want finite numbers")
    return z


def _unit_scale(z: Array) -> Array:
    """Divided by the largest value, so that no square overflows or vanishes."""
    largest = jnp.abs(z).max()
    return z / jnp.where(largest > 0, largest, 1)


def _directions(z: Array) -> Array:
    """L2-normalised rows; a zero row stays zero."""
    largest = jnp.abs(z).max(1, keepdims=True)
    z = z / jnp.where(largest > 0, largest, 1)
    norm = jnp.linalg.norm(z, axis=1, keepdims=True)
    return z / jnp.where(norm > 0, norm, 1)
