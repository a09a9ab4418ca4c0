"""TS-TCC's context: a summary of the first of a series' representations, and what it predicts to come next."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsrl.encoders.layers import Dropout, Linear, uniform_fan_in
from tsrl.types import Array


class Context(nn.Module):
    """A pre-norm Transformer whose first token summarises; linear maps predict from it.

    Attributes:
      steps: K, how many of the next representations are predicted.
      width: of the summary.
      heads: of the attention, which divide the width.
      layers: blocks.
      inner: width of the two-layer networks.
      dropout: rate after the attention and in the networks.

    References: Eldele et al. (2021), TS-TCC, arXiv 2106.14112, section 3.2; as in the released code, scores are divided
      by the root of the whole width, not of a head's.
    """

    steps: int
    width: int = 100
    heads: int = 4
    layers: int = 4
    inner: int = 64
    dropout: float = 0.1

    @nn.compact
    def __call__(self, z: Array, last: Array) -> tuple[Array, Array]:
        """Summarises `z[:, : last + 1]`.

        Args:
          z: `[B, S, D]` representations.
          last: scalar, the last step that is seen.

        Returns:
          `[B, width]` and `[B, K, D]`, predictions of steps `last + 1` to `last + K`.
        """
        rows, count, features = z.shape
        token = self.param("token", nn.initializers.normal(1.0), (1, 1, self.width))
        x = Linear(self.width, name="embedding")(z)
        x = jnp.concatenate([jnp.broadcast_to(token, (rows, 1, self.width)), x], 1)
        seen = jnp.arange(count + 1) <= last + 1
        for block in range(self.layers):
            x = x + self._attention(nn.LayerNorm(1e-5, name=f"block_{block}_norm_0")(x), seen, block)
            inner = Linear(self.inner, name=f"block_{block}_expand")(
                nn.LayerNorm(1e-5, name=f"block_{block}_norm_1")(x)
            )
            inner = Dropout(self.dropout)(nn.relu(inner))
            x = x + Dropout(self.dropout)(Linear(self.width, name=f"block_{block}_contract")(inner))
        summary = x[:, 0]
        predicted = Linear(self.steps * features, name="predictions")(summary)
        return summary, predicted.reshape(rows, self.steps, features)

    def _attention(self, x: Array, seen: Array, block: int) -> Array:
        init = uniform_fan_in(self.width)
        made = nn.Dense(3 * self.width, use_bias=False, kernel_init=init, name=f"block_{block}_query_key_value")(x)
        q, k, v = jnp.moveaxis(made.reshape(*x.shape[:2], 3, self.heads, -1), 2, 0)
        scores = jnp.einsum("blhd,bshd->bhls", q, k) * self.width**-0.5
        weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf))
        mixed = jnp.einsum("bhls,bshd->blhd", weights, v).reshape(x.shape)
        return Dropout(self.dropout)(Linear(self.width, name=f"block_{block}_out")(mixed))
