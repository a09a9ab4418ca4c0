"""TS2Vec's encoder: a stack of dilated residual convolution blocks, the same length in and out."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsrl.encoders.last_of_windows import last_of_windows
from tsrl.encoders.layers import SameConv1d
from tsrl.errors import InputError
from tsrl.types import Array


class DilatedConv(nn.Module):
    """Residual blocks with dilations 1, 2, 4, ... over the projected input, `[B, T, width] -> [B, T, features]`.

    The output of every block is sown as `block` into the collection "intermediates".

    Attributes:
      width: channels of the projected input and of all blocks but the last.
      features: width of the representation.
      depth: blocks of `width` channels; one block to `features` follows.
      kernel_size: odd number of taps.

    Raises:
      InputError: a size below its minimum, or an even kernel.

    References: TS2Vec (arXiv 2106.10466), section 3.2. The paper speaks of ten blocks, the released code has eleven
    (ten and the output block): the code is followed.
    """

    width: int = 64
    features: int = 320
    depth: int = 10
    kernel_size: int = 3

    def __post_init__(self) -> None:
        for name, least in (("width", 1), ("features", 1), ("depth", 0), ("kernel_size", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InputError(f"{name}: found {value!r}, want a whole number from {least} up")
        if self.kernel_size % 2 == 0:
            raise InputError(f"kernel_size: found {self.kernel_size}, want an odd number")
        super().__post_init__()

    @nn.compact
    def __call__(self, h: Array, mask: Array, exists: Array | None = None) -> Array:
        """Encodes projected steps.

        Args:
          h: `[B, T, width]` input after the front's projection.
          mask: `[B, T]` bool; where False the step enters as zeros.
          exists: `[T]` or `[B, T]` bool; steps that are False are padding outside the series: every convolution sees
            zeros there, so the result equals that of the series cut to its true length. Default: all exist.

        Returns:
          `[B, T, features]`.
        """
        outside = None if exists is None else ~jnp.broadcast_to(exists, mask.shape)[..., None]

        def conv(h: Array, features: int, dilation: int, name: str) -> Array:
            h = jax.nn.gelu(h, approximate=False)
            h = h if outside is None else jnp.where(outside, 0, h)
            return SameConv1d(features, self.kernel_size, dilation, name=name)(h)

        h = jnp.where(mask[..., None], h, 0)
        for block in range(self.depth + 1):
            last = block == self.depth
            features = self.features if last else self.width
            y = conv(h, features, 2**block, f"block_{block}_conv_0")
            y = conv(y, features, 2**block, f"block_{block}_conv_1")
            h = y + (SameConv1d(features, 1, name=f"block_{block}_projection")(h) if last else h)
            self.sow("intermediates", "block", h)
        return h

    def last_of_windows(self, h: Array, mask: Array, before: int, *, hide_last: bool = False) -> Array:
        """The last step's representation in each window of `before + 1` steps, as if each was encoded by itself.

        Args:
          h: `[B, before + T, width]` input after the front's projection.
          mask: `[B, before + T]` bool; where False the step enters as zeros.
          before: steps of a window before its last.
          hide_last: whether each window's last step enters as zeros.

        Returns:
          `[B, T, features]`.
        """
        h = jnp.where(mask[..., None], h, 0)
        return last_of_windows(self.variables["params"], h, before, self.depth, hide_last=hide_last)
