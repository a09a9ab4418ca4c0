"""Encoders and the fronts before them.

An encoder is a flax.linen module with an attribute `width`, called as `(h [B, T, width], mask [B, T], exists, wanted)`
for `[B, T, features]`. Steps where `exists` (`[T]` or `[B, T]` bool, None = all) is False are padding that changes
nothing; `wanted` (None = all) takes `[B, T, ...]` to the steps `[B, S, ...]` whose representation is asked for.

What else a module may have: `front()` (under `nn.nowrap`), the front it wants instead of a projection to `width`;
`keeps_steps`, False if it shortens the series; `causal`, True if no step sees later ones; `axis_name`, which the
method sets, for batch statistics over all devices; `last_of_windows`, see `DilatedConv`. Dropout is drawn when `apply`
is given a "dropout" key, what all rows share when it is given a "sample" key, the same on all devices, and batch
statistics are taken where their collection is mutable: there is no flag for training.
"""

from collections.abc import Callable

import flax.linen as nn

from tsrl.encoders.causal_conv import CausalConv
from tsrl.encoders.dilated_conv import DilatedConv
from tsrl.encoders.event_front import EventFront
from tsrl.encoders.front import LinearFront, RawFront, front_of
from tsrl.encoders.informer import Informer
from tsrl.encoders.multi_scale import MultiScaleConv, ProjectionFront
from tsrl.encoders.pooled_conv import PooledConv
from tsrl.encoders.pyramid import Pyramid
from tsrl.encoders.recurrent import Recurrent
from tsrl.encoders.tcn import TCN
from tsrl.encoders.transformer import Transformer

ENCODERS: dict[str, Callable[..., nn.Module]] = {
    "CausalConv": CausalConv,
    "DilatedConv": DilatedConv,
    "Informer": Informer,
    "MultiScaleConv": MultiScaleConv,
    "PooledConv": PooledConv,
    "Pyramid": Pyramid,
    "Recurrent": Recurrent,
    "TCN": TCN,
    "Transformer": Transformer,
}

__all__ = [
    "ENCODERS",
    "TCN",
    "CausalConv",
    "DilatedConv",
    "EventFront",
    "Informer",
    "LinearFront",
    "MultiScaleConv",
    "PooledConv",
    "ProjectionFront",
    "Pyramid",
    "RawFront",
    "Recurrent",
    "Transformer",
    "front_of",
]
