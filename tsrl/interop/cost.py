"""CoST's released `CoSTEncoder` (salesforce/CoST)."""

from typing import Any

from tsrl.errors import InputError
from tsrl.interop.ts2vec import backbone
from tsrl.interop.weights import Arrays, Converted, Weights


def convert(arrays: Arrays) -> Converted:
    """The weights of a `CoSTEncoder`; arguments and errors as for `from_torch`.

    Complex weights come as they are, or as two arrays whose names end in `.re` and `.im`. A layer's weights fit series
    of an even length and of one step more: the odd one is taken, as in the published settings.
    """
    parts = {}
    for name, array in arrays.items():
        complex_parts = {f"{name}.re": array.real, f"{name}.im": array.imag} if array.dtype.kind == "c" else {}
        parts.update(complex_parts or {name: array})
    weights = Weights(parts, "CoST's CoSTEncoder")
    front, encoder, module = backbone(weights)
    trend: dict[str, Any] = {}
    while f"tfd.{len(trend)}.weight" in parts:
        trend[f"conv_{len(trend)}"] = weights.conv(f"tfd.{len(trend)}")
    kernels = [len(conv["kernel"]) for conv in trend.values()]
    if not kernels or kernels != [2**i for i in range(len(kernels))]:
        raise InputError(f"source: found kernels {kernels} of tfd, want 1, 2, 4, ...")
    season = {
        f"{name}_{part}": weights.take(f"sfd.0.{name}.{part}", rank)
        for name, rank in (("weight", 3), ("bias", 2))
        for part in ("re", "im")
    }
    weights.end()
    params = {"front": front, "encoder": encoder, "branches": {"trend": trend, "season": season}}
    length = 2 * len(season["bias_re"]) - 1
    settings = {"length": length, "longest_kernel": kernels[-1]}
    return Converted(params, module, len(front["input"]["dense"]["kernel"]), length, settings)
