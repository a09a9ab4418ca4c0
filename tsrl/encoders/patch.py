"""Patches of a series as tokens, with a [CLS] patch before them: the front of TimeDRL."""

import math

import flax.linen as nn
import jax.numpy as jnp

from tsrl.encoders.layers import uniform_fan_in
from tsrl.types import Array


def patches(x: Array, patch_len: int, stride: int) -> Array:
    """Overlapping patches: `[B, T, C] -> [B, C, N, patch_len]` with `N = (T - patch_len) // stride + 2`.

    The last step is repeated `stride` times at the end, so that no step is left out.

    References: Nie et al. (2023), PatchTST, arXiv 2211.14730; as in the released code of TimeDRL.
    """
    padded = jnp.concatenate([x, jnp.repeat(x[:, -1:], stride, 1)], 1)
    count = (padded.shape[1] - patch_len) // stride + 1
    places = stride * jnp.arange(count)[:, None] + jnp.arange(patch_len)
    return padded.swapaxes(1, 2)[:, :, places]


class PatchFront(nn.Module):
    """Tokens of patches: the field `x` `[B, G, N, P] -> [B * G, 1 + N, width]`, the first of each row is [CLS].

    Each of the G groups (channels, or one for all of them) has a learnt [CLS] in patch space. Tokens are embedded by a
    convolution over tokens that wraps around, so that [CLS] sees the first and the last patch, or one by one.

    Attributes:
      width: of a token.
      kernel_size: odd number of tokens that the convolution sees; 1 = each by itself.

    References: TimeDRL (arXiv 2312.04142), section IV; the convolution is that of the released code.
    """

    width: int
    kernel_size: int = 3

    @nn.compact
    def __call__(self, fields: dict[str, Array]) -> Array:
        x = fields["x"]
        batch, groups, count, size = x.shape
        cls = self.param("cls", nn.initializers.normal(1.0), (groups, size))
        first = jnp.broadcast_to(cls[:, None], (batch, groups, 1, size))
        x = jnp.concatenate([first, x], 2).reshape(batch * groups, 1 + count, size)
        fan_in = self.kernel_size * size
        # A convolution has Kaiming's normal initialisation, a linear map PyTorch's. The released code asks for the gain
        # of a leaky ReLU, for which PyTorch's initialiser takes the slope 0 unless it is told.
        normal = nn.initializers.normal(math.sqrt(2 / fan_in))
        init = uniform_fan_in(fan_in) if self.kernel_size == 1 else normal
        kernel = self.param("kernel", init, (self.kernel_size, size, self.width))
        reach = self.kernel_size // 2
        wrapped = jnp.concatenate([x[:, x.shape[1] - reach :], x, x[:, :reach]], 1)
        seen = jnp.concatenate([wrapped[:, tap : tap + 1 + count] for tap in range(self.kernel_size)], -1)
        return seen @ kernel.reshape(-1, self.width)
