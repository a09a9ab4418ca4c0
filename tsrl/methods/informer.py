"""Informer: an encoder's memory of the past, and a decoder that forecasts the whole horizon at once.

References: Zhou, Zhang, Peng, Zhang, Li, Xiong, Zhang (2021), Informer: Beyond Efficient Transformer for Long Sequence
Time-Series Forecasting, arXiv 2012.07436.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsrl.encoders.informer import Informer
from tsrl.encoders.informer_decoder import InformerDecoder
from tsrl.errors import InputError, check_whole
from tsrl.methods import supervised
from tsrl.methods.backbone import Backbone, module_keys, own_parts
from tsrl.types import Array, Aux, Batch, Encoded, Key, Method, Metrics, Params, max_over_time


def informer(
    encoder: nn.Module,
    *,
    horizon: int = 24,
    label_length: int = 48,
    decoder_layers: int = 1,
    mix: bool = True,
    covariates: int = 7,
    front: nn.Module | None = None,
    axis_name: str | None = None,
) -> Method:
    """Informer, trained end to end to forecast: a batch holds `x [B, L, K + C]` and `target [B, H, K + C]`.

    The decoder has the sizes, attention, dropout and activation of the `Informer` encoder; beside any other encoder,
    the published ones.

    Args:
      encoder: a module of `tsrl.encoders`, or another of that form; every step of its output is remembered.
      horizon: steps H to forecast.
      label_length: last known values that the decoder starts from, at most L.
      decoder_layers: layers of the decoder.
      mix: re-arrange the heads of the decoder's self-attention over time, as the released code does.
      covariates: leading channels K that are known in advance, such as the calendar's; the rest is forecast.
      front: module `fields -> [B, T, width]`; default: the encoder's own.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range; in use, a series shorter than `label_length`, or a target of another
        horizon.

    Returns:
      A `Method` with `params = {"front", "encoder", "decoder"}` and `aux = {"stats"}`. `predict` reads the covariates
      of the target, or zeros where there is no target; `encode` and `embed` give the encoder's representation.
    """
    supervised.check_settings(horizon, covariates)
    for name, value, least in (("label_length", label_length, 0), ("decoder_layers", decoder_layers, 1)):
        check_whole(name, value, least)
    like = encoder if isinstance(encoder, Informer) else Informer()
    if isinstance(encoder, Informer):
        if encoder.covariates not in (0, covariates):
            raise InputError(
                f"covariates: found {encoder.covariates} of the encoder and {covariates} of the method, want one number"
            )
        encoder = encoder.clone(covariates=covariates)
    backbone = Backbone(encoder, front, axis_name)
    decoder = InformerDecoder(
        width=like.width,
        heads=like.heads,
        layers=decoder_layers,
        feed_forward=like.feed_forward,
        factor=like.factor,
        attention=like.attention,
        dropout=like.dropout,
        activation=like.activation,
        covariates=covariates,
        horizon=horizon,
        mix=mix,
    )

    def decoder_input(batch: Batch) -> Array:
        x = supervised.series(batch, covariates, "informer")
        steps, values = x.shape[1], x.shape[2] - covariates
        if label_length > steps:
            raise InputError(f"label_length: found {label_length}, want at most the {steps} steps of a window")
        known = supervised.known_future(batch, horizon, covariates)
        future = jnp.concatenate([known, jnp.zeros((*known.shape[:2], values), x.dtype)], -1)
        return jnp.concatenate([x[:, steps - label_length :], future], 1)

    def forecast(params: Params, stats: Any, batch: Batch, key: Key | None) -> tuple[Array, Any]:
        start = decoder_input(batch)
        memory, stats = backbone(params, stats, batch.fields, batch.mask, key=key)
        rngs = None if key is None else module_keys(key, 2, axis_name)
        made: Any = decoder.apply({"params": params["decoder"]}, start, memory, rngs=rngs)
        return made, stats

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        start = decoder_input(batch)
        backbone_key, decoder_key = jax.random.split(key)
        params, stats = backbone.init(backbone_key, batch)
        memory, _ = backbone(params, stats, batch.fields, batch.mask)
        return {**params, "decoder": decoder.init(decoder_key, start, memory)["params"]}, {"stats": stats}

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        made, stats = forecast(params, aux["stats"], batch, key)
        return supervised.squared_error(made, batch, covariates), ({"stats": stats}, {})

    def predict(params: Params, aux: Aux, batch: Batch) -> Array:
        return forecast(params, aux["stats"], batch, None)[0]

    def encode(params: Params, aux: Aux, batch: Batch) -> Encoded:
        return backbone.encoded(params, aux["stats"], batch)

    def embed(params: Params, aux: Aux, batch: Batch) -> Array:
        return max_over_time(encode(params, aux, batch))

    def layers(params: Params, aux: Aux, batch: Batch) -> list[Array]:
        return backbone.layers(params, aux["stats"], batch)

    return Method(
        init,
        loss,
        encode,
        embed,
        predict=predict,
        layers=layers,
        weights=own_parts("front", "encoder"),
        couples_batch=False,
    )
