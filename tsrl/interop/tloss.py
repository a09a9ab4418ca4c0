"""T-Loss's released `CausalCNNEncoder` (White-Link/UnsupervisedScalableRepresentationLearningTimeSeries)."""

import re
from typing import Any

from tsrl.encoders import CausalConv
from tsrl.errors import InputError
from tsrl.interop.weights import Arrays, Converted, Weights


def convert(arrays: Arrays) -> Converted:
    """The weights of a `CausalCNNEncoder`; arguments and errors as for `from_torch`."""
    weights = Weights(arrays, "T-Loss's CausalCNNEncoder")
    found = (re.match(r"network\.0\.network\.(\d+)\.", name) for name in arrays)
    blocks = sorted({int(match[1]) for match in found if match})
    if not blocks or blocks != list(range(len(blocks))):
        raise InputError(f"source: found blocks {blocks} of network.0.network, want 0, 1, 2, ... without a gap")
    encoder: dict[str, Any] = {}
    for block in blocks:
        theirs, ours = f"network.0.network.{block}", f"block_{block}"
        for place, number in enumerate((0, 3)):
            encoder[f"{ours}_conv_{place}"] = weights.conv(f"{theirs}.causal.{number}")
        if f"{theirs}.upordownsample.weight" in arrays:
            encoder[f"{ours}_projection"] = weights.conv(f"{theirs}.upordownsample")
    output = weights.linear("network.3")
    weights.end()
    kernel_size, channels, width = encoder["block_0_conv_0"]["kernel"].shape
    features = encoder[f"block_{blocks[-1]}_conv_0"]["kernel"].shape[2]
    module = CausalConv(width=width, features=features, depth=len(blocks) - 1, kernel_size=kernel_size)
    params = {"front": {}, "encoder": encoder, "output": output}
    return Converted(params, module, channels, settings={"output": output["dense"]["kernel"].shape[1]})
