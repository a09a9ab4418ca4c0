"""Encoders (flax.linen modules) `(h [B, T, width], mask [B, T]) -> [B, T, features]`, and the fronts before them."""

from collections.abc import Callable

import flax.linen as nn

from tsrl.encoders.dilated_conv import DilatedConv
from tsrl.encoders.front import LinearFront

ENCODERS: dict[str, Callable[..., nn.Module]] = {"DilatedConv": DilatedConv}

__all__ = ["ENCODERS", "DilatedConv", "LinearFront"]
