"""CoST's two branches over a backbone: trend in the time domain, season in the frequency domain."""

from typing import Literal

import flax.linen as nn
import jax.numpy as jnp

from tsrl.encoders.causal_mean import CausalMean
from tsrl.encoders.fourier import BandedFourier
from tsrl.types import Array


class Disentangle(nn.Module):
    """Trend and season of a backbone's representation `[B, T, D]`, each half as wide.

    Attributes:
      length: T of the season's layer.
      kernels: taps of the trend's convolutions.

    References: CoST (arXiv 2202.01575), section 3; one band of frequencies, as in the released code.
    """

    length: int
    kernels: tuple[int, ...]

    @nn.compact
    def __call__(self, z: Array, part: Literal["both", "both_last", "trend_last", "season"]) -> Array:
        """One part or both side by side; `last` stands for `[B, ...]`, the last step's.

        The trend at the last step needs no more than the last `max(kernels)` steps of z.
        """
        half = z.shape[-1] // 2
        trend = CausalMean(half, self.kernels, name="trend")
        season = BandedFourier(half, self.length, name="season")
        if part == "trend_last":
            return trend.last(z)
        if part == "season":
            return season(z)
        last = part == "both_last"
        return jnp.concatenate([trend.last(z) if last else trend(z), season(z, last)], -1)
