"""Fronts turn the fields of a batch into one array of steps; encoders see only that and the mask."""

import flax.linen as nn

from tsrl.encoders.layers import Linear
from tsrl.types import Array


class LinearFront(nn.Module):
    """The front of a plain series: the field `x` `[B, T, C]` projected to `[B, T, width]`.

    Attributes:
      width: channels of the projection, the encoder's `width`.
    """

    width: int

    @nn.compact
    def __call__(self, fields: dict[str, Array]) -> Array:
        return Linear(self.width, name="input")(fields["x"])
