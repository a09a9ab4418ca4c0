"""SimTS's encoder: causal convolutions of many lengths side by side, their mean over a projected input."""

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp

from tsrl.encoders.causal_mean import CausalMean
from tsrl.encoders.layers import CausalConv1d, Dropout, Linear, gelu
from tsrl.errors import InputError, check_rate, check_whole
from tsrl.types import Array


class ProjectionFront(nn.Module):
    """The front of `MultiScaleConv`: the field `x` `[B, T, C]` through two layers, step by step, to `[B, T, width]`.

    Each layer is weight-normed and followed by GELU and dropout; a projection of the input is added, or the input
    itself where it has as many channels.

    Attributes:
      width: channels of the projection, the encoder's `width`.
      dropout: rate after each layer.
    """

    width: int
    dropout: float = 0.1

    @nn.compact
    def __call__(self, fields: dict[str, Array]) -> Array:
        x = h = fields["x"]
        for layer in range(2):
            h = gelu(CausalConv1d(self.width, 1, weight_norm=True, name=f"conv_{layer}")(h))
            h = Dropout(self.dropout)(h)
        return h + (x if x.shape[-1] == self.width else Linear(self.width, name="projection")(x))


class MultiScaleConv(nn.Module):
    """Mean of causal convolutions of many lengths, `[B, T, width] -> [B, T, features]`.

    The output is sown as `block` into the collection "intermediates".

    Attributes:
      width: channels of the projected input.
      features: width of the representation.
      kernels: taps of each convolution.
      dropout: rate in the front.

    Raises:
      InputError: a size or rate out of its range.

    References: SimTS (arXiv 2303.18205), section "multi-scale encoder", which has lengths 2^i up to the history's. The
    released code lists 1 to 256 twice by default: the code is followed.
    """

    width: int = 320
    features: int = 320
    kernels: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256) * 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name, value in [("width", self.width), ("features", self.features)]:
            check_whole(name, value, 1)
        # A list, as JSON has it, could not be told apart from others by hash.
        self.kernels = tuple(self.kernels)
        if not self.kernels or any(not isinstance(taps, int) or taps < 1 for taps in self.kernels):
            raise InputError(f"kernels: found {self.kernels!r}, want whole numbers from 1 up")
        check_rate("dropout", self.dropout)
        super().__post_init__()

    @nn.nowrap
    def front(self) -> nn.Module:
        """The front of the released code."""
        return ProjectionFront(self.width, self.dropout, parent=None)

    def setup(self) -> None:
        """Makes the convolutions."""
        self.convolutions = CausalMean(self.features, self.kernels)

    def __call__(
        self, h: Array, mask: Array, exists: Array | None = None, wanted: Callable[[Array], Array] | None = None
    ) -> Array:
        """Encodes projected steps; arguments as for every encoder. A single wanted step costs little."""
        seen = mask if exists is None else mask & exists
        z = self.convolutions(jnp.where(seen[..., None], h, 0), wanted)
        self.sow("intermediates", "block", z)
        return z

    def last_of_windows(self, h: Array, mask: Array, before: int, *, hide_last: bool = False) -> Array:
        """The last step's representation in each window of `before + 1` steps, see `DilatedConv`."""
        h = jnp.where(mask[..., None], h, 0)
        return self.convolutions.last_of_windows(h, before, hide_last=hide_last)
