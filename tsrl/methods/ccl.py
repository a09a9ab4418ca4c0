"""CCL: series of one cluster are alike, series of different clusters are not.

References: Sharma, Tapaswi, Sarfraz, Stiefelhagen (2020), Clustering based Contrastive Learning for Improving Face
Representations, arXiv 2004.02195: FINCH's clusters of the features label pairs for a contrastive loss with a margin. It
is made for faces in videos; the form for series is ours: clusters are found anew at every epoch, a second view of a
series is a positive too, and both kinds of pairs weigh the same.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tsrl import parallel
from tsrl.encoders.heads import ProjectionHead
from tsrl.errors import InputError, check_whole
from tsrl.losses.clusters import margin_contrastive
from tsrl.losses.nt_xent import unit
from tsrl.methods.backbone import Backbone, Pooling, check_pooling, pooled, pooled_method
from tsrl.methods.clusters import check_data, features_of, hierarchy
from tsrl.methods.simclr import check_batch
from tsrl.pairs import Pairs, Strength, rule_of
from tsrl.types import Array, Aux, Batch, Key, Method, Metrics, Params, Plan


def ccl(
    encoder: nn.Module,
    *,
    level: int = 1,
    margin: float = 1.0,
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
    """CCL over any encoder; needs the extra `clusters`.

    Args:
      encoder: a module of `tsrl.encoders`, or another of that form.
      level: which of FINCH's partitions labels the pairs, 1 = the finest; the coarsest where there are fewer.
      margin: distance beyond which a negative is far enough; features have the length 1.
      hidden: width of the head's first layer.
      output: width of what is compared and clustered.
      pooling: how a series is made of its steps: all of them side by side, their mean or their maximum.
      pairs: which two views are a pair, see `tsrl.pairs`.
      jitter: see `tsrl.pairs.Strength`, as the two below.
      scale: deviation of the factors.
      segments: a permutation has up to one piece less.
      front: module `fields -> [B, T, width]`; default: the encoder's own.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range; in use, a batch of one series, or a set that cannot be clustered.

    Returns:
      A `Method` with `params = {"front", "encoder", "head"}` and `aux = {"stats"}`.
    """
    for name, count in (("level", level), ("hidden", hidden), ("output", output)):
        check_whole(name, count, 1)
    if not 0 < margin < float("inf"):
        raise InputError(f"margin: found {margin}, want a finite number above 0")
    check_pooling(pooling)
    draw = rule_of(pairs, Strength(jitter, scale, segments))
    backbone, head = Backbone(encoder, front, axis_name), ProjectionHead(hidden, output)
    # On the host, where there is no axis of devices.
    alone = Backbone(encoder, front)

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        params, stats = backbone.init_with_head(key, batch, head, pooling)
        return params, {"stats": stats}

    def headed(params: Params, z: Array) -> Array:
        made: Array = head.apply({"params": params["head"]}, z)  # type: ignore[assignment]
        return unit(made)

    @jax.jit
    def features(params: Params, aux: Aux, batch: Batch) -> Array:
        return headed(params, alone.pooled(params, aux["stats"], batch, pooling))

    def before_epoch(params: Params, aux: Aux, data: Batch, key: Key) -> Plan:
        del key
        found = hierarchy(features_of(features, params, aux, data), level, np.inf)
        return Plan({"cluster": found[-1].cluster})

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        rows = len(batch.mask)
        check_batch(rows * parallel.device_count(axis_name))
        pair_key, encoder_key = jax.random.split(key)
        both = jax.tree.map(lambda *views: jnp.concatenate(views), *draw(pair_key, batch))
        z, stats = backbone(params, aux["stats"], both.fields, both.mask, key=encoder_key)
        views = jnp.split(headed(params, pooled(z, both.mask, pooling)), 2)
        cluster = batch.extra["cluster"]
        everyone, clusters = jnp.concatenate(parallel.gather(views, axis_name)), parallel.gather(cluster, axis_name)
        same = cluster[:, None] == jnp.tile(clusters, 2)
        own = parallel.first_row(rows, axis_name) + jnp.arange(rows)
        places = jnp.arange(len(everyone))
        found = jnp.zeros(())
        for view, anchors in enumerate(views):
            itself = places == (own + view * len(clusters))[:, None]
            found += margin_contrastive(anchors, everyone, same, ~itself, margin).mean()
        # Of the other series of a batch, how many share the anchor's cluster.
        alike = (same.sum() / (2 * rows) - 1) / jnp.maximum(len(clusters) - 1, 1)
        return found / 2, ({"stats": stats}, {"alike": alike})

    return pooled_method(backbone, pooling, init, loss, before_epoch=before_epoch, check_data=check_data)
