"""Methods by name: each factory takes an encoder and keyword settings and returns a `tsrl.types.Method`."""

from collections.abc import Callable

import flax.linen as nn

from tsrl.encoders import (
    TCN,
    CausalConv,
    DilatedConv,
    Informer,
    MultiScaleConv,
    PooledConv,
    Pyramid,
    Recurrent,
    Transformer,
)
from tsrl.methods.byol import byol
from tsrl.methods.ccl import ccl
from tsrl.methods.cost import cost
from tsrl.methods.foundation import foundation
from tsrl.methods.informer import informer
from tsrl.methods.mhccl import mhccl
from tsrl.methods.next_step import next_step
from tsrl.methods.simclr import simclr
from tsrl.methods.simts import simts
from tsrl.methods.tcn import tcn
from tsrl.methods.timedrl import timedrl
from tsrl.methods.tloss import tloss
from tsrl.methods.tnc import tnc
from tsrl.methods.ts2vec import ts2vec
from tsrl.methods.tstcc import tstcc
from tsrl.types import Method

METHODS: dict[str, Callable[..., Method]] = {
    "byol": byol,
    "ccl": ccl,
    "cost": cost,
    "foundation": foundation,
    "informer": informer,
    "mhccl": mhccl,
    "next_step": next_step,
    "simclr": simclr,
    "simts": simts,
    "tcn": tcn,
    "timedrl": timedrl,
    "tloss": tloss,
    "tnc": tnc,
    "ts2vec": ts2vec,
    "tstcc": tstcc,
}
# The encoder of each method's paper; any other of `tsrl.encoders` can take its place.
ENCODER_OF: dict[str, Callable[[], nn.Module]] = {
    "byol": PooledConv,
    "ccl": PooledConv,
    "cost": DilatedConv,
    "foundation": Pyramid,
    "informer": Informer,
    "mhccl": PooledConv,
    "next_step": CausalConv,
    "simclr": PooledConv,
    "simts": MultiScaleConv,
    "tcn": TCN,
    "timedrl": Transformer,
    "tloss": CausalConv,
    "tnc": Recurrent,
    "ts2vec": DilatedConv,
    "tstcc": PooledConv,
}

__all__ = [
    "ENCODER_OF",
    "METHODS",
    "byol",
    "ccl",
    "cost",
    "foundation",
    "informer",
    "mhccl",
    "next_step",
    "simclr",
    "simts",
    "tcn",
    "timedrl",
    "tloss",
    "tnc",
    "ts2vec",
    "tstcc",
]
