"""TimeDRL's released model (blacksnail789521/TimeDRL)."""

import re
from typing import Any, Literal

import numpy as np

from tsrl.encoders import Transformer
from tsrl.errors import InputError
from tsrl.interop.weights import Arrays, Converted, Weights
from tsrl.methods.timedrl import Instance


def convert(
    arrays: Arrays,
    *,
    patch_len: int,
    stride: int,
    channel_independent: bool,
    heads: int,
    position: Literal["learnable", "fixed", "none"],
    instance: Instance = "cls",
    activation: Literal["gelu", "relu"] = "gelu",
    causal: bool = False,
) -> Converted:
    """The weights of a `TimeDRL`; errors as for `from_torch`.

    Args:
      arrays: as for `from_torch`.
      patch_len: of the configuration, as all below: the weights do not say it, and it differs by data set.
      stride: between patches.
      channel_independent: each channel by itself.
      heads: of the attention.
      position: what tells tokens apart; learnable where the weights hold a table of positions.
      instance: what the instance representation is.
      activation: of the two-layer networks.
      causal: the released `transformer_decoder`.
    """
    weights = Weights(arrays, "TimeDRL's model")
    # Heads for evaluation, which a checkpoint may hold beside the model.
    weights.drop(*(name for name in arrays if name.startswith(("forecaster.", "classifier."))))
    cls = weights.take("cls_token", 3)[0]
    if "input_layer.token_embedding.tokenConv.weight" in arrays:
        kernel = weights.take("input_layer.token_embedding.tokenConv.weight", 3).transpose(2, 1, 0)
    else:
        kernel = weights.take("input_layer.token_embedding.weight", 2).T[None]
    encoder: dict[str, Any] = {}
    found = (re.match(r"encoder\.attn_layers\.(\d+)\.", name) for name in arrays)
    blocks = sorted({int(match[1]) for match in found if match})
    if not blocks or blocks != list(range(len(blocks))):
        raise InputError(f"source: found blocks {blocks} of encoder.attn_layers, want 0, 1, 2, ... without a gap")
    for block in blocks:
        theirs, ours = f"encoder.attn_layers.{block}", f"block_{block}"
        parts = [weights.linear(f"{theirs}.attention.{part}_projection")["dense"] for part in ("query", "key", "value")]
        joined = {name: np.concatenate([part[name] for part in parts], -1) for name in ("kernel", "bias")}
        encoder[f"{ours}_query_key_value"] = {"dense": joined}
        encoder[f"{ours}_out"] = weights.linear(f"{theirs}.attention.out_projection")
        for own, their in (("expand", "conv1"), ("contract", "conv2")):
            made = weights.conv(f"{theirs}.{their}")
            encoder[f"{ours}_{own}"] = {"dense": {"kernel": made["kernel"][0], "bias": made["bias"]}}
        for number in (0, 1):
            encoder[f"{ours}_norm_{number}"] = _norm(weights, f"{theirs}.norm{number + 1}")
    encoder["norm"] = _norm(weights, "encoder.norm")
    table = "input_layer.position_embedding.pe"
    if position == "learnable":
        encoder["positions"] = weights.take(table, 2)
    elif table in arrays and arrays[table].ndim == 2:
        raise InputError(f"position: found {position} for weights with a table of positions, want learnable")
    else:
        # A fixed table is no weight.
        weights.drop(table)
    head = {"linear": weights.linear("predictive_linear.1")}
    predictor = {
        "linear_0": weights.linear("contrastive_predictor.0"),
        "norm": _norm(weights, "contrastive_predictor.1"),
        "linear_1": weights.linear("contrastive_predictor.4"),
    }
    statistics = {name: weights.take(f"contrastive_predictor.1.running_{name}", 1) for name in ("mean", "var")}
    weights.drop("contrastive_predictor.1.num_batches_tracked")
    weights.end()
    size = head["linear"]["dense"]["kernel"].shape[1]
    channels = len(cls) if channel_independent else size // patch_len
    if size != patch_len * (1 if channel_independent else channels):
        raise InputError(f"patch_len: found {patch_len} for a head that makes {size} values, want a divisor of it")
    module = Transformer(
        width=kernel.shape[2],
        heads=heads,
        layers=len(blocks),
        position=position,
        max_length=len(encoder["positions"]) if position == "learnable" else 5000,
        activation=activation,
        causal=causal,
    )
    params = {"front": {"cls": cls, "kernel": kernel}, "encoder": encoder, "head": head, "predictor": predictor}
    settings = {
        "patch_len": patch_len,
        "stride": stride,
        "kernel_size": kernel.shape[0],
        "channel_independent": channel_independent,
        "instance": instance,
    }
    # Only "all", which flattens the patches, depends on the length: its predictor says how many they are.
    width = predictor["linear_0"]["dense"]["kernel"].shape[0]
    patches = width // kernel.shape[2] if instance == "all" else 2
    length = patch_len + (patches - 2) * stride
    return Converted(params, module, channels, length, settings, {"stats": {"predictor": {"norm": statistics}}})


def _norm(weights: Weights, name: str) -> dict[str, np.ndarray]:
    return {"scale": weights.take(f"{name}.weight", 1), "bias": weights.take(f"{name}.bias", 1)}
