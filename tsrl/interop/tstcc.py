"""TS-TCC's released `base_Model` (emadeldeen24/TS-TCC)."""

from typing import Any

from tsrl.encoders import PooledConv
from tsrl.interop.weights import Arrays, Converted, Weights


def convert(arrays: Arrays, *, stride: int = 1) -> Converted:
    """The weights of a `base_Model`; errors as for `from_torch`.

    Args:
      arrays: as for `from_torch`; the classifier's, `logits`, are passed over.
      stride: of the first convolution, 3 for Sleep-EDF; the weights do not say it.
    """
    weights = Weights(arrays, "TS-TCC's base_Model")
    weights.drop("logits.weight", "logits.bias")
    encoder: dict[str, Any] = {}
    stats: dict[str, Any] = {}
    for block in range(3):
        theirs = f"conv_block{block + 1}"
        encoder[f"block_{block}_kernel"] = weights.take(f"{theirs}.0.weight", 3).transpose(2, 1, 0)
        encoder[f"block_{block}_norm"] = {
            ours: weights.take(f"{theirs}.1.{name}", 1) for ours, name in (("scale", "weight"), ("bias", "bias"))
        }
        stats[f"block_{block}_norm"] = {name: weights.take(f"{theirs}.1.running_{name}", 1) for name in ("mean", "var")}
        weights.drop(f"{theirs}.1.num_batches_tracked")
    weights.end()
    taps, channels, width = encoder["block_0_kernel"].shape
    later, _, features = encoder["block_2_kernel"].shape
    module = PooledConv(width=width, features=features, kernel_size=taps, later_kernel_size=later, stride=stride)
    params = {"front": {}, "encoder": encoder}
    # Long enough for the predictions of its method.
    return Converted(params, module, channels, length=128 * stride, aux={"stats": {"encoder": stats}})
