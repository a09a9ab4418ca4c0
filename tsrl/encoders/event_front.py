"""The front of events: an embedding for each column of names, a projection of the numbers."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from tsrl.encoders.layers import Linear
from tsrl.errors import InputError
from tsrl.types import Array

# Columns of few values get few dimensions: 1.6 n^0.56, at most as many as the encoder is wide.
_FACTOR, _POWER = 1.6, 0.56


class EventFront(nn.Module):
    """Fields of events to `[B, T, width]`: embeddings of codes and the numbers side by side, projected.

    It goes before any encoder as the `front` of a method. Code 0 is padding; what its embedding is reaches nothing,
    because encoders hide the steps outside the mask.

    Attributes:
      width: of the encoder.
      sizes: `(column, codes)` of each column of names, as `tsrl.data.events.EventFields.sizes` says.
      numbers: the field of numbers `[B, T, F]`, or "" without any.
    """

    width: int
    sizes: tuple[tuple[str, int], ...]
    numbers: str = "numbers"

    @nn.compact
    def __call__(self, fields: dict[str, Array]) -> Array:
        """Projects the fields.

        Raises:
          InputError: a field is not there.
        """
        wanted = [*(name for name, _ in self.sizes), *([self.numbers] if self.numbers else [])]
        lacking = [name for name in wanted if name not in fields]
        if lacking:
            raise InputError(f"fields: found {', '.join(fields)}, want {lacking[0]} as well")
        parts: list[Any] = []
        for name, size in self.sizes:
            features = max(1, min(self.width, round(_FACTOR * size**_POWER)))
            embed = nn.Embed(size, features, embedding_init=nn.initializers.normal(1.0), name=f"embed_{name}")
            parts.append(embed(fields[name]))
        if self.numbers:
            parts.append(fields[self.numbers])
        if not parts:
            raise InputError("sizes: found no columns and no numbers, want at least one of them")
        return Linear(self.width, name="input")(jnp.concatenate(parts, -1))
