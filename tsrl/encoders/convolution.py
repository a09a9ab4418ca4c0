"""Convolution over time as matrix products, with derivatives of their own: what XLA does badly on CPUs."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from tsrl.types import Array

# Up to this many weights a tap, products by tap are too small to gain from leaving out what they would not see, and a
# product from the derivative of `product`.
NARROW = 64 * 64


def dilated_convolution(
    x: Array, kernel: Array, bias: Array, dilation: int, dtype: str = "float32", causal: bool = False
) -> Array:
    """Convolution over time with zeros outside of the series: `[B, T, C] -> [B, T, features]`.

    Args:
      x: `[B, T, C]`.
      kernel: `[K, C, features]`, the tap of the oldest step first; K odd unless causal.
      bias: `[features]`.
      dilation: steps between taps.
      dtype: "bfloat16" rounds the factors of every product, of the derivatives too, and sums in float32; "float32"
        leaves them, and their rounding on accelerators to jax's `default_matmul_precision`.
      causal: the last tap sees the step itself; otherwise the middle one does.
    """
    # Taps that reach beyond the series from every step see only padding: leaving them out is exact, and at
    # T = 100 nearly halves the work of the published encoder, whose last dilation is 1024.
    own, steps = len(kernel) - 1 if causal else len(kernel) // 2, x.shape[1]
    # Of a length that an exported program leaves open nothing is known: all taps, which see zeros where they reach out.
    known = isinstance(steps, int)
    reach = min(own, (steps - 1) // dilation) if known else own
    kernel = kernel[own - reach : own + (0 if causal else reach) + 1]
    wide = kernel.shape[1] * kernel.shape[2] > NARROW
    if reach == 0 or (known and wide and 2 * dilation > steps):
        return _tap_by_tap(x, kernel, reach, dilation, dtype) + bias
    if kernel.shape[1] < kernel.shape[2]:
        # Copies of the input are smaller than copies of the output's gradient: the plain derivative is up to five
        # times faster than the one below.
        shifted = _shifted(_rounded(x, dtype), len(kernel), reach * dilation, dilation)
        return product(shifted, kernel.reshape(-1, kernel.shape[-1]), dtype) + bias
    return _one_product(x, kernel, reach * dilation, dilation, dtype) + bias


def matmul(a: Array, b: Array, dtype: str) -> Array:
    """The product of arrays rounded to `dtype`, summed in float32; of arrays as they are for "float32"."""
    if dtype == "float32":
        return a @ b
    return jnp.matmul(a.astype(dtype), b.astype(dtype), preferred_element_type=jnp.float32)


def _rounded(x: Array, dtype: str) -> Array:
    return x if dtype == "float32" else x.astype(dtype)


def _tap_by_tap(x: Array, kernel: Array, own: int, dilation: int, dtype: str) -> Array:
    """A product for each tap, at the steps from which it does not see padding; `own` is the tap of the step itself."""
    y = product(x, kernel[own], dtype)
    for tap in range(len(kernel)):
        away = abs(tap - own) * dilation
        if tap < own:
            y = y.at[:, away:].add(product(x[:, :-away], kernel[tap], dtype))
        elif tap > own:
            y = y.at[:, :-away].add(product(x[:, away:], kernel[tap], dtype))
    return y


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def product(x: Array, weights: Array, dtype: str = "float32") -> Array:
    """`[..., C] @ [C, F]`. The derivative for the weights transposes an array that is there already; left to itself,
    XLA fuses that with whatever makes the array and walks through all of it against the grain."""
    return matmul(x, weights, dtype)


def _product_backward(dtype: str, kept: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    x, weights = kept
    x, cotangent = lax.optimization_barrier((x, cotangent))
    rows = x.reshape(-1, x.shape[-1])
    for_weights = matmul(rows.T, cotangent.reshape(len(rows), -1), dtype)
    return matmul(cotangent, weights.T, dtype).astype(x.dtype), for_weights.astype(weights.dtype)


product.defvjp(lambda x, weights, dtype: (product(x, weights, dtype), (x, weights)), _product_backward)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _one_product(x: Array, kernel: Array, before: int, dilation: int, dtype: str) -> Array:
    """One product over shifted copies; the oldest tap sees the step `before` steps earlier. Its own derivative keeps
    the input only, and shifts the gradient once for both of its products; differentiating the line below would keep all
    copies and add up three padded ones."""
    shifted = _shifted(_rounded(x, dtype), len(kernel), before, dilation)
    return matmul(shifted, kernel.reshape(-1, kernel.shape[-1]), dtype)


def _shifted(x: Array, count: int, before: int, dilation: int) -> Array:
    """`[B, T, C] -> [B, T, count * C]`: the steps `dilation` apart from `before` steps earlier on, the oldest first."""
    steps, after = x.shape[1], (count - 1) * dilation - before
    padded = jnp.pad(x, ((0, 0), (before, after), (0, 0)))
    return jnp.concatenate([padded[:, tap * dilation : tap * dilation + steps] for tap in range(count)], -1)


def _one_product_forward(
    x: Array, kernel: Array, before: int, dilation: int, dtype: str
) -> tuple[Array, tuple[Array, Array]]:
    return _one_product(x, kernel, before, dilation, dtype), (x, kernel)


def _one_product_backward(
    before: int, dilation: int, dtype: str, kept: tuple[Array, Array], cotangent: Array
) -> tuple[Array, Array]:
    x, kernel = kept
    count, channels, features = kernel.shape
    # A step is seen by the newer one through the kernel's older tap, so the taps are met in reverse.
    shifted = _shifted(_rounded(cotangent, dtype), count, (count - 1) * dilation - before, dilation)
    for_x = matmul(shifted, kernel[::-1].swapaxes(1, 2).reshape(-1, channels), dtype)
    # Summed over the batch in a second step: a product over both axes would transpose x first, slower than all else.
    for_kernel = matmul(x.swapaxes(1, 2), shifted, dtype).sum(0).reshape(channels, count, features)
    return for_x.astype(x.dtype), for_kernel.swapaxes(0, 1)[::-1].astype(kernel.dtype)


_one_product.defvjp(_one_product_forward, _one_product_backward)
