"""TNC's released `RnnEncoder` and discriminator (sanatonek/TNC_representation_learning)."""

from typing import Any

from tsrl.encoders import Recurrent
from tsrl.errors import InputError
from tsrl.interop.weights import Arrays, Converted, Weights


def convert(arrays: Arrays, *, window: int) -> Converted:
    """The weights of an `RnnEncoder`, or of one as `encoder.` beside the discriminator as `disc.`.

    Args:
      arrays: as for `from_torch`, errors too.
      window: steps of a window, of whose representations that of a series is the mean: the weights do not say it.
    """
    prefix = "encoder." if any(name.startswith("encoder.") for name in arrays) else ""
    weights = Weights(arrays, "TNC's RnnEncoder")
    encoder: dict[str, Any] = {}
    layers, both = 0, f"{prefix}rnn.weight_ih_l0_reverse" in arrays
    while f"{prefix}rnn.weight_ih_l{layers}" in arrays:
        for direction, suffix in (("forward", ""), ("backward", "_reverse")) if both else (("forward", ""),):
            for ours, theirs in (("input", "ih"), ("hidden", "hh")):
                end = f"{theirs}_l{layers}{suffix}"
                encoder[f"block_{layers}_{direction}_{ours}"] = weights.take(f"{prefix}rnn.weight_{end}", 2).T
                encoder[f"block_{layers}_{direction}_{ours}_bias"] = weights.take(f"{prefix}rnn.bias_{end}", 1)
        layers += 1
    if not layers:
        raise InputError(f"source: found no {prefix}rnn.weight_ih_l0, want the weights of TNC's RnnEncoder")
    encoder["output"] = weights.linear(f"{prefix}nn.0")
    width, gates = encoder["block_0_forward_hidden"].shape
    params = {"front": {}, "encoder": encoder}
    if "disc.model.0.weight" in arrays:
        names = (("hidden", "disc.model.0"), ("output", "disc.model.3"))
        params["discriminator"] = {ours: weights.linear(theirs)["dense"] for ours, theirs in names}
    weights.end()
    module = Recurrent(
        width=width,
        features=encoder["output"]["dense"]["kernel"].shape[1],
        layers=layers,
        cell="gru" if gates == 3 * width else "lstm",
        bidirectional=both,
    )
    length = 4 * window + 1
    return Converted(params, module, len(encoder["block_0_forward_input"]), length, settings={"window": window})
