"""Exponentially dilated causal convolutions, the encoder of T-Loss."""

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp

from tsrl.encoders.front import RawFront
from tsrl.encoders.layers import CausalConv1d
from tsrl.errors import check_whole
from tsrl.types import Array


class CausalConv(nn.Module):
    """Causal residual blocks with dilations 1, 2, 4, ...: `[B, T, C] -> [B, T, features]`, any number C of channels.

    It takes the series as it is (`RawFront`). The output of every block is sown as `block` into the collection
    "intermediates".

    Attributes:
      width: channels of all blocks but the last.
      features: of the last block.
      depth: blocks of `width` channels; one block to `features` follows.
      kernel_size: taps of a convolution.

    Raises:
      InputError: a size below its minimum.

    References: T-Loss (arXiv 1901.10738), section 4: a block is two weight-normalised convolutions with leaky ReLUs,
      and a residual through a convolution of one tap where the channels change.
    """

    width: int = 40
    features: int = 160
    depth: int = 10
    kernel_size: int = 3
    causal = True

    def __post_init__(self) -> None:
        for name, least in (("width", 1), ("features", 1), ("depth", 0), ("kernel_size", 1)):
            check_whole(name, getattr(self, name), least)
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
          exists: `[T]` or `[B, T]` bool; steps that are False are padding: every convolution sees zeros there.
          wanted: takes `[B, T, ...]` to the steps whose representation is asked for; default: all.

        Returns:
          `[B, T, features]`, or `[B, S, features]`.
        """
        outside = None if exists is None else ~jnp.broadcast_to(exists, mask.shape)[..., None]
        h = jnp.where(mask[..., None], h, 0)
        for block in range(self.depth + 1):
            features = self.features if block == self.depth else self.width
            y = h
            for place in range(2):
                y = y if outside is None else jnp.where(outside, 0, y)
                conv = CausalConv1d(
                    features, self.kernel_size, 2**block, weight_norm=True, name=f"block_{block}_conv_{place}"
                )
                y = nn.leaky_relu(conv(y), 0.01)
            if h.shape[-1] != features:
                h = CausalConv1d(features, 1, name=f"block_{block}_projection")(h)
            h = h + y
            self.sow("intermediates", "block", h)
        return h if wanted is None else wanted(h)
