"""TS-TCC: the past of one view predicts the future of the other, and both summaries of the past agree.

References: Eldele, Ragab, Chen, Wu, Kwoh, Li, Guan (2021), Time-Series Representation Learning via Temporal and
Contextual Contrasting, arXiv 2106.14112. The released code draws the augmented views once, when it loads the data, and
its strong view copies the first channel into all others; here both are drawn anew at every step, as the paper has it,
and all channels move together.
"""

from collections.abc import Sequence
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from tsrl import parallel
from tsrl.encoders.context import Context
from tsrl.encoders.heads import ProjectionHead
from tsrl.errors import InputError, check_rate, check_whole
from tsrl.losses.nt_xent import info_nce, nt_xent, unit
from tsrl.methods.backbone import Backbone, Pooling, check_pooling, module_keys, pooled_method
from tsrl.methods.contextual import not_negatives
from tsrl.methods.simclr import check_batch
from tsrl.pairs import Pairs, Strength, rule_of
from tsrl.types import Array, Aux, Batch, Key, Method, Metrics, Params


def tstcc(
    encoder: nn.Module,
    *,
    future: int = 6,
    context: int = 100,
    context_layers: int = 4,
    temperature: float = 0.2,
    temporal_weight: float = 1.0,
    contextual_weight: float = 0.7,
    dropout: float = 0.1,
    pooling: Pooling = "flatten",
    pairs: Pairs = "weak_strong",
    jitter: float = 0.8,
    scale: float = 1.1,
    segments: int = 8,
    front: nn.Module | None = None,
    axis_name: str | None = None,
) -> Method:
    """TS-TCC over any encoder.

    Args:
      encoder: a module of `tsrl.encoders`, or another of that form.
      future: K, how many next representations are predicted.
      context: width of the summary; a multiple of 4, its attention's heads.
      context_layers: blocks of the network that summarises.
      temperature: of the contextual contrast.
      temporal_weight: of the predictions of both views.
      contextual_weight: of the summaries' contrast.
      dropout: rate in the network that summarises.
      pooling: how `embed` makes a series of its steps: all of them side by side, their mean or their maximum.
      pairs: which two views are a pair, see `tsrl.pairs`; they should keep the time of every step.
      jitter: see `tsrl.pairs.Strength`, as the two below.
      scale: deviation of the factors.
      segments: a permutation has up to one piece less.
      front: module `fields -> [B, T, width]`; default: the encoder's own.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range; in use, a batch of one series, or fewer representations than `future` + 1.

    Returns:
      A `Method` with `params = {"front", "encoder", "context", "head"}` and `aux = {"stats"}`.
    """
    check_whole("future", future, 1)
    check_whole("context", context, 4)
    check_whole("context_layers", context_layers, 1)
    if context % 4:
        raise InputError(f"context: found {context}, want a multiple of 4, the heads of its attention")
    for name, value in (("temporal_weight", temporal_weight), ("contextual_weight", contextual_weight)):
        if not 0 <= value < float("inf"):
            raise InputError(f"{name}: found {value}, want a finite number from 0 up")
    if not 0 < temperature < float("inf"):
        raise InputError(f"temperature: found {temperature}, want a finite number above 0")
    check_rate("dropout", dropout)
    check_pooling(pooling)
    draw = rule_of(pairs, Strength(jitter, scale, segments))
    backbone = Backbone(encoder, front, axis_name)
    summary = Context(future, context, layers=context_layers, dropout=dropout)

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        backbone_key, context_key, head_key = jax.random.split(key, 3)
        params, stats = backbone.init(backbone_key, batch)
        shape = jax.eval_shape(lambda: backbone(params, stats, batch.fields, batch.mask)[0]).shape
        params = {**params, "context": summary.init(context_key, jnp.zeros((1, *shape[1:])), 0)["params"]}
        head = head_of(shape[-1])
        variables = head.init(head_key, jnp.zeros((1, context)))
        return {**params, "head": variables["params"]}, {"stats": {**stats, "head": variables["batch_stats"]}}

    def head_of(features: int) -> ProjectionHead:
        return ProjectionHead(max(features // 2, 1), max(features // 4, 1), norm=True, axis_name=axis_name)

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        check_batch(len(batch.mask) * parallel.device_count(axis_name))
        pair_key, step_key, *keys = jax.random.split(key, 6)
        stats, features = aux["stats"], list[Array]()
        for view, view_key in zip(draw(pair_key, batch), keys[:2], strict=True):
            z, changed = backbone(params, stats, view.fields, view.mask, key=view_key)
            stats, features = {**stats, **changed}, [*features, unit(z)]
        count = features[0].shape[1]
        if count <= future:
            raise InputError(
                f"future: found {future} for {count} representations of a series, want at most {count - 1}"
            )
        steps = jax.random.randint(step_key, (2,), 0, count - future)
        parts = (summary, head_of(features[0].shape[-1]))
        temporal, contextual, head_stats = contrast(
            parts,
            params,
            stats["head"],
            features,
            list(steps),
            keys[2:],
            temperature,
            axis_name,
            ignored=not_negatives(batch, axis_name),
        )
        value = temporal_weight * temporal + contextual_weight * contextual
        metrics = {"temporal": temporal, "contextual": contextual}
        return value, ({"stats": {**stats, "head": head_stats}}, metrics)

    return pooled_method(backbone, pooling, init, loss)


def contrast(
    parts: tuple[Context, ProjectionHead],
    params: Params,
    stats: Aux,
    features: Sequence[Array],
    steps: Sequence[Array | int],
    keys: Sequence[Key | None],
    temperature: float,
    axis_name: str | None,
    training: bool = True,
    ignored: Array | None = None,
) -> tuple[Array, Array, Aux]:
    """Both contrasts of two views that are encoded already.

    Args:
      parts: what has the parameters "context" and "head".
      params: with these two.
      stats: the head's batch statistics.
      features: of each view `[B, S, D]`, of unit length.
      steps: of each view the last one that its summary sees.
      keys: of each view's dropout; None for none.
      temperature: of the contextual contrast.
      axis_name: device axis, or None.
      training: the head takes the statistics of the batch.
      ignored: see `nt_xent`.

    Returns:
      The sum of both views' temporal contrasts, the contextual contrast, and the head's statistics.

    References: TS-TCC, equations 2 to 4.
    """
    summary, head = parts
    temporal, summaries = jnp.zeros(()), []
    for own, other, step, key in zip(features, features[::-1], steps, keys, strict=True):
        rngs = None if key is None else module_keys(key, 0, axis_name)
        made, predicted = cast(Any, summary.apply({"params": params["context"]}, own, step, rngs=rngs))
        coming = lax.dynamic_slice_in_dim(other, step + 1, summary.steps, 1)
        temporal += info_nce(
            coming, predicted, candidates=parallel.gather(predicted, axis_name), ignored=ignored
        ).mean()
        variables = {"params": params["head"], "batch_stats": stats}
        headed: Any = head.apply(variables, made, mutable=["batch_stats"] if training else [])
        summaries.append(headed[0])
        stats = headed[1].get("batch_stats", stats)
    one, other = summaries
    contextual = nt_xent(
        one,
        other,
        temperature,
        candidates=parallel.gather((one, other), axis_name),
        first_row=parallel.first_row(len(one), axis_name),
        ignored=ignored,
    )
    return temporal, contextual.mean(), stats
