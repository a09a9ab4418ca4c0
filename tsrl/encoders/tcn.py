"""The temporal convolutional network: dilated causal convolutions in residual blocks."""

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp

from tsrl.encoders.front import RawFront
from tsrl.encoders.layers import CausalConv1d, Dropout
from tsrl.errors import check_rate, check_whole
from tsrl.types import Array


class TCN(nn.Module):
    """Causal residual blocks with dilations 1, 2, 4, ...: `[B, T, C] -> [B, T, width]`, any number C of channels.

    It takes the series as it is (`RawFront`): the first block's convolutions change the channels. The output of every
    block is sown as `block` into the collection "intermediates".

    Attributes:
      width: of every block and the representation.
      levels: blocks.
      kernel_size: taps of a convolution.
      dropout: rate in training.

    Raises:
      InputError: a size below 1, or a rate out of its range.

    References: Bai, Kolter, Koltun (2018), An Empirical Evaluation of Generic Convolutional and Recurrent Networks for
    Sequence Modeling, arXiv 1803.01271. The kernel and the rate are the released code's defaults; width and levels
    differ there from task to task, and none is forecasting. That code means all weights to start from N(0, 0.01), but
    its weight normalisation overwrites what it sets: only the residual's projections start so, the convolutions from
    PyTorch's default. What it does is followed.
    """

    width: int = 64
    levels: int = 10
    kernel_size: int = 2
    dropout: float = 0.2
    causal = True

    def __post_init__(self) -> None:
        for name in ("width", "levels", "kernel_size"):
            check_whole(name, getattr(self, name), 1)
        check_rate("dropout", self.dropout)
        super().__post_init__()

    @nn.nowrap
    def front(self) -> nn.Module:
        """The series as it is."""
        return RawFront(parent=None)

    @nn.compact
    def __call__(
        self, h: Array, mask: Array, exists: Array | None = None, wanted: Callable[[Array], Array] | None = None
    ) -> Array:
        """Encodes steps.

        Args:
          h: `[B, T, C]`.
          mask: `[B, T]` bool; where False the step enters as zeros.
          exists: `[T]` or `[B, T]` bool; steps that are False are padding outside the series: every convolution sees
            zeros there, so the result equals that of the series cut to its true length. Default: all exist.
          wanted: takes `[B, T, ...]` to the steps `[B, S, ...]`, S at most T, whose representation is asked for;
            default: all. Blocks that reach beyond the series may then be sown at these steps only.

        Returns:
          `[B, T, width]`, or `[B, S, width]`.
        """
        outside = None if exists is None else ~jnp.broadcast_to(exists, mask.shape)[..., None]
        h, steps = jnp.where(mask[..., None], h, 0), mask.shape[1]
        for level in range(self.levels):
            if wanted is not None and 2**level >= steps:
                # The older taps of this block and of all later ones see padding only: no step needs another.
                outside = None if outside is None else wanted(outside)
                h, wanted = wanted(h), None
            block = TemporalBlock(self.width, self.kernel_size, 2**level, self.dropout, name=f"block_{level}")
            h = block(h, outside)
            self.sow("intermediates", "block", h)
        return h if wanted is None else wanted(h)


class TemporalBlock(nn.Module):
    """Two causal convolutions with normalised weights, and a residual: `[B, T, C] -> [B, T, features]`.

    Attributes:
      features: output width.
      kernel_size: taps.
      dilation: steps between taps.
      dropout: rate after each activation.
    """

    features: int
    kernel_size: int
    dilation: int
    dropout: float

    @nn.compact
    def __call__(self, h: Array, outside: Array | None = None) -> Array:
        """Convolves; `outside` `[B, T, 1]` bool, True = zeros for every convolution; None = nothing is outside."""
        y = h
        for place in range(2):
            y = y if outside is None else jnp.where(outside, 0, y)
            conv = CausalConv1d(
                self.features,
                self.kernel_size,
                self.dilation,
                weight_norm=True,
                name=f"conv_{place}",
            )
            y = Dropout(self.dropout)(nn.relu(conv(y)))
        if h.shape[-1] != self.features:
            h = CausalConv1d(self.features, 1, kernel_init=nn.initializers.normal(0.01), name="projection")(h)
        return nn.relu(h + y)
