"""The foundation model's encoder: one small convolutional network on each of several time scales of a series."""

import math
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax import lax

from tsrl.encoders.convolution import dilated_convolution
from tsrl.encoders.front import RawFront
from tsrl.encoders.layers import gelu
from tsrl.errors import InputError, check_whole
from tsrl.types import Array

# A scale with fewer outputs than this says nothing that the finer ones do not.
_FEWEST = 4
_EPSILON = 1e-6
# Deviation of the initial biases: a share of positive values then differs from one feature to the next.
_BIAS = 0.5


class Pyramid(nn.Module):
    """Scales of the normalised series, each through residual convolutions: `[B, T, C] -> [B, T, features]`.

    Every channel is brought to mean 0 and deviation 1 over its observed steps, and a missing step repeats the last one
    before it. Scale j sees means over `2**j` steps, half of which two neighbours share, and how far each is from the
    last that shares none of its steps. So all scales together cost about three times the finest, whatever the length,
    and a scale's network sees the same number of values of a slow series as a finer one of a fast series. The output at
    a step is that of all scales side by side, of each the one nearest in time. Scales with fewer than four outputs are
    zeros.

    The outputs of every layer of every scale are sown as `block` into the collection "intermediates", each at its
    scale's own steps.

    Attributes:
      width: channels of every layer of every scale.
      scales: number of scales; the coarsest has means of `2**(scales - 1)` steps.
      depth: layers of each scale; those after the first are residual, with dilations 2, 4, ...
      kernel_size: odd number of taps of the first layer.
      later_kernel_size: odd number of taps of the others.

    Raises:
      InputError: a size below its minimum, or an even kernel.
    """

    width: int = 64
    scales: int = 7
    depth: int = 3
    kernel_size: int = 9
    later_kernel_size: int = 3

    def __post_init__(self) -> None:
        for name in ("width", "scales", "depth", "kernel_size", "later_kernel_size"):
            check_whole(name, getattr(self, name), 1)
        for name in ("kernel_size", "later_kernel_size"):
            if getattr(self, name) % 2 == 0:
                raise InputError(f"{name}: found {getattr(self, name)}, want an odd number")
        super().__post_init__()

    @property
    def features(self) -> int:
        """Width of the representation."""
        return self.scales * self.width

    @nn.nowrap
    def front(self) -> nn.Module:
        """The series as it is."""
        return RawFront(parent=None)

    @nn.compact
    def __call__(
        self, h: Array, mask: Array, exists: Array | None = None, wanted: Callable[[Array], Array] | None = None
    ) -> Array:
        """Encodes raw series; arguments as for every encoder. Steps that do not exist stand at the end.

        Args:
          h: `[B, T, C]`.
          mask: `[B, T]` bool, observed steps.
          exists: `[T]` or `[B, T]` bool; default: all.
          wanted: see `DilatedConv`.

        Returns:
          `[B, T, scales * width]`, or `[B, S, scales * width]`.
        """
        exists = jnp.ones_like(mask) if exists is None else jnp.broadcast_to(exists, mask.shape)
        h = normalised(h, mask & exists)
        steps, outputs = h.shape[1], []
        for scale in range(self.scales):
            stride = max(1, 2 ** (scale - 1))
            # Of an exported program's open length nothing is known: its series are taken to be long enough.
            if isinstance(steps, int) and steps // stride < _FEWEST:
                outputs.append(jnp.zeros((len(h), steps, self.width)))
                for _ in range(self.depth):
                    self.sow("intermediates", "block", jnp.zeros((len(h), 1, self.width)))
                self._make_params(scale, h.shape[-1])
                continue
            z, there = self._one_scale(h, exists, scale, stride)
            outputs.append(_at_every_step(z, there, stride, steps))
        z = jnp.concatenate(outputs, -1)
        return z if wanted is None else wanted(z)

    def _one_scale(self, h: Array, exists: Array, scale: int, stride: int) -> tuple[Array, Array]:
        """The last layer's outputs `[B, T // stride, width]` of a scale, and which of them exist."""
        lag = 1 if scale == 0 else 2
        seen = means(h, stride) if scale else h
        there = exists[:, stride - 1 :: stride][:, : seen.shape[1]]
        # As if the series was cut to its length: without enough outputs there is no such scale.
        inside = (there & (there.sum(1, keepdims=True) >= _FEWEST))[..., None]
        before = jnp.pad(seen, ((0, 0), (lag, 0), (0, 0)), mode="edge")[:, :-lag]
        change = jnp.where(inside, seen - before, 0)
        count = jnp.maximum(inside.sum(1, keepdims=True), 1)
        centred = jnp.where(inside, change - change.sum(1, keepdims=True) / count, 0)
        change = change / jnp.sqrt((centred**2).sum(1, keepdims=True) / count + _EPSILON)
        z = jnp.concatenate([seen, change], -1)
        for layer, (kernel, bias) in enumerate(self._make_params(scale, h.shape[-1])):
            made = dilated_convolution(
                jnp.where(inside, gelu(z) if layer else z, 0), kernel, bias, lag * 2**layer if layer else lag
            )
            z = jnp.where(inside, z + made if layer else made, 0)
            self.sow("intermediates", "block", z)
        return z, there

    def _make_params(self, scale: int, channels: int) -> list[tuple[Array, Array]]:
        """Kernel and bias of every layer of a scale; made for all scales, whatever the length of the first series."""
        made = []
        for layer in range(self.depth):
            taps, fan_in = (self.later_kernel_size, self.width) if layer else (self.kernel_size, 2 * channels)
            name = f"scale_{scale}_layer_{layer}"
            init = nn.initializers.normal(1 / math.sqrt(taps * fan_in))
            kernel = self.param(f"{name}_kernel", init, (taps, fan_in, self.width))
            made.append((kernel, self.param(f"{name}_bias", nn.initializers.normal(_BIAS), (self.width,))))
        return made


