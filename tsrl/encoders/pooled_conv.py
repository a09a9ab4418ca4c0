"""Convolutions with max-pooling between them: the encoder of TS-TCC, and of what is compared with it."""

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp

from tsrl.encoders.convolution import dilated_convolution
from tsrl.encoders.front import RawFront
from tsrl.encoders.layers import BatchNorm, Dropout, uniform_fan_in
from tsrl.errors import InputError, check_rate, check_whole
from tsrl.types import Array


class PooledConv(nn.Module):
    """Blocks of convolution, batch normalisation, ReLU and pooling by two: `[B, T, C] -> [B, S, features]`.

    With the three blocks S is about T / 8.

    Attributes:
      width: channels of the first block.
      features: channels of the last; those between double.
      layers: blocks.
      kernel_size: taps of the first convolution; half as many steps are padded on both sides.
      later_kernel_size: taps of the others.
      stride: steps between the first convolution's outputs.
      dropout: rate after the first block.
      axis_name: device axis of the batch statistics, or None.

    Raises:
      InputError: a size below its minimum; in use, padding or single steps asked for, since the series is shortened.

    References: Eldele et al. (2021), TS-TCC, arXiv 2106.14112, and its released code (`base_Model`).
    """

    width: int = 32
    features: int = 128
    layers: int = 3
    kernel_size: int = 8
    later_kernel_size: int = 8
    stride: int = 1
    dropout: float = 0.35
    axis_name: str | None = None

    def __post_init__(self) -> None:
        for name in ("width", "features", "layers", "kernel_size", "later_kernel_size", "stride"):
            check_whole(name, getattr(self, name), 1)
        check_rate("dropout", self.dropout)
        super().__post_init__()

    @property
    def keeps_steps(self) -> bool:
        """Whether there is one representation for each step."""
        return False

    @nn.nowrap
    def front(self) -> nn.Module:
        """The series as it is."""
        return RawFront(parent=None)

    @nn.compact
    def __call__(
        self, h: Array, mask: Array, exists: Array | None = None, wanted: Callable[[Array], Array] | None = None
    ) -> Array:
        """Encodes a series.

        Args:
          h: `[B, T, C]`.
          mask: `[B, T]` bool; where False the step enters as zeros.
          exists: not supported.
          wanted: not supported.

        Returns:
          `[B, S, features]`.
        """
        if exists is not None or wanted is not None:
            raise InputError("encoder: found PooledConv, which shortens the series, where single steps are read")
        h = jnp.where(mask[..., None], h, 0)
        for block in range(self.layers):
            last = block == self.layers - 1
            features = self.features if last else self.width * 2**block
            h = self._convolve(h, features, block)
            h = BatchNorm(axis_name=self.axis_name, name=f"block_{block}_norm")(h)
            h = _halved(nn.relu(h))
            if block == 0:
                h = Dropout(self.dropout)(h)
            self.sow("intermediates", "block", h)
        return h

    def _convolve(self, h: Array, features: int, block: int) -> Array:
        """A convolution without bias over the series padded by half a kernel on both sides."""
        taps, stride = (self.later_kernel_size, 1) if block else (self.kernel_size, self.stride)
        half = taps // 2
        kernel = self.param(f"block_{block}_kernel", uniform_fan_in(taps * h.shape[-1]), (taps, h.shape[-1], features))
        # The causal form gives a result at every step; those before the first whole half are left out.
        padded = jnp.pad(h, ((0, 0), (0, half), (0, 0)))
        made = dilated_convolution(padded, kernel, jnp.zeros(features), 1, causal=True)
        return made[:, taps - 1 - half :: stride]


def _halved(h: Array) -> Array:
    """The largest of every two steps, the first of which stands alone: `[B, T, C] -> [B, T // 2 + 1, C]`."""
    steps = h.shape[1]
    padded = jnp.pad(h, ((0, 0), (1, 1 + steps % 2), (0, 0)), constant_values=-jnp.inf)[:, : 2 * (steps // 2 + 1)]
    pairs = padded.reshape(len(h), -1, 2, h.shape[-1])
    return jnp.maximum(pairs[:, :, 0], pairs[:, :, 1])
