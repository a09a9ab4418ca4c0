"""Encoders and the fronts before them.

An encoder is a flax.linen module with an attribute `width`, called as `(h [B, T, width], mask [B, T], exists, wanted)`
for `[B, T, features]`. Steps where `exists` (`[T]` or `[B, T]` bool, None = all) is False are padding that changes
nothing; `wanted` (None = all) takes `[B, T, ...]` to the steps `[B, S, ...]` whose representation is asked for.
"""

from collections.abc import Callable

import flax.linen as nn

from tsrl.encoders.dilated_conv import DilatedConv
from tsrl.encoders.front import LinearFront

ENCODERS: dict[str, Callable[..., nn.Module]] = {"DilatedConv": DilatedConv}

__all__ = ["ENCODERS", "DilatedConv", "LinearFront"]
