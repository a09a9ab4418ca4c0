"""Informer's decoder: all steps of the horizon at once, from the last known steps and the encoder's memory."""

import flax.linen as nn

from tsrl.encoders.attention import Attention, AttentionKind
from tsrl.encoders.informer import Activation, Embedding, feed_forward, layer_norm
from tsrl.encoders.layers import Dropout, Linear
from tsrl.types import Array


class InformerDecoder(nn.Module):
    """Layers of causal self-attention and attention to a memory, `[B, label + H, K + C] -> [B, H, C]`.

    Attributes:
      width: of all layers.
      heads: of attention.
      layers: how many.
      feed_forward: inner width of the layers' feed-forward part.
      factor: of ProbSparse self-attention.
      attention: of the self-attention, which is causal; that to the memory is full.
      dropout: rate in training.
      activation: of the feed-forward part.
      covariates: K, leading channels that are covariates.
      horizon: H, the steps at the end that are forecast.
      mix: see `Attention`, of the self-attention.

    References: Informer, arXiv 2012.07436, section 4.2.
    """

    width: int
    heads: int
    layers: int
    feed_forward: int
    factor: int
    attention: AttentionKind
    dropout: float
    activation: Activation
    covariates: int
    horizon: int
    mix: bool

    @nn.compact
    def __call__(self, x: Array, memory: Array) -> Array:
        """Forecasts.

        Args:
          x: `[B, label + H, K + C]`, the covariates of all steps, the values of the last known steps, then zeros.
          memory: `[B, S, features]` of the encoder.

        Returns:
          `[B, H, C]`.
        """
        h = Embedding(self.width, self.covariates, self.dropout, name="embedding")(x)
        for layer in range(self.layers):
            own = Attention(
                self.width,
                self.heads,
                self.attention,
                self.factor,
                causal=True,
                mix=self.mix,
                dropout=self.dropout,
                last=self.horizon if layer == self.layers - 1 else None,
                name=f"layer_{layer}_self",
            )(h, h)
            # Of the last layer only the horizon is read.
            h = layer_norm(f"norm_{layer}_0")(h[:, -own.shape[1] :] + Dropout(self.dropout)(own))
            cross = Attention(self.width, self.heads, "full", dropout=self.dropout, name=f"layer_{layer}_cross")
            h = layer_norm(f"norm_{layer}_1")(h + Dropout(self.dropout)(cross(h, memory)))
            h = feed_forward(h, self.feed_forward, self.activation, self.dropout, f"feed_forward_{layer}")
            h = layer_norm(f"norm_{layer}_2")(h)
        return Linear(x.shape[-1] - self.covariates, name="values")(layer_norm("norm")(h))
