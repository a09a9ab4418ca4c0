"""TS2Vec's released `TSEncoder` (zhihanyue/ts2vec)."""

import re
from typing import Any

from tsrl.encoders import DilatedConv
from tsrl.errors import InputError
from tsrl.interop.weights import Arrays, Converted, Weights


def convert(arrays: Arrays) -> Converted:
    """The weights of a `TSEncoder`; arguments and errors as for `from_torch`."""
    weights = Weights(arrays, "TS2Vec's TSEncoder")
    front, encoder, module = backbone(weights)
    weights.end()
    return Converted({"front": front, "encoder": encoder}, module, len(front["input"]["dense"]["kernel"]))


def backbone(weights: Weights) -> tuple[dict[str, Any], dict[str, Any], DilatedConv]:
    """Takes the input layer and the blocks: our front's and encoder's parameters, and the encoder."""
    front = {"input": weights.linear("input_fc")}
    found = (re.match(r"feature_extractor\.net\.(\d+)\.", name) for name in weights.names)
    blocks = sorted({int(match[1]) for match in found if match})
    if not blocks or blocks != list(range(len(blocks))):
        raise InputError(f"source: found blocks {blocks} of feature_extractor.net, want 0, 1, 2, ... without a gap")
    encoder = {}
    for block in blocks:
        for ours, theirs in (("conv_0", "conv1.conv"), ("conv_1", "conv2.conv")):
            encoder[f"block_{block}_{ours}"] = weights.conv(f"feature_extractor.net.{block}.{theirs}")
        if block == blocks[-1]:
            encoder[f"block_{block}_projection"] = weights.conv(f"feature_extractor.net.{block}.projector")
    width = front["input"]["dense"]["kernel"].shape[1]
    kernel_size, _, features = encoder[f"block_{blocks[-1]}_conv_0"]["kernel"].shape
    return front, encoder, DilatedConv(width=width, features=features, depth=len(blocks) - 1, kernel_size=kernel_size)
