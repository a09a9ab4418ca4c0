"""BYOL: one view's representation predicts that of the other by a slow average of the network itself; no negatives.

References: Grill et al. (2020), Bootstrap Your Own Latent, arXiv 2006.07733. Encoder and views are TS-TCC's, as for
SimCLR; the paper's heads are 4,096 wide, made for images: the sizes here are ours.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from tsrl.encoders.heads import ProjectionHead
from tsrl.errors import check_rate, check_whole
from tsrl.losses.siamese import negative_cosine
from tsrl.methods.backbone import Backbone, Pooling, check_pooling, pooled, pooled_method
from tsrl.pairs import Pairs, Strength, rule_of
from tsrl.types import Array, Aux, Batch, Key, Method, Metrics, Params

_AVERAGED = ("front", "encoder", "projector")


def byol(
    encoder: nn.Module,
    *,
    hidden: int = 256,
    output: int = 64,
    momentum: float = 0.996,
    pooling: Pooling = "flatten",
    pairs: Pairs = "weak_strong",
    jitter: float = 0.8,
    scale: float = 1.1,
    segments: int = 8,
    front: nn.Module | None = None,
    axis_name: str | None = None,
) -> Method:
    """BYOL over any encoder.

    Args:
      encoder: a module of `tsrl.encoders`, or another of that form.
      hidden: width inside the projector and the predictor.
      output: width of what is compared.
      momentum: of the average at the first update; it rises to 1 along a cosine.
      pooling: how a series is made of its steps: all of them side by side, their mean or their maximum.
      pairs: which two views are a pair, see `tsrl.pairs`.
      jitter: see `tsrl.pairs.Strength`, as the two below.
      scale: deviation of the factors.
      segments: a permutation has up to one piece less.
      front: module `fields -> [B, T, width]`; default: the encoder's own.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range.

    Returns:
      A `Method` with `params = {"front", "encoder", "projector", "predictor"}` and `aux = {"target": the first three,
      averaged, "stats"}`. The target takes the statistics of its own batch.
    """
    for name, count in (("hidden", hidden), ("output", output)):
        check_whole(name, count, 1)
    check_rate("momentum", momentum)
    check_pooling(pooling)
    draw = rule_of(pairs, Strength(jitter, scale, segments))
    backbone = Backbone(encoder, front, axis_name)
    heads = {
        "projector": ProjectionHead(hidden, output, norm=True, axis_name=axis_name),
        "predictor": ProjectionHead(hidden, output, norm=True, axis_name=axis_name),
    }

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        backbone_key, *head_keys = jax.random.split(key, 3)
        params, stats = backbone.init(backbone_key, batch)
        width = jax.eval_shape(lambda: backbone.pooled(params, stats, batch, pooling)).shape[-1]
        for (name, head), head_key, size in zip(heads.items(), head_keys, (width, output), strict=True):
            variables = head.init(head_key, jnp.zeros((1, size)))
            params, stats = {**params, name: variables["params"]}, {**stats, name: variables["batch_stats"]}
        return params, {"target": {name: params[name] for name in _AVERAGED}, "stats": stats}

    def headed(name: str, params: Params, stats: Aux, z: Array) -> tuple[Array, Aux]:
        variables = {"params": params[name], "batch_stats": stats[name]}
        made, changed = heads[name].apply(variables, z, mutable=["batch_stats"])
        return made, {**stats, name: changed["batch_stats"]}

    def projected(params: Params, stats: Aux, view: Batch, key: Key) -> tuple[Array, Aux]:
        z, changed = backbone(params, stats, view.fields, view.mask, key=key)
        return headed("projector", params, {**stats, **changed}, pooled(z, view.mask, pooling))

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        pair_key, *keys = jax.random.split(key, 5)
        pair, stats = draw(pair_key, batch), aux["stats"]
        guesses, targets = [], []
        for view, online_key, target_key in zip(pair, keys[:2], keys[2:], strict=True):
            made, stats = projected(params, stats, view, online_key)
            guess, stats = headed("predictor", params, stats, made)
            guesses.append(guess)
            target, _ = projected(aux["target"], aux["stats"], view, target_key)
            targets.append(lax.stop_gradient(target))
        # 2 - 2 cos, for both directions.
        found = sum(2 + 2 * negative_cosine(*both) for both in zip(guesses, targets[::-1], strict=True))
        return jnp.mean(found), ({**aux, "stats": stats}, {})

    def after_step(params: Params, aux: Aux, step: Array, total_steps: int) -> Aux:
        rate = 1 - (1 - momentum) * (jnp.cos(jnp.pi * step / total_steps) + 1) / 2
        own = {name: params[name] for name in _AVERAGED}
        return {**aux, "target": jax.tree.map(lambda mean, new: rate * mean + (1 - rate) * new, aux["target"], own)}

    return pooled_method(backbone, pooling, init, loss, after_step=after_step)
