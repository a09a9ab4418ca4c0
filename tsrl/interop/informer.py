"""Informer's released model, encoder and decoder (zhouhaoyi/Informer2020)."""

import re
from typing import Any, Literal

from tsrl.encoders import Informer
from tsrl.errors import InputError
from tsrl.interop.weights import Arrays, Converted, Weights


def convert(
    arrays: Arrays,
    *,
    horizon: int,
    label_length: int,
    heads: int = 8,
    factor: int = 5,
    attention: Literal["prob", "full"] = "prob",
    mix: bool = True,
) -> Converted:
    """The weights of an `Informer`; errors as for `from_torch`.

    The covariates, in the order of the released time features, come before the values in our series.

    Args:
      arrays: as for `from_torch`.
      horizon: steps that it was trained to forecast; the weights say none of these, lengths differ by set and horizon.
      label_length: last known values that the decoder starts from.
      heads: of every attention.
      factor: of ProbSparse attention, which takes that many times ln L queries and keys.
      attention: of the encoder and of the decoder's own values.
      mix: of the decoder's heads, see the method.
    """
    weights = Weights(arrays, "Informer")
    layers, decoder_layers = _count(weights, r"encoder\.attn_layers"), _count(weights, r"decoder\.layers")
    distil = any(name.startswith("encoder.conv_layers.") for name in arrays)
    encoder: dict[str, Any] = {"embedding": _embedding(weights, "enc_embedding")}
    stats: dict[str, Any] = {}
    for layer in range(layers):
        theirs = f"encoder.attn_layers.{layer}"
        encoder[f"layer_{layer}"] = projections(weights, f"{theirs}.attention")
        encoder |= _rest(weights, theirs, layer, norms=2)
        if distil and layer < layers - 1:
            encoder[f"distil_{layer}"], stats[f"distil_{layer}"] = distil_of(weights, f"encoder.conv_layers.{layer}")
    encoder["norm"] = norm(weights, "encoder.norm")
    decoder: dict[str, Any] = {"embedding": _embedding(weights, "dec_embedding")}
    for layer in range(decoder_layers):
        theirs = f"decoder.layers.{layer}"
        decoder[f"layer_{layer}_self"] = projections(weights, f"{theirs}.self_attention")
        decoder[f"layer_{layer}_cross"] = projections(weights, f"{theirs}.cross_attention")
        decoder |= _rest(weights, theirs, layer, norms=3)
    decoder |= {"norm": norm(weights, "decoder.norm"), "values": weights.linear("projection")}
    weights.end()
    _, channels, width = encoder["embedding"]["values"]["kernel"].shape
    covariates = len(encoder["embedding"]["covariates"]["dense"]["kernel"])
    inner = encoder["feed_forward_0_0"]["dense"]["kernel"].shape[1]
    module = Informer(
        width=width,
        layers=layers,
        feed_forward=inner,
        distil=distil,
        heads=heads,
        factor=factor,
        attention=attention,
    )
    return Converted(
        {"front": {}, "encoder": encoder, "decoder": decoder},
        module,
        covariates + channels,
        length=label_length,
        settings={
            "horizon": horizon,
            "label_length": label_length,
            "decoder_layers": decoder_layers,
            "covariates": covariates,
            "mix": mix,
        },
        aux={"stats": {"encoder": stats}} if stats else {},
    )


def projections(weights: Weights, name: str) -> dict[str, Any]:
    """The projections of an `AttentionLayer`."""
    return {part: weights.linear(f"{name}.{part}_projection") for part in ("query", "key", "value", "out")}


def distil_of(weights: Weights, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and batch statistics of a `ConvLayer`."""
    weights.drop(f"{name}.norm.num_batches_tracked")
    params = {"conv": weights.conv(f"{name}.downConv"), "norm": norm(weights, f"{name}.norm")}
    return params, {"norm": {part: weights.take(f"{name}.norm.running_{part}", 1) for part in ("mean", "var")}}


def norm(weights: Weights, name: str) -> dict[str, Any]:
    """Scale and bias of a normalisation."""
    return {"scale": weights.take(f"{name}.weight", 1), "bias": weights.take(f"{name}.bias", 1)}


def _embedding(weights: Weights, name: str) -> dict[str, Any]:
    # The table of positions is no weight.
    weights.drop(f"{name}.position_embedding.pe")
    if f"{name}.temporal_embedding.hour_embed.emb.weight" in weights.names:
        raise InputError(
            f"{name}.temporal_embedding: found tables for hours and days, want the linear map of time features "
            "(embed=timeF)"
        )
    values = weights.conv(f"{name}.value_embedding.tokenConv")
    return {"values": values, "covariates": weights.linear(f"{name}.temporal_embedding.embed")}


def _rest(weights: Weights, theirs: str, layer: int, norms: int) -> dict[str, Any]:
    """The normalisations and the feed-forward part of a layer, whose linear maps are convolutions of one tap."""
    found: dict[str, Any] = {f"norm_{layer}_{n}": norm(weights, f"{theirs}.norm{n + 1}") for n in range(norms)}
    for place in range(2):
        conv = weights.conv(f"{theirs}.conv{place + 1}")
        found[f"feed_forward_{layer}_{place}"] = {"dense": {"kernel": conv["kernel"][0], "bias": conv["bias"]}}
    return found


def _count(weights: Weights, pattern: str) -> int:
    matches = (re.match(rf"{pattern}\.(\d+)\.", name) for name in weights.names)
    found = sorted({int(match[1]) for match in matches if match})
    if not found or found != list(range(len(found))):
        raise InputError(f"source: found layers {found} of {pattern.replace(chr(92), '')}, want 0, 1, 2, ... no gap")
    return len(found)
