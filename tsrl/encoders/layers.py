"""Layers with the initialisation the published PyTorch code uses: U(-1/sqrt(fan_in), 1/sqrt(fan_in)), bias included."""

import math
from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from tsrl.types import Array

# Up to this many weights a tap, products by tap are too small to gain from leaving out what they would not see.
_NARROW = 64 * 64


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
        return nn.Dense(self.features, kernel_init=init, bias_init=init, name="dense")(x)


def dilated_convolution(x: Array, kernel: Array, bias: Array, dilation: int, dtype: str = "float32") -> Array:
    """Convolution over time with zeros outside of the series: `[B, T, C] -> [B, T, features]`.

    Args:
      x: `[B, T, C]`.
      kernel: `[K, C, features]`, K odd, the tap of the oldest step first.
      bias: `[features]`.
      dilation: steps between taps.
      dtype: "bfloat16" rounds the factors of every product, of the derivatives too, and sums in float32; "float32"
        leaves them, and their rounding on accelerators to jax's `default_matmul_precision`.
    """
    # Taps that reach beyond the series from every step see only padding: leaving them out is exact, and at
    # T = 100 nearly halves the work of the published encoder, whose last dilation is 1024.
    middle, steps = len(kernel) // 2, x.shape[1]
    reach = min(middle, (steps - 1) // dilation)
    kernel = kernel[middle - reach : middle + reach + 1]
    wide = kernel.shape[1] * kernel.shape[2] > _NARROW
    if reach == 0 or (wide and 2 * dilation > steps):
        return _tap_by_tap(x, kernel, dilation, dtype) + bias
    return _one_product(x, kernel, dilation, dtype) + bias


def matmul(a: Array, b: Array, dtype: str) -> Array:
    """The product of arrays rounded to `dtype`, summed in float32; of arrays as they are for "float32"."""
    if dtype == "float32":
        return a @ b
    return jnp.matmul(a.astype(dtype), b.astype(dtype), preferred_element_type=jnp.float32)


def _rounded(x: Array, dtype: str) -> Array:
    return x if dtype == "float32" else x.astype(dtype)


def _tap_by_tap(x: Array, kernel: Array, dilation: int, dtype: str) -> Array:
    """A product for each tap, at the steps from which it does not see padding."""
    middle = len(kernel) // 2
    y = _product(x, kernel[middle], dtype)
    for tap in range(1, middle + 1):
        away = tap * dilation
        y = y.at[:, away:].add(_product(x[:, :-away], kernel[middle - tap], dtype))
        y = y.at[:, :-away].add(_product(x[:, away:], kernel[middle + tap], dtype))
    return y


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _product(x: Array, weights: Array, dtype: str) -> Array:
    """`[B, T, C] @ [C, F]`. The derivative for the weights transposes an array that is there already; left to itself,
    XLA fuses that with whatever makes the array and walks through all of it against the grain."""
    return matmul(x, weights, dtype)


def _product_backward(dtype: str, kept: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    x, weights = kept
    x, cotangent = lax.optimization_barrier((x, cotangent))
    rows = x.reshape(-1, x.shape[-1])
    for_weights = matmul(rows.T, cotangent.reshape(len(rows), -1), dtype)
    return matmul(cotangent, weights.T, dtype).astype(x.dtype), for_weights.astype(weights.dtype)


_product.defvjp(lambda x, weights, dtype: (_product(x, weights, dtype), (x, weights)), _product_backward)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _one_product(x: Array, kernel: Array, dilation: int, dtype: str) -> Array:
    """One product over shifted copies. Its own derivative keeps the input only, and shifts the gradient once for both
    of its products; differentiating the line below would keep all copies and add up three padded ones."""
    return matmul(_shifted(_rounded(x, dtype), len(kernel), dilation), kernel.reshape(-1, kernel.shape[-1]), dtype)


def _shifted(x: Array, count: int, dilation: int) -> Array:
    """`[B, T, C] -> [B, T, count * C]`: the steps `dilation` apart around each step, the oldest first."""
    steps, padding = x.shape[1], count // 2 * dilation
    padded = jnp.pad(x, ((0, 0), (padding, padding), (0, 0)))
    return jnp.concatenate([padded[:, tap * dilation : tap * dilation + steps] for tap in range(count)], -1)


def _one_product_forward(x: Array, kernel: Array, dilation: int, dtype: str) -> tuple[Array, tuple[Array, Array]]:
    return _one_product(x, kernel, dilation, dtype), (x, kernel)


def _one_product_backward(
    dilation: int, dtype: str, kept: tuple[Array, Array], cotangent: Array
) -> tuple[Array, Array]:
    x, kernel = kept
    count, channels, features = kernel.shape
    shifted = _shifted(_rounded(cotangent, dtype), count, dilation)
    # A step is seen by the newer one through the kernel's older tap, so the taps are met in reverse.
    for_x = matmul(shifted, kernel[::-1].swapaxes(1, 2).reshape(-1, channels), dtype)
    # Summed over the batch in a second step: a product over both axes would transpose x first, slower than all else.
    for_kernel = matmul(x.swapaxes(1, 2), shifted, dtype).sum(0).reshape(channels, count, features)
    return for_x.astype(x.dtype), for_kernel.swapaxes(0, 1)[::-1].astype(kernel.dtype)


_one_product.defvjp(_one_product_forward, _one_product_backward)


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
