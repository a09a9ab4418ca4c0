"""Discrete Fourier transforms as products with a matrix, and a layer of its own weights for each frequency.

At the lengths that such a layer is made for, a few hundred steps, the products are as fast as a fast transform, forward
and back, and put the frequencies where the next product wants them.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import lax

from tsrl.encoders.layers import uniform_fan_in
from tsrl.errors import InputError
from tsrl.types import Array


def coefficients(x: Array) -> tuple[Array, Array]:
    """Real and imaginary parts of the transform over time: `[B, T, D]` to twice `[B, T // 2 + 1, D]`."""
    steps = x.shape[1]
    waves = _waves(steps, 0, steps // 2 + 1)
    found = jnp.einsum("ft,btc->bfc", waves, x, precision=lax.Precision.HIGHEST)
    return found[:, : steps // 2 + 1], found[:, steps // 2 + 1 :]


class BandedFourier(nn.Module):
    """A linear layer for each frequency of a band, `[B, T, C] -> [B, T, features]`; other frequencies become zero.

    Weights are complex, kept as real and imaginary part.

    Attributes:
      features: output width.
      length: steps that it is made for; longer series have more frequencies, of which the first are used.
      band: which of the bands.
      bands: equal parts of the frequencies; the last has what is left over.

    Raises:
      InputError: a series that is shorter than `length`.

    References: CoST (arXiv 2202.01575), section 3.3, and the released code, whose initialisation counts inputs times
    outputs as fan-in.
    """

    features: int
    length: int
    band: int = 0
    bands: int = 1

    @nn.compact
    def __call__(self, x: Array, last: bool = False) -> Array:
        """The layer's output at all steps, or `[B, features]` at the last step only."""
        steps, channels = x.shape[1:]
        if steps < self.length:
            raise InputError(f"length: found series of {steps} steps, want at least {self.length}")
        total = self.length // 2 + 1
        start = self.band * (total // self.bands)
        end = total if self.band == self.bands - 1 else start + total // self.bands
        count, init = end - start, uniform_fan_in(channels * self.features)
        weights = [self.param(name, init, (count, channels, self.features)) for name in ("weight_re", "weight_im")]
        biases = [self.param(name, init, (count, self.features)) for name in ("bias_re", "bias_im")]
        waves = _waves(steps, start, end)
        found = jnp.einsum("ft,btc->fbc", waves, x, precision=lax.Precision.HIGHEST)
        re, im = found[:count], found[count:]
        # Frequencies first: one product for each of them.
        y_re = re @ weights[0] - im @ weights[1] + biases[0][:, None]
        y_im = re @ weights[1] + im @ weights[0] + biases[1][:, None]
        # All frequencies stand for their conjugates too, but for zero and half of the sampling rate.
        alone = np.arange(start, end) * 2 % steps == 0
        back = waves * np.tile(np.where(alone, 1, 2), 2)[:, None].astype(np.float32) / steps
        back = back[:, -1:] if last else back
        y = jnp.einsum("ft,fbc->btc", back, jnp.concatenate([y_re, y_im]), precision=lax.Precision.HIGHEST)
        return y[:, 0] if last else y


def _waves(steps: int, start: int, end: int) -> np.ndarray:
    """`[2 * (end - start), steps]`: the cosines, then the negative sines of the frequencies from `start` to `end`."""
    turns = np.outer(np.arange(start, end), np.arange(steps)) % steps / steps
    waves = np.stack([np.cos(2 * np.pi * turns), -np.sin(2 * np.pi * turns)])
    # The sines of half turns are zero, so that frequencies without an imaginary part have exactly none.
    waves[1][turns * 2 % 1 == 0] = 0
    return waves.reshape(-1, steps).astype(np.float32)
