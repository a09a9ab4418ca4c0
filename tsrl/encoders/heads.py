"""What representations pass before they are compared: small networks that are dropped after training."""

import flax.linen as nn

from tsrl.encoders.layers import BatchNorm, Linear
from tsrl.types import Array


class StepHeads(nn.Module):
    """A linear map of each representation for each field of a step: `[..., D] ->` field -> `[..., K]`.

    Attributes:
      sizes: `(field, K)` of each: the codes of a field of names, the channels of one of numbers.
    """

    sizes: tuple[tuple[str, int], ...]

    @nn.compact
    def __call__(self, z: Array) -> dict[str, Array]:
        return {name: Linear(size, name=f"to_{name}")(z) for name, size in self.sizes}


class ProjectionHead(nn.Module):
    """Two linear layers with a ReLU between them, `[..., D] -> [..., features]`.

    Attributes:
      hidden: width between the layers; None = that of the input.
      features: of the output; None = as many as the input.
      norm: batch normalisation before the ReLU.
      axis_name: device axis of the batch statistics, or None.
    """

    hidden: int | None = None
    features: int | None = None
    norm: bool = False
    axis_name: str | None = None

    @nn.compact
    def __call__(self, z: Array) -> Array:
        width = z.shape[-1]
        made = Linear(self.hidden or width, name="linear_0")(z)
        if self.norm:
            made = BatchNorm(axis_name=self.axis_name, name="norm")(made)
        return Linear(self.features or width, name="linear_1")(nn.relu(made))