def _at_every_step(z: Array, there: Array, stride: int, steps: int) -> Array:
    """Outputs `[B, P, D]` of a scale at all steps, `[B, T, D]`.

    Output p stands in the middle of its mean, at step `p * stride`; those after the last that exists repeat it.
    """
    # Each as often as its stride: a gather's derivative would be ten times slower.
    near = jnp.repeat(z, stride, 1)[:, stride // 2 :][:, :steps]
    near = jnp.pad(near, ((0, 0), (0, steps - near.shape[1]), (0, 0)), mode="edge")
    last = jnp.maximum(there.sum(1) - 1, 0)[:, None]
    beyond = (jnp.arange(steps) + stride // 2) // stride > last
    return jnp.where(beyond[..., None], jnp.take_along_axis(z, last[..., None], 1), near)


def normalised(x: Array, seen: Array) -> Array:
    """Each channel at mean 0 and deviation 1 over its observed steps; a missing step repeats the one before it.

    Args:
      x: `[B, T, C]`.
      seen: `[B, T]` bool, observed steps.

    Returns:
      `[B, T, C]`; missing steps before the first observed one repeat that; a row without any is zeros.
    """
    some = seen[..., None]
    count = jnp.maximum(some.sum(1, keepdims=True), 1)
    mean = jnp.where(some, x, 0).sum(1, keepdims=True) / count
    centred = jnp.where(some, x - mean, 0)
    centred = centred / jnp.sqrt((centred**2).sum(1, keepdims=True) / count + _EPSILON)
    steps = jnp.arange(x.shape[1])
    latest = lax.cummax(jnp.where(seen, steps, -1), axis=1)
    source = jnp.where(latest < 0, seen.argmax(1)[:, None], latest)
    return jnp.take_along_axis(centred, source[..., None], 1)


def means(x: Array, stride: int) -> Array:
    """Means over `2 * stride` steps that end at steps `stride - 1`, `2 * stride - 1`, ...; before the series stands its
    first step: `[B, T, C] -> [B, T // stride, C]`."""
    count = x.shape[1] // stride
    short = x[:, : count * stride].reshape(len(x), count, stride, x.shape[-1]).mean(2)
    first = jnp.broadcast_to(x[:, :1], (len(x), 1, x.shape[-1]))
    return (short + jnp.concatenate([first, short[:, :-1]], 1)) / 2
