"""Layers with the initialisation the published PyTorch code uses: U(-1/sqrt(fan_in), 1/sqrt(fan_in)), bias included."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsrl.types import Array


def uniform_fan_in(fan_in: int) -> nn.initializers.Initializer:
    """Initialiser U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default for weights and biases of Linear and Conv1d."""

    def init(key: Array, shape: Sequence[int], dtype=jnp.float32) -> Array:  # type: ignore[no-untyped-def]
        bound = 1 / math.sqrt(fan_in)
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


class Linear(nn.Module):
    """`[..., C] -> [..., features]`, initialised as PyTorch's Linear."""

    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        init = uniform_fan_in(x.shape[-1])
        return nn.Dense(self.features, kernel_init=init, bias_init=init, name="dense")(x)


class SameConv1d(nn.Module):
    """Dilated convolution over time with zero padding on both sides: `[B, T, C] -> [B, T, features]`.

    Attributes:
      features: output width.
      kernel_size: odd number of taps.
      dilation: steps between taps.
    """

    features: int
    kernel_size: int = 3
    dilation: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        init = uniform_fan_in(self.kernel_size * x.shape[-1])
        kernel = self.param("kernel", init, (self.kernel_size, x.shape[-1], self.features))
        bias = self.param("bias", init, (self.features,))
        # Taps that reach beyond the series from every step see only padding: leaving them out is exact, and at
        # T = 100 nearly halves the work of the published encoder, whose last dilation is 1024.
        middle = self.kernel_size // 2
        reach = min(middle, (x.shape[1] - 1) // self.dilation)
        kernel = kernel[middle - reach : middle + reach + 1]
        if reach == 0:
            return x @ kernel[0] + bias
        # One matrix product over shifted copies
        steps, padding = x.shape[1], reach * self.dilation
        padded = jnp.pad(x, ((0, 0), (padding, padding), (0, 0)))
        taps = [padded[:, tap * self.dilation : tap * self.dilation + steps] for tap in range(len(kernel))]
        return jnp.concatenate(taps, -1) @ kernel.reshape(-1, self.features) + bias
