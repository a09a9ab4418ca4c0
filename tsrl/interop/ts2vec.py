"""TS2Vec's released `TSEncoder` (zhihanyue/ts2vec)."""

import re

from tsrl.encoders import DilatedConv
from tsrl.errors import InputError
from tsrl.interop.weights import Arrays, Converted, Weights


def convert(arrays: Arrays) -> Converted:
    """The weights of a `TSEncoder`; arguments and errors as for `from_torch`."""
    weights = Weights(arrays, "TS2Vec's TSEncoder")
    front = {"input": weights.linear("input_fc")}
    found = (re.match(r"feature_extractor\.net\.(\d+)\.", name) for name in arrays)
    blocks = sorted({int(match[1]) for match in found if match})
    if not blocks or blocks != list(range(len(blocks))):
        raise InputError(f"source: found blocks {blocks} of feature_extractor.net, want 0, 1, 2, ... without a gap")
    encoder = {}
    for block in blocks:
        for ours, theirs in (("conv_0", "conv1.conv"), ("conv_1", "conv2.conv")):
            encoder[f"block_{block}_{ours}"] = weights.conv(f"feature_extractor.net.{block}.{theirs}")
        if block == blocks[-1]:
            encoder[f"block_{block}_projection"] = weights.conv(f"feature_extractor.net.{block}.projector")
    weights.end()
    channels, width = front["input"]["dense"]["kernel"].shape
    kernel_size, _, features = encoder[f"block_{blocks[-1]}_conv_0"]["kernel"].shape
    module = DilatedConv(width=width, features=features, depth=len(blocks) - 1, kernel_size=kernel_size)
    return Converted({"front": front, "encoder": encoder}, module, channels)
