"""Contextual batches: series that are alike share a batch, so that its negatives are hard; those too alike are none.

References: Morris and Rush (2024), Contextual Document Embeddings, arXiv 2410.02525, sections 4.1 and 4.2: batches are
filled from clusters, and in-batch negatives whose similarity under a surrogate is above a threshold are dropped. Ours:
the surrogate is the model itself, as it is when the batches are planned; clusters are cut into batches in random order.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tsrl import parallel
from tsrl.errors import InputError
from tsrl.methods.clusters import features_of
from tsrl.types import Array, Aux, Batch, Key, Method, Params, Plan


def contextual(method: Method, alone: Method, batch_size: int, same_above: float | None = None) -> Method:
    """A method whose batches are filled from clusters of its own representations, planned anew at every epoch.

    Args:
      method: any that does not order its epochs itself.
      alone: the same, made for a single device.
      batch_size: rows in the global batch.
      same_above: cosine of two series' representations above which they are not each other's negatives, in methods
        that ask `not_negatives`; None = they always are.

    Raises:
      InputError: in use, a method that orders its epochs itself.
    """
    embed = jax.jit(alone.embed)

    def before_epoch(params: Params, aux: Aux, data: Batch, key: Key) -> Plan:
        own_key, method_key = jax.random.split(key)
        plan = Plan() if method.before_epoch is None else method.before_epoch(params, aux, data, method_key)
        if plan.order is not None:
            raise InputError("train.batches: found contextual for a method that orders its epochs, want shuffled")
        z = features_of(embed, params, aux, data).astype(np.float32)
        z /= np.maximum(np.linalg.norm(z, axis=-1, keepdims=True), 1e-12)
        order = batches_of(z, batch_size, np.random.default_rng(np.asarray(jax.random.key_data(own_key))))
        columns: dict[str, Any] = dict(plan.columns)
        if same_above is not None:
            columns["surrogate"] = z
        return Plan(columns, plan.tables, order)

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> Any:
        if same_above is not None:
            batch = dataclasses.replace(batch, extra={**batch.extra, "same_above": jnp.float32(same_above)})
        return method.loss(params, aux, batch, key)

    return method._replace(before_epoch=before_epoch, loss=loss)


def batches_of(z: np.ndarray, batch_size: int, random: np.random.Generator) -> np.ndarray:
    """Batches of series that are alike.

    Args:
      z: `[N, D]` of unit length.
      batch_size: B, at most N.
      random: makes the draws.

    Returns:
      `[N // B, B]` int32 rows, each at most once: spherical k-means into as many clusters as there are batches, the
      clusters in random order one after another, the rows of each in random order, cut into batches. With one cluster
      these are random batches.
    """
    count = len(z) // batch_size
    if count > 1:
        from sklearn.cluster import KMeans

        seed = int(random.integers(2**31))
        # Of vectors of unit length the nearest centre is the one of the largest cosine, but for the centres' lengths.
        cluster = KMeans(count, n_init=1, random_state=seed).fit_predict(z)
    else:
        cluster = np.zeros(len(z), np.int32)
    place = random.permutation(cluster.max() + 1)[cluster]
    order = np.lexsort((random.random(len(z)), place))[: count * batch_size].reshape(count, batch_size)
    return random.permutation(order).astype(np.int32)


def not_negatives(batch: Batch, axis_name: str | None) -> Array | None:
    """Which series of the whole batch are no negatives of this device's: `[B, N]` bool; None = all others are."""
    if "surrogate" not in batch.extra:
        return None
    own = batch.extra["surrogate"]
    alike = own @ parallel.gather(own, axis_name).T > batch.extra["same_above"]
    itself = parallel.first_row(len(own), axis_name) + jnp.arange(len(own))
    return alike & (jnp.arange(alike.shape[1]) != itself[:, None])
