"""A post-norm Transformer over steps or patches, the encoder of TimeDRL."""

import math
from collections.abc import Callable
from typing import Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsrl.encoders.layers import Dropout, Linear, gelu
from tsrl.errors import InputError, check_rate, check_whole
from tsrl.types import Array

Position = Literal["none", "fixed", "learnable"]
Activation = Literal["gelu", "relu"]


class Transformer(nn.Module):
    """Self-attention and a two-layer network in each block, `[B, T, width] -> [B, T, width]`.

    The output of every block is sown as `block` into the collection "intermediates".

    Attributes:
      width: channels of all blocks and of the representation.
      heads: of the attention, which divide the width.
      layers: blocks.
      dropout: rate on the input, the attention weights and both branches of a block.
      position: what tells steps apart: a fixed table of sines and cosines, a learnt one, or nothing.
      max_length: steps of the learnt table.
      activation: of the two-layer network, which is four times as wide.
      causal: a step attends to no later one.

    Raises:
      InputError: a size below its minimum, another position or activation, heads that do not divide the width, a series
        longer than the table.

    References: Vaswani et al. (2017), Attention Is All You Need, arXiv 1706.03762; as in the released code of TimeDRL
      (arXiv 2312.04142): normalisation after each branch and once more at the end.
    """

    width: int = 128
    heads: int = 2
    layers: int = 1
    dropout: float = 0.2
    position: Position = "fixed"
    max_length: int = 5000
    activation: Activation = "gelu"
    causal: bool = False

    def __post_init__(self) -> None:
        for name in ("width", "heads", "layers", "max_length"):
            check_whole(name, getattr(self, name), 1)
        for name, known in (("position", get_args(Position)), ("activation", get_args(Activation))):
            if getattr(self, name) not in known:
                raise InputError(f"{name}: found {getattr(self, name)!r}, want one of {', '.join(known)}")
        if self.width % self.heads:
            raise InputError(f"heads: found {self.heads} for a width of {self.width}, want a divisor of it")
        check_rate("dropout", self.dropout)
        if self.position == "fixed" and self.width % 2:
            raise InputError(f"width: found {self.width} with position fixed, want an even number")
        super().__post_init__()

    @nn.compact
    def __call__(
        self, h: Array, mask: Array, exists: Array | None = None, wanted: Callable[[Array], Array] | None = None
    ) -> Array:
        """Encodes projected steps.

        Args:
          h: `[B, T, width]` input after the front's projection.
          mask: `[B, T]` bool; where False the step enters as zeros, but for its position.
          exists: `[T]` or `[B, T]` bool; padding, where False, is attended to by no step. Default: all exist.
          wanted: takes `[B, T, ...]` to the steps `[B, S, ...]` whose representation is asked for; default: all. The
            last block is made, and sown, at these steps only.

        Returns:
          `[B, T, width]`, or `[B, S, width]`.
        """
        h = jnp.where(mask[..., None], h, 0)
        h = Dropout(self.dropout)(h + self._positions(h.shape[1]))
        # Which keys each query attends to, `[B or 1, queries or 1, keys]`.
        allowed = None if exists is None else jnp.broadcast_to(exists, mask.shape)[:, None, :]
        if self.causal:
            earlier = jnp.tril(jnp.ones((h.shape[1], h.shape[1]), bool))[None]
            allowed = earlier if allowed is None else earlier & allowed
        activation = gelu if self.activation == "gelu" else jax.nn.relu
        for block in range(self.layers):
            name = f"block_{block}"
            own = wanted if block == self.layers - 1 and wanted is not None else lambda array: array
            attended = self._attention(h, allowed, own, name)
            h = self._norm(own(h) + Dropout(self.dropout)(attended), f"{name}_norm_0")
            made = activation(Linear(4 * self.width, name=f"{name}_expand")(h))
            made = Linear(self.width, name=f"{name}_contract")(Dropout(self.dropout)(made))
            h = self._norm(h + Dropout(self.dropout)(made), f"{name}_norm_1")
            self.sow("intermediates", "block", h)
        return self._norm(h, "norm")

    def _norm(self, h: Array, name: str) -> Array:
        return nn.LayerNorm(epsilon=1e-5, name=name)(h)

    def _positions(self, steps: int) -> Array:
        if self.position == "none":
            return jnp.zeros(())
        if self.position == "fixed":
            return sines(steps, self.width)
        if steps > self.max_length:
            raise InputError(
                f"max_length: found {self.max_length} for {steps} steps, want at least as many, or position fixed"
            )
        table = self.param("positions", nn.initializers.normal(1.0), (self.max_length, self.width))
        return table[:steps]

    def _attention(self, h: Array, allowed: Array | None, own: Callable[[Array], Array], name: str) -> Array:
        rows, steps, _ = h.shape
        # One product for the three projections: narrow ones leave the cores waiting.
        made = Linear(3 * self.width, name=f"{name}_query_key_value")(h).reshape(rows, steps, 3, self.heads, -1)
        query, key, value = (made[:, :, part] for part in range(3))
        query, key, value = own(query).swapaxes(1, 2), key.swapaxes(1, 2), value.swapaxes(1, 2)
        scores = query @ key.swapaxes(-1, -2) / math.sqrt(query.shape[-1])
        if allowed is not None:
            if allowed.shape[1] > 1:
                allowed = own(jnp.broadcast_to(allowed, (rows, steps, steps)))
            scores = jnp.where(allowed[:, None], scores, jnp.finfo(scores.dtype).min)
        weights = Dropout(self.dropout)(jax.nn.softmax(scores))
        made = (weights @ value).swapaxes(1, 2).reshape(rows, -1, self.width)
        return Linear(self.width, name=f"{name}_out")(made)


def sines(steps: int, width: int) -> Array:
    """The fixed table of positions `[steps, width]`: sines in even, cosines in odd places.

    References: Vaswani et al. (2017), section 3.5.
    """
    angle = jnp.arange(steps)[:, None] * jnp.exp(jnp.arange(0, width, 2) * (-math.log(10000.0) / width))
    return jnp.stack([jnp.sin(angle), jnp.cos(angle)], -1).reshape(steps, width)
