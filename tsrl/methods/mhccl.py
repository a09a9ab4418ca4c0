"""MHCCL: a hierarchy of clusters says which series, and which prototypes, are alike on every level.

References: Meng, Qian, Liu, Cui, Xu, Shen (2023), MHCCL: Masked Hierarchical Cluster-Wise Contrastive Learning for
Multivariate Time Series, arXiv 2212.01141. As in the released code: binary cross-entropies on products, sampled
candidates, a momentum encoder that makes the keys and the features that are clustered. Not followed, because the paper
means it otherwise: that code scrambles all products by a reshape where a transposition is meant, zeroes the features of
outliers in place, so that later levels cluster zeros, and looks up clusters of one level by centroids of another.
Clustered are the series as they are, where that code adds both augmented copies, drawn once.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tsrl import parallel, views
from tsrl.encoders.heads import ProjectionHead
from tsrl.errors import InputError, check_rate, check_whole
from tsrl.losses.clusters import binary_contrastive
from tsrl.losses.nt_xent import unit
from tsrl.methods.backbone import Backbone, Pooling, check_pooling, pooled, pooled_method
from tsrl.methods.clusters import check_data, features_of, hierarchy
from tsrl.methods.simclr import check_batch
from tsrl.pairs import Pairs, Strength, rule_of
from tsrl.types import Array, Aux, Batch, Key, Method, Metrics, Params, Plan

_AVERAGED = ("front", "encoder", "head")


def mhccl(
    encoder: nn.Module,
    *,
    levels: int = 3,
    farthest: float = 0.3,
    positives: int = 3,
    negatives: int = 4,
    momentum: float = 0.999,
    temperature: float = 1.0,
    prototype_temperature: float = 1.0,
    hidden: int = 128,
    output: int = 128,
    pooling: Pooling = "flatten",
    pairs: Pairs = "weak_strong",
    jitter: float = 0.8,
    scale: float = 1.1,
    segments: int = 8,
    front: nn.Module | None = None,
    axis_name: str | None = None,
) -> Method:
    """MHCCL over any encoder; needs the extra `clusters`.

    Args:
      encoder: a module of `tsrl.encoders`, or another of that form.
      levels: L, partitions whose prototypes are contrasted, the finest first; fewer where FINCH finds fewer.
      farthest: upward masking: what lies farther from the mean of its cluster does not count for the prototype.
      positives: drawn for each series in its cluster, and prototypes of its own parent, its own among them.
      negatives: drawn for each series in other clusters, and prototypes of other parents.
      momentum: of the encoder that makes keys and clusters.
      temperature: divides the products of series; the released code has 1 unless asked for 0.2.
      prototype_temperature: divides the products with prototypes.
      hidden: width of the head's first layer.
      output: width of what is compared and clustered.
      pooling: how a series is made of its steps: all of them side by side, their mean or their maximum.
      pairs: which two views are query and key, see `tsrl.pairs`.
      jitter: see `tsrl.pairs.Strength`, as the two below.
      scale: deviation of the factors.
      segments: a permutation has up to one piece less.
      front: module `fields -> [B, T, width]`; default: the encoder's own.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range; in use, a batch of one series, or a set that cannot be clustered.

    Returns:
      A `Method` with `params = {"front", "encoder", "head"}` and `aux = {"momentum": the same, averaged, "stats"}`.
    """
    sizes = {"levels": levels, "positives": positives, "negatives": negatives, "hidden": hidden, "output": output}
    for name, count in sizes.items():
        check_whole(name, count, 1)
    check_rate("momentum", momentum)
    temperatures = {"temperature": temperature, "prototype_temperature": prototype_temperature}
    for name, value in {**temperatures, "farthest": farthest}.items():
        if not 0 < value < float("inf"):
            raise InputError(f"{name}: found {value}, want a finite number above 0")
    check_pooling(pooling)
    draw = rule_of(pairs, Strength(jitter, scale, segments))
    backbone, head = Backbone(encoder, front, axis_name), ProjectionHead(hidden, output)
    # On the host, where there is no axis of devices.
    alone = Backbone(encoder, front)

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        params, stats = backbone.init_with_head(key, batch, head, pooling)
        return params, {"momentum": {name: params[name] for name in _AVERAGED}, "stats": stats}

    def headed(params: Params, z: Array) -> Array:
        made: Array = head.apply({"params": params["head"]}, z)  # type: ignore[assignment]
        return unit(made)

    @jax.jit
    def features(params: Params, aux: Aux, batch: Batch) -> Array:
        return headed(aux["momentum"], alone.pooled(aux["momentum"], aux["stats"], batch, pooling))

    def before_epoch(params: Params, aux: Aux, data: Batch, key: Key) -> Plan:
        del key
        return plan_of(features_of(features, params, aux, data), levels, farthest)

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        rows = len(batch.mask)
        check_batch(rows * parallel.device_count(axis_name))
        pair_key, draw_key, *keys = jax.random.split(key, 4)
        query, other = draw(pair_key, batch)
        z, stats = backbone(params, aux["stats"], query.fields, query.mask, key=keys[0])
        q = headed(params, pooled(z, query.mask, pooling))
        # Running statistics of the momentum encoder would never be read: in training it takes the batch's.
        seen, _ = backbone(aux["momentum"], aux["stats"], other.fields, other.mask, key=keys[1])
        k = lax.stop_gradient(headed(aux["momentum"], pooled(seen, other.mask, pooling)))
        draws = views.example_keys(draw_key, batch.index)
        every_q, every_k = parallel.gather((q, k), axis_name)
        cluster = batch.extra["cluster"][:, 0]
        own = parallel.first_row(rows, axis_name) + jnp.arange(rows)
        same = cluster[:, None] == parallel.gather(cluster, axis_name)
        near, far = draw_places(draws, same, positives), draw_places(draws, ~same, negatives)
        instance = contrast_instances(q, every_q, every_k, own, near, far, temperature)
        of_levels = []
        for level in range(levels):
            table, parent = batch.extra["prototypes"][level], batch.extra["parent"][level]
            exists = jnp.arange(len(table)) < batch.extra["count"][level]
            own_place = batch.extra["cluster"][:, level]
            siblings = (parent == parent[own_place][:, None]) & exists
            others = siblings & (jnp.arange(len(table)) != own_place[:, None])
            level_keys = jax.vmap(jax.random.fold_in, (0, None))(draws, level + 1)
            drawn, counts = draw_places(level_keys, others, positives - 1)
            near = (
                jnp.concatenate([own_place[:, None], drawn], 1),
                jnp.concatenate([jnp.ones((rows, 1), bool), counts], 1),
            )
            far = draw_places(level_keys, ~siblings & exists, negatives)
            of_levels.append(contrast_prototypes(q, table, near, far, prototype_temperature))
        used = batch.extra["count"] > 0
        prototype = jnp.where(used[:, None], jnp.stack(of_levels), 0).sum(0) / used.sum()
        metrics = {"instance": instance.mean(), "prototype": prototype.mean()}
        return metrics["instance"] + metrics["prototype"], ({**aux, "stats": stats}, metrics)

    def after_step(params: Params, aux: Aux, step: Array, total_steps: int) -> Aux:
        own = {name: params[name] for name in _AVERAGED}
        moved = jax.tree.map(lambda mean, new: momentum * mean + (1 - momentum) * new, aux["momentum"], own)
        return {**aux, "momentum": moved}

    return pooled_method(
        backbone, pooling, init, loss, before_epoch=before_epoch, after_step=after_step, check_data=check_data
    )


def plan_of(z: np.ndarray, levels: int, farthest: float) -> Plan:
    """The hierarchy of features `[N, D]` in arrays whose shapes do not depend on it.

    Returns:
      Column "cluster" `[N, L]`; tables "prototypes" `[L, N / 2, D]`, "parent" `[L, N / 2]` and "count" `[L]`, how many
      prototypes there are, 0 where FINCH has no such level.
    """
    found = hierarchy(z, levels, farthest)
    most = len(z) // 2
    tables: dict[str, Any] = {
        "prototypes": np.zeros((levels, most, z.shape[1]), np.float32),
        "parent": np.zeros((levels, most), np.int32),
        "count": np.zeros(levels, np.int32),
    }
    cluster = np.zeros((len(z), levels), np.int32)
    for place, level in enumerate(found):
        count = len(level.prototypes)
        tables["prototypes"][place, :count], tables["parent"][place, :count] = level.prototypes, level.parent
        tables["count"][place], cluster[:, place] = count, level.cluster
    return Plan({"cluster": cluster}, tables)


def draw_places(keys: Key, allowed: Array, count: int) -> tuple[Array, Array]:
    """Draws places without repetition.

    Args:
      keys: `[B]`, one for each row.
      allowed: `[B, N]` bool.
      count: M, how many.

    Returns:
      `[B, M]` places, and which of them are allowed: fewer where there are not as many.
    """
    drawn = jax.vmap(lambda key: jax.random.uniform(key, allowed.shape[1:]))(keys)
    values, places = lax.top_k(jnp.where(allowed, drawn, -1), min(count, allowed.shape[1]))
    return places, values >= 0


def contrast_instances(
    q: Array,
    every_q: Array,
    every_k: Array,
    own: Array,
    near: tuple[Array, Array],
    far: tuple[Array, Array],
    temperature: float,
) -> Array:
    """Each query against both representations of drawn series; of its own series the key alone counts, twice.

    Args:
      q: `[B, D]` queries of this device.
      every_q: `[N, D]` queries of the batch.
      every_k: `[N, D]` keys of the batch.
      own: `[B]` places of the queries in the batch.
      near: places `[B, P]` of series in the same cluster, and which count.
      far: places `[B, M]` of series in other clusters, and which count.
      temperature: divides the products.

    Returns:
      `[B]`.
    """
    places, counts = (jnp.concatenate(parts, 1) for parts in zip(near, far, strict=True))
    logits = jnp.einsum("bd,bmd->bm", q, both_of(every_q, every_k, own, places)) / temperature
    return binary_contrastive(logits, jnp.arange(logits.shape[1]) < 2 * near[0].shape[1], jnp.repeat(counts, 2, 1))


def both_of(every_q: Array, every_k: Array, own: Array, places: Array) -> Array:
    """Query and key of each place `[B, M]`, side by side: `[B, 2 * M, D]`; arguments as for `contrast_instances`."""
    itself = (places == own[:, None])[..., None]
    pairs = jnp.stack([jnp.where(itself, every_k[places], every_q[places]), every_k[places]], 2)
    return pairs.reshape(len(places), -1, pairs.shape[-1])


def contrast_prototypes(
    q: Array, prototypes: Array, near: tuple[Array, Array], far: tuple[Array, Array], temperature: float
) -> Array:
    """Each query against prototypes that are its own or have the same parent, and others.

    Args:
      q: `[B, D]` queries.
      prototypes: `[K, D]`.
      near: places `[B, P]` of positives, and which count.
      far: places `[B, M]` of negatives, and which count.
      temperature: divides the products.

    Returns:
      `[B]`.
    """
    places, counts = (jnp.concatenate(parts, 1) for parts in zip(near, far, strict=True))
    logits = jnp.einsum("bd,bmd->bm", q, prototypes[places]) / temperature
    return binary_contrastive(logits, jnp.arange(places.shape[1]) < near[0].shape[1], counts)
