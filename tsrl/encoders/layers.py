"""Layers with the initialisation the published PyTorch code uses: U(-1/sqrt(fan_in), 1/sqrt(fan_in)), bias included."""

import math
from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsrl.types import Array

# Up to this many weights a tap, products by tap are too small to gain from leaving out what they would not see.
_NARROW = 64 * 64


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


def dilated_convolution(x: Array, kernel: Array, bias: Array, dilation: int) -> Array:
    """Convolution over time with zeros outside of the series: `[B, T, C] -> [B, T, features]`.

    Args:
      x: `[B, T, C]`.
      kernel: `[K, C, features]`, K odd, the tap of the oldest step first.
      bias: `[features]`.
      dilation: steps between taps.
    """
    # Taps that reach beyond the series from every step see only padding: leaving them out is exact, and at
    # T = 100 nearly halves the work of the published encoder, whose last dilation is 1024.
    middle, steps = len(kernel) // 2, x.shape[1]
    reach = min(middle, (steps - 1) // dilation)
    kernel = kernel[middle - reach : middle + reach + 1]
    wide = kernel.shape[1] * kernel.shape[2] > _NARROW
    if reach == 0 or (wide and 2 * dilation > steps):
        return _tap_by_tap(x, kernel, dilation) + bias
    return _one_product(x, kernel, dilation) + bias


def _tap_by_tap(x: Array, kernel: Array, dilation: int) -> Array:
    """A product for each tap, at the steps from which it does not see padding."""
    middle = len(kernel) // 2
    y = x @ kernel[middle]
    for tap in range(1, middle + 1):
        away = tap * dilation
        y = y.at[:, away:].add(x[:, :-away] @ kernel[middle - tap])
        y = y.at[:, :-away].add(x[:, away:] @ kernel[middle + tap])
    return y


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _one_product(x: Array, kernel: Array, dilation: int) -> Array:
    """One product over shifted copies. Its own derivative keeps the input only, and shifts the gradient once for both
    of its products; differentiating the line below would keep all copies and add up three padded ones."""
    return _shifted(x, len(kernel), dilation) @ kernel.reshape(-1, kernel.shape[-1])


def _shifted(x: Array, count: int, dilation: int) -> Array:
    """`[B, T, C] -> [B, T, count * C]`: the steps `dilation` apart around each step, the oldest first."""
    steps, padding = x.shape[1], count // 2 * dilation
    padded = jnp.pad(x, ((0, 0), (padding, padding), (0, 0)))
    return jnp.concatenate([padded[:, tap * dilation : tap * dilation + steps] for tap in range(count)], -1)


def _one_product_forward(x: Array, kernel: Array, dilation: int) -> tuple[Array, tuple[Array, Array]]:
    return _one_product(x, kernel, dilation), (x, kernel)


def _one_product_backward(dilation: int, kept: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    x, kernel = kept
    count, channels, features = kernel.shape
    shifted = _shifted(cotangent, count, dilation)
    # A step is seen by the newer one through the kernel's older tap, so the taps are met in reverse.
    for_x = shifted @ kernel[::-1].swapaxes(1, 2).reshape(-1, channels)
    # Summed over the batch in a second step: a product over both axes would transpose x first, slower than all else.
    for_kernel = jnp.einsum("btc,btf->bcf", x, shifted).sum(0).reshape(channels, count, features)
    return for_x, for_kernel.swapaxes(0, 1)[::-1]


_one_product.defvjp(_one_product_forward, _one_product_backward)


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
        return dilated_convolution(x, kernel, bias, self.dilation)
