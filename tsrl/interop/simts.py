"""SimTS's released `CausalCNNEncoder` (xingyu617/SimTS_Representation_Learning)."""

from typing import Any

from tsrl.encoders import MultiScaleConv
from tsrl.errors import InputError
from tsrl.interop.weights import Arrays, Converted, Weights


def convert(arrays: Arrays) -> Converted:
    """The weights of a `CausalCNNEncoder`; arguments and errors as for `from_torch`."""
    weights = Weights(arrays, "SimTS's CausalCNNEncoder")
    front: dict[str, Any] = {f"conv_{i}": weights.conv(f"input_fc.conv{i + 1}") for i in range(2)}
    channels, width = front["conv_0"]["kernel"].shape[1:]
    if channels != width:
        residual = weights.conv("input_fc.upordownsample")
        front["projection"] = {"dense": {"kernel": residual["kernel"][0], "bias": residual["bias"]}}
    convolutions: dict[str, Any] = {}
    while f"multi_cnn.{len(convolutions)}.weight" in arrays:
        convolutions[f"conv_{len(convolutions)}"] = weights.conv(f"multi_cnn.{len(convolutions)}")
    weights.end()
    if not convolutions:
        raise InputError("source: found no multi_cnn.0, want the convolutions of SimTS's CausalCNNEncoder")
    kernels = tuple(len(conv["kernel"]) for conv in convolutions.values())
    features = convolutions["conv_0"]["kernel"].shape[-1]
    module = MultiScaleConv(width=width, features=features, kernels=kernels)
    return Converted({"front": front, "encoder": {"convolutions": convolutions}}, module, channels)
