"""Methods by name: each factory takes an encoder and keyword settings and returns a `tsrl.types.Method`."""

from collections.abc import Callable

import flax.linen as nn

from tsrl.encoders import DilatedConv, MultiScaleConv
from tsrl.methods.cost import cost
from tsrl.methods.simts import simts
from tsrl.methods.ts2vec import ts2vec
from tsrl.types import Method

METHODS: dict[str, Callable[..., Method]] = {"ts2vec": ts2vec, "cost": cost, "simts": simts}
# The encoder of each method's paper; any other of `tsrl.encoders` can take its place.
ENCODER_OF: dict[str, Callable[[], nn.Module]] = {"ts2vec": DilatedConv, "cost": DilatedConv, "simts": MultiScaleConv}

__all__ = ["ENCODER_OF", "METHODS", "cost", "simts", "ts2vec"]
