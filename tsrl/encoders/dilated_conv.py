"""TS2Vec's encoder: a stack of dilated residual convolution blocks, the same length in and out."""

from collections.abc import Callable
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp

from tsrl.encoders.last_of_windows import last_of_windows
from tsrl.encoders.layers import SameConv1d, gelu
from tsrl.errors import InputError, check_whole
from tsrl.types import Array


class DilatedConv(nn.Module):
    """Residual blocks with dilations 1, 2, 4, ... over the projected input, `[B, T, width] -> [B, T, features]`.

    The output of every block is sown as `block` into the collection "intermediates".

    Attributes:
      width: channels of the projected input and of all blocks but the last.
      features: width of the representation.
      depth: blocks of `width` channels; one block to `features` follows.
      kernel_size: odd number of taps.
      products: `bfloat16` rounds the factors of the convolutions' products, forward and back, for hardware that
        multiplies these faster; parameters, sums and all else stay float32. `float32` leaves it to the hardware, see
        jax's `default_matmul_precision`.

    Raises:
      InputError: a size below its minimum, an even kernel, or another type.

    References: TS2Vec (arXiv 2106.10466), section 3.2. The paper speaks of ten blocks, the released code has eleven
    (ten and the output block): the code is followed.
    """

    width: int = 64
    features: int = 320
    depth: int = 10
    kernel_size: int = 3
    products: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        for name, least in (("width", 1), ("features", 1), ("depth", 0), ("kernel_size", 1)):
            check_whole(name, getattr(self, name), least)
        if self.kernel_size % 2 == 0:
            raise InputError(f"kernel_size: found {self.kernel_size}, want an odd number")
        if self.products not in ("float32", "bfloat16"):
            raise InputError(f"products: found {self.products!r}, want float32 or bfloat16")
        super().__post_init__()

    @nn.compact
    def __call__(
        self, h: Array, mask: Array, exists: Array | None = None, wanted: Callable[[Array], Array] | None = None
    ) -> Array:
        """Encodes projected steps.

        Args:
          h: `[B, T, width]` input after the front's projection.
          mask: `[B, T]` bool; where False the step enters as zeros.
          exists: `[T]` or `[B, T]` bool; steps that are False are padding outside the series: every convolution sees
            zeros there, so the result equals that of the series cut to its true length. Default: all exist.
          wanted: takes `[B, T, ...]` to the steps `[B, S, ...]`, S at most T, whose representation is asked for;
            default: all. The last block may then be sown at these steps only.

        Returns:
          `[B, T, features]`, or `[B, S, features]`.
        """
        outside = None if exists is None else ~jnp.broadcast_to(exists, mask.shape)[..., None]

        def conv(h: Array, features: int, dilation: int, name: str) -> Array:
            h = gelu(h)
            h = h if outside is None else jnp.where(outside, 0, h)
            return SameConv1d(features, self.kernel_size, dilation, self.products, name=name)(h)

        h = jnp.where(mask[..., None], h, 0)
        for block in range(self.depth + 1):
            last = block == self.depth
            features = self.features if last else self.width
            if last and wanted is not None and 2**block >= h.shape[1]:
                # Its taps see padding only but for the middle one: a step's output needs no other step.
                outside = None if outside is None else wanted(outside)
                h, wanted = wanted(h), None
            y = conv(h, features, 2**block, f"block_{block}_conv_0")
            y = conv(y, features, 2**block, f"block_{block}_conv_1")
            h = y + (SameConv1d(features, 1, dtype=self.products, name=f"block_{block}_projection")(h) if last else h)
            self.sow("intermediates", "block", h)
        return h if wanted is None else wanted(h)

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
        params = self.variables["params"]
        return last_of_windows(params, h, before, self.depth, hide_last=hide_last, dtype=self.products)
