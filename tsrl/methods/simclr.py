"""SimCLR: two views of a series are told from the views of all others, after a small network that is dropped later.

References: Chen, Kornblith, Norouzi, Hinton (2020), A Simple Framework for Contrastive Learning of Visual
Representations, arXiv 2002.05709; for time series as the baseline of TS-TCC (arXiv 2106.14112), with its encoder and
augmentations. Sizes of the head are ours: no source for time series gives them.
"""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsrl import parallel
from tsrl.encoders.heads import ProjectionHead
from tsrl.errors import InputError, check_whole
from tsrl.losses.nt_xent import nt_xent, unit
from tsrl.losses.triplet import semi_hard_triplet
from tsrl.methods.backbone import Backbone, Pooling, check_pooling, pooled, pooled_method
from tsrl.methods.contextual import not_negatives
from tsrl.pairs import Pairs, Strength, rule_of
from tsrl.types import Array, Aux, Batch, Key, Method, Metrics, Params


def simclr(
    encoder: nn.Module,
    *,
    temperature: float = 0.2,
    objective: Literal["nt_xent", "semi_hard"] = "nt_xent",
    margin: float = 0.2,
    hidden: int = 128,
    output: int = 64,
    pooling: Pooling = "flatten",
    pairs: Pairs = "weak_strong",
    jitter: float = 0.8,
    scale: float = 1.1,
    segments: int = 8,
    front: nn.Module | None = None,
    axis_name: str | None = None,
) -> Method:
    """SimCLR over any encoder.

    Args:
      encoder: a module of `tsrl.encoders`, or another of that form.
      temperature: of the softmax.
      objective: the softmax over all others, or a triplet loss with the nearest negative beyond the positive.
      margin: of the triplet loss, in squared distance of vectors of length 1.
      hidden: width of the projection head's first layer.
      output: width of what is contrasted.
      pooling: how a series is made of its steps: all of them side by side, their mean or their maximum.
      pairs: which two views are a pair, see `tsrl.pairs`.
      jitter: see `tsrl.pairs.Strength`, as the two below.
      scale: deviation of the factors.
      segments: a permutation has up to one piece less.
      front: module `fields -> [B, T, width]`; default: the encoder's own.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range; in use, a batch of one series.

    Returns:
      A `Method` with `params = {"front", "encoder", "head"}` and `aux = {"stats"}`.
    """
    for name, count in (("hidden", hidden), ("output", output)):
        check_whole(name, count, 1)
    if not 0 < temperature < float("inf"):
        raise InputError(f"temperature: found {temperature}, want a finite number above 0")
    if objective not in ("nt_xent", "semi_hard"):
        raise InputError(f"objective: found {objective!r}, want nt_xent or semi_hard")
    if not 0 < margin < float("inf"):
        raise InputError(f"margin: found {margin}, want a finite number above 0")
    check_pooling(pooling)
    draw = rule_of(pairs, Strength(jitter, scale, segments))
    backbone, head = Backbone(encoder, front, axis_name), ProjectionHead(hidden, output)

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        params, stats = backbone.init_with_head(key, batch, head, pooling)
        return params, {"stats": stats}

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        check_batch(len(batch.mask) * parallel.device_count(axis_name))
        pair_key, encoder_key = jax.random.split(key)
        both = jax.tree.map(lambda *views: jnp.concatenate(views), *draw(pair_key, batch))
        z, stats = backbone(params, aux["stats"], both.fields, both.mask, key=encoder_key)
        made: Array = head.apply({"params": params["head"]}, pooled(z, both.mask, pooling))  # type: ignore[assignment]
        one, other = jnp.split(made, 2)
        first, ignored = parallel.first_row(len(one), axis_name), not_negatives(batch, axis_name)
        if objective == "nt_xent":
            every = parallel.gather((one, other), axis_name)
            found = nt_xent(one, other, temperature, candidates=every, first_row=first, ignored=ignored)
            return found.mean(), ({"stats": stats}, {})
        one, other = unit(one), unit(other)
        candidates = jnp.concatenate(parallel.gather((one, other), axis_name))
        count = len(candidates) // 2
        negative = jnp.arange(count) != (first + jnp.arange(len(one)))[:, None]
        negative = jnp.tile(negative if ignored is None else negative & ~ignored, 2)
        both = [semi_hard_triplet(*pair, candidates, negative, margin) for pair in ((one, other), (other, one))]
        return jnp.stack(both).mean(), ({"stats": stats}, {})

    return pooled_method(backbone, pooling, init, loss)


def check_batch(rows: int) -> None:
    """Refuses a batch without negatives."""
    if rows < 2:
        raise InputError(f"batch_size: found {rows}, want at least 2: other series of the batch are the negatives")
