"""The released TCN (locuslab/TCN), `TemporalConvNet`, as the encoder of the method `tcn`."""

import re
from typing import Any

from tsrl.encoders import TCN
from tsrl.errors import InputError
from tsrl.interop.weights import Arrays, Converted, Weights


def convert(arrays: Arrays) -> Converted:
    """The weights of a `TemporalConvNet` and of a head `linear`; arguments and errors as for `from_torch`.

    All levels have one width. The head gives all channels of every step of the horizon; there are no covariates.
    """
    weights = Weights(arrays, "a TemporalConvNet with a head `linear`")
    matches = (re.match(r"(?:tcn\.)?network\.(\d+)\.", name) for name in arrays)
    levels = sorted({int(match[1]) for match in matches if match})
    if not levels or levels != list(range(len(levels))):
        raise InputError(f"source: found levels {levels} of network, want 0, 1, 2, ... without a gap")
    prefix = "tcn.network" if any(name.startswith("tcn.") for name in arrays) else "network"
    blocks = {f"block_{level}": block(weights, f"{prefix}.{level}") for level in levels}
    head = weights.linear("linear")
    weights.end()
    kernel_size, channels, width = blocks["block_0"]["conv_0"]["kernel"].shape
    outputs = head["dense"]["kernel"].shape[1]
    if outputs % channels:
        raise InputError(f"linear.weight: found {outputs} outputs, want a multiple of the {channels} channels")
    return Converted(
        {"front": {}, "encoder": blocks, "head": head},
        TCN(width=width, levels=len(levels), kernel_size=kernel_size),
        channels,
        settings={"horizon": outputs // channels, "covariates": 0},
    )


def block(weights: Weights, name: str) -> dict[str, Any]:
    """The parameters of a `TemporalBlock`."""
    found: dict[str, Any] = {}
    for place in range(2):
        # The block holds its layers a second time in its sequence `net`.
        weights.drop(*(f"{name}.net.{4 * place}.{part}" for part in ("bias", "weight_g", "weight_v")))
        found[f"conv_{place}"] = weights.conv(f"{name}.conv{place + 1}")
    if f"{name}.downsample.weight" in weights.names:
        found["projection"] = weights.conv(f"{name}.downsample")
    return found
