"""Layers with the initialisation the published PyTorch code uses: U(-1/sqrt(fan_in), 1/sqrt(fan_in)), bias included."""

import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from tsrl import parallel
from tsrl.encoders.convolution import NARROW, dilated_convolution, product
from tsrl.types import Array, Key


def uniform_fan_in(fan_in: int) -> nn.initializers.Initializer:
    """Initialiser U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default for weights and biases of Linear and Conv1d."""

    def init(key: Array, shape: Sequence[int], dtype=jnp.float32) -> Array:  # type: ignore[no-untyped-def]
        bound = 1 / math.sqrt(fan_in)
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


@jax.custom_vjp
def gelu(x: Array) -> Array:
    """The exact GELU, `x * P(X < x)` for a standard normal X, with a derivative of its own.

    `jax.nn.gelu` takes erfc, which XLA computes in three passes over the array, and keeps what they give; here one pass
    goes forward, one back, and only x is kept.
    """
    return x * _normal_cdf(x)


def _normal_cdf(x: Array) -> Array:
    return 0.5 * (1 + lax.erf(x * math.sqrt(0.5)))


def _gelu_backward(x: Array, cotangent: Array) -> tuple[Array]:
    # Otherwise XLA would keep the forward pass's distribution function instead of computing it again.
    x, cotangent = lax.optimization_barrier((x, cotangent))
    return (cotangent * (_normal_cdf(x) + x * jnp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)),)


gelu.defvjp(lambda x: (gelu(x), x), _gelu_backward)


class Linear(nn.Module):
    """`[..., C] -> [..., features]`, initialised as PyTorch's Linear."""

    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        init = uniform_fan_in(x.shape[-1])
        dot = _wide_product if x.shape[-1] * self.features > NARROW else None
        return nn.Dense(self.features, kernel_init=init, bias_init=init, dot_general=dot, name="dense")(x)


def _wide_product(x: Array, kernel: Array, dimensions: Any, precision: Any = None, **unused: Any) -> Array:
    """`product` as flax calls a product: over the last axis of x and the first of the kernel."""
    del dimensions, precision, unused
    return product(x, kernel)


class SameConv1d(nn.Module):
    """Dilated convolution over time with zero padding on both sides: `[B, T, C] -> [B, T, features]`.

    Attributes:
      features: output width.
      kernel_size: odd number of taps.
      dilation: steps between taps.
      dtype: of the products' factors, see `dilated_convolution`.
    """

    features: int
    kernel_size: int = 3
    dilation: int = 1
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        init = uniform_fan_in(self.kernel_size * x.shape[-1])
        kernel = self.param("kernel", init, (self.kernel_size, x.shape[-1], self.features))
        bias = self.param("bias", init, (self.features,))
        return dilated_convolution(x, kernel, bias, self.dilation, self.dtype)


class CausalConv1d(nn.Module):
    """Dilated convolution over time that sees no later step: `[B, T, C] -> [B, T, features]`.

    Attributes:
      features: output width.
      kernel_size: number of taps.
      dilation: steps between taps.
      weight_norm: the kernel of each output is `scale * v / |v|`, PyTorch's `weight_norm`; `scale` starts as `|v|`.
      kernel_init: default: PyTorch's, see `uniform_fan_in`.
    """

    features: int
    kernel_size: int
    dilation: int = 1
    weight_norm: bool = False
    kernel_init: nn.initializers.Initializer | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        default = uniform_fan_in(self.kernel_size * x.shape[-1])
        kernel = self.param("kernel", self.kernel_init or default, (self.kernel_size, x.shape[-1], self.features))
        if self.weight_norm:
            norm = jnp.sqrt(jnp.sum(kernel * kernel, (0, 1)))
            kernel = kernel * (self.param("scale", lambda _: norm) / norm)
        bias = self.param("bias", default, (self.features,))
        return dilated_convolution(x, kernel, bias, self.dilation, causal=True)


def drop(key: Key, x: Array, rate: float) -> Array:
    """Zeroes elements with probability `rate` and scales the rest by `1 / (1 - rate)`.

    A draw has 16 bits, so that the probability is exact to 1e-5, and a split's keys are taken as the random words: one
    evaluation of the generator serves four elements, where `jax.random.bernoulli` spends one on each.

    Args:
      key: random key.
      x: any shape.
      rate: 0 up to, but not, 1.

    Returns:
      An array like `x`.
    """
    # Two words of a key: those of the "rbg" generators are four, the last two equal to the first.
    drawn = jax.random.key_data(jax.random.split(key, -(-x.size // 4)))[:, :2]
    draws = jnp.concatenate([half for word in drawn.T for half in (word & 0xFFFF, word >> 16)])[: x.size]
    return jnp.where(draws.reshape(x.shape) >= round(rate * 2**16), x / (1 - rate), 0)


class Dropout(nn.Module):
    """`drop`, when `apply` is given a "dropout" key.

    Unlike the draws of views these do not follow a row from device to device.

    Attributes:
      rate: 0 up to, but not, 1.
    """

    rate: float

    @nn.compact
    def __call__(self, x: Array) -> Array:
        if self.rate == 0 or not self.has_rng("dropout"):
            return x
        return drop(self.make_rng("dropout"), x, self.rate)


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last, as PyTorch's: momentum 0.1, unbiased running variance.

    The batch's own statistics count, over all devices, where the collection "batch_stats" is mutable; elsewhere the
    running ones.

    Attributes:
      epsilon: added to the variance.
      axis_name: device axis, or None.
    """

    epsilon: float = 1e-5
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        width = x.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, width)
        bias = self.param("bias", nn.initializers.zeros, width)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, width)
        running_var = self.variable("batch_stats", "var", jnp.ones, width)
        if self.is_mutable_collection("batch_stats") and not self.is_initializing():
            rows = x.reshape(-1, *width)
            mean = parallel.mean(rows.mean(0), self.axis_name)
            var = parallel.mean(jnp.square(rows - mean).mean(0), self.axis_name)
            count = len(rows) * parallel.device_count(self.axis_name)
            running_mean.value = 0.9 * running_mean.value + 0.1 * mean
            running_var.value = 0.9 * running_var.value + 0.1 * var * (count / max(count - 1, 1))
        else:
            mean, var = running_mean.value, running_var.value
        return (x - mean) * lax.rsqrt(var + self.epsilon) * scale + bias
