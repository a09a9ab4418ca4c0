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


class RawFront(nn.Module):
    """The field `x` `[B, T, C]` as it is, for encoders that take any number of channels."""

    @nn.compact
    def __call__(self, fields: dict[str, Array]) -> Array:
        return fields["x"]


def front_of(encoder: nn.Module) -> nn.Module:
    """The front that an encoder wants: what its `front()` returns, or else a projection to its `width`."""
    make = getattr(encoder, "front", None)
    return LinearFront(encoder.width) if make is None else make()
