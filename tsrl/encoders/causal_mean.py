"""Mean of causal convolutions of several lengths: what CoST calls trend experts and SimTS its multi-scale module."""

from collections.abc import Callable, Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from tsrl.encoders.layers import uniform_fan_in
from tsrl.types import Array

# Taps in one product of a long convolution: more make the products wider, but copy the series more often.
_TAPS = 8


class CausalMean(nn.Module):
    """Mean of causal convolutions: `[B, T, C] -> [B, T, features]`.

    It is linear, so all convolutions are added up to one, each aligned at its newest tap. That costs as much as the
    longest alone, and for one step a product with the steps before it.

    Attributes:
      features: output width.
      kernels: taps of each convolution; a length given twice is two convolutions with weights of their own.
    """

    features: int
    kernels: tuple[int, ...]

    def setup(self) -> None:
        """Gives each convolution its weights."""
        self.conv = [_Taps(length, self.features) for length in self.kernels]

    def __call__(self, x: Array, wanted: Callable[[Array], Array] | None = None) -> Array:
        """Convolves; `wanted` as for an encoder."""
        kernel, bias = self._merged(x)
        if wanted is None:
            return _long_convolution(x, kernel) + bias
        steps = wanted(jnp.broadcast_to(jnp.arange(x.shape[1]), x.shape[:2]))
        if steps.shape[1] > 1:
            return wanted(_long_convolution(x, kernel) + bias)
        padded = jnp.pad(x, ((0, 0), (len(kernel) - 1, 0), (0, 0)))
        seen = jax.vmap(lambda row, start: lax.dynamic_slice_in_dim(row, start, len(kernel)))(padded, steps[:, 0])
        return (_newest(seen, kernel) + bias)[:, None]

    def last(self, x: Array) -> Array:
        """The value at the last step only, `[B, features]`."""
        kernel, bias = self._merged(x)
        return _newest(x, kernel) + bias

    def last_of_windows(self, x: Array, before: int, *, hide_last: bool = False) -> Array:
        """The last step's value in each window of `before + 1` steps: `[B, before + T, C] -> [B, T, features]`."""
        kernel, bias = self._merged(x, before + 1)
        if hide_last:
            kernel = kernel.at[-1].set(0)
        return _long_convolution(x, kernel)[:, before:] + bias

    def _merged(self, x: Array, most: int | None = None) -> tuple[Array, Array]:
        """The one convolution, without the taps that see nothing but padding in a series of `most` steps."""
        own = [conv(x.shape[-1]) for conv in self.conv]
        reach = min(max(self.kernels), x.shape[1] if most is None else most)
        return _mean_of_kernels([kernel for kernel, _ in own], reach), jnp.mean(jnp.stack([b for _, b in own]), 0)


class _Taps(nn.Module):
    """The weights of one convolution, initialised as PyTorch's Conv1d."""

    length: int
    features: int

    @nn.compact
    def __call__(self, channels: int) -> tuple[Array, Array]:
        init = uniform_fan_in(self.length * channels)
        kernel = self.param("kernel", init, (self.length, channels, self.features))
        return kernel, self.param("bias", init, (self.features,))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _mean_of_kernels(kernels: Sequence[Array], reach: int) -> Array:
    """The mean of kernels `[K_i, C, F]`, shorter ones filled up with zeros: `[reach, C, F]`, the newest taps.

    Stretches of taps that the same kernels have are added up one by one: no array is padded. The gradient of each
    kernel is a part of the mean's, where that of the sums would pad and add up as many arrays as there are stretches.
    """
    ends = sorted({min(len(kernel), reach) for kernel in kernels}, reverse=True)
    parts = []
    for oldest, newest in zip(ends, [*ends[1:], 0], strict=True):
        having = [k[len(k) - oldest : len(k) - newest] for k in kernels if len(k) >= oldest]
        parts.append(sum(having[1:], having[0]) / len(kernels))
    return jnp.concatenate(parts)


def _mean_of_kernels_forward(kernels: Sequence[Array], reach: int) -> tuple[Array, Sequence[Array]]:
    return _mean_of_kernels(kernels, reach), kernels


def _mean_of_kernels_backward(reach: int, kept: Sequence[Array], cotangent: Array) -> tuple[list[Array]]:
    gradient = cotangent / len(kept)
    missing = [max(len(kernel) - reach, 0) for kernel in kept]
    return (
        [
            jnp.pad(gradient[max(reach - len(kernel), 0) :], ((more, 0), (0, 0), (0, 0)))
            for kernel, more in zip(kept, missing, strict=True)
        ],
    )


_mean_of_kernels.defvjp(_mean_of_kernels_forward, _mean_of_kernels_backward)


def _newest(x: Array, kernel: Array) -> Array:
    """A causal convolution at the last step of `[B, T, C]`, T at least the kernel's length: `[B, F]`."""
    seen = x[:, x.shape[1] - len(kernel) :]
    return seen.reshape(len(x), -1) @ kernel.reshape(-1, kernel.shape[-1])


def _long_convolution(x: Array, kernel: Array) -> Array:
    """A causal convolution with many taps: `[B, T, C] -> [B, T, F]`.

    The products of some taps go over shifted copies of the series, and leave out the steps before which there is
    nothing but padding: half of the work for a kernel as long as the series.
    """
    steps, taps = x.shape[1], min(_TAPS, len(kernel))
    padded = jnp.pad(x, ((0, 0), (taps - 1, 0), (0, 0)))
    copies = jnp.concatenate([padded[:, tap : tap + steps] for tap in range(taps)], -1)
    groups = -(-len(kernel) // taps)
    kernel = jnp.pad(kernel, ((groups * taps - len(kernel), 0), (0, 0), (0, 0)))
    kernel = kernel.reshape(groups, -1, kernel.shape[-1])[::-1]  # the newest taps first
    y = copies @ kernel[0]
    for group in range(1, groups):
        away = group * taps
        if away < steps:
            y = y.at[:, away:].add(copies[:, : steps - away] @ kernel[group])
    return y
