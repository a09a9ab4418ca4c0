"""Informer's encoder: ProbSparse attention, and between its layers convolutions that halve the series."""

import math
from collections.abc import Callable
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tsrl.encoders.attention import Attention, AttentionKind
from tsrl.encoders.convolution import dilated_convolution
from tsrl.encoders.front import RawFront
from tsrl.encoders.layers import BatchNorm, Dropout, Linear, gelu, uniform_fan_in
from tsrl.errors import InputError, check_rate, check_whole
from tsrl.types import Array

Activation = Literal["gelu", "relu"]


class Informer(nn.Module):
    """Embedded steps through attention layers, halved between them, `[B, T, C] -> [B, S, width]`, any number C.

    It takes the series as it is (`RawFront`) and embeds it here, since the embedding mixes neighbouring steps: only so
    do hidden steps and padding stay out of it.

    `apply` takes a "sample" key beside "dropout", for ProbSparse attention's sample of keys, see `Attention`.

    With `distil` the series is halved after every layer but the last, S = ceil(T / 2^(layers - 1)), and the output
    alone is sown as `block` into "intermediates"; without, the output of every layer is.

    Attributes:
      width: of all layers and the representation, a multiple of `heads`.
      heads: of attention.
      layers: how many.
      feed_forward: inner width of the layers' feed-forward part.
      factor: of ProbSparse attention: it samples `factor * ceil(ln S)` keys and as many queries attend.
      distil: halve the series between layers; False keeps a representation of every step.
      attention: "prob" or "full"; a batch padded with steps that do not exist needs full, and no distilling.
      dropout: rate in training.
      activation: of the feed-forward part.
      covariates: leading channels of x that are known for every step, such as the calendar's; they are embedded by a
        linear map of their own, the values by a convolution.
      axis_name: device axis for batch statistics, set by the method.

    Raises:
      InputError: a size below its minimum, a width that is no multiple of heads, or another choice.

    References: Zhou, Zhang, Peng, Zhang, Li, Xiong, Zhang (2021), Informer: Beyond Efficient Transformer for Long
    Sequence Time-Series Forecasting, arXiv 2012.07436. The paper's four layers and stacks of halves are not what its
    released scripts run: their two layers in one stack are followed.
    """

    width: int = 512
    heads: int = 8
    layers: int = 2
    feed_forward: int = 2048
    factor: int = 5
    distil: bool = True
    attention: AttentionKind = "prob"
    dropout: float = 0.05
    activation: Activation = "gelu"
    covariates: int = 0
    axis_name: str | None = None

    def __post_init__(self) -> None:
        least = {"width": 1, "heads": 1, "layers": 1, "feed_forward": 1, "factor": 1, "covariates": 0}
        for name, low in least.items():
            value = getattr(self, name)
            check_whole(name, value, low)
        if self.width % self.heads:
            raise InputError(f"width: found {self.width}, want a multiple of the {self.heads} heads")
        for name, choices in (("attention", ("prob", "full")), ("activation", ("gelu", "relu"))):
            if getattr(self, name) not in choices:
                raise InputError(f"{name}: found {getattr(self, name)!r}, want {' or '.join(choices)}")
        check_rate("dropout", self.dropout)
        super().__post_init__()

    @property
    def keeps_steps(self) -> bool:
        """Whether there is one representation for each step."""
        return not self.distil

    @nn.nowrap
    def front(self) -> nn.Module:
        """The series as it is."""
        return RawFront(parent=None)

    @nn.compact
    def __call__(
        self, h: Array, mask: Array, exists: Array | None = None, wanted: Callable[[Array], Array] | None = None
    ) -> Array:
        """Encodes steps.

        Args:
          h: `[B, T, C]`, covariates first.
          mask: `[B, T]` bool; where False the step enters as zeros.
          exists: `[T]` or `[B, T]` bool; steps that are False are padding after the series, and the result equals that
            of the series cut to its true length. Default: all exist.
          wanted: takes `[B, T, ...]` to the steps `[B, S, ...]` whose representation is asked for; default: all. The
            last layer may then be sown at these steps only.

        Returns:
          `[B, T, width]`, `[B, S, width]` of the wanted steps, or of the halved series.

        Raises:
          InputError: padding or wanted steps with `distil`, padding with ProbSparse attention.
        """
        if self.distil and (exists is not None or wanted is not None):
            raise InputError(
                "distil: found True for a batch padded with steps that do not exist, or of which single steps are "
                "wanted; want False (--encoder.no-distil), and --encoder.attention full for padding"
            )
        exists = None if exists is None else jnp.broadcast_to(exists, mask.shape)
        h = jnp.where(mask[..., None] if exists is None else (mask & exists)[..., None], h, 0)
        x = Embedding(self.width, self.covariates, self.dropout, name="embedding")(h, exists)
        for layer in range(self.layers):
            last, own = layer == self.layers - 1, x
            if last and wanted is not None and self.attention == "full":
                # A query of full attention needs no other query.
                own, wanted = wanted(x), None
            attention = Attention(
                self.width, self.heads, self.attention, self.factor, dropout=self.dropout, name=f"layer_{layer}"
            )
            x = own + Dropout(self.dropout)(attention(own, x, exists))
            x = layer_norm(f"norm_{layer}_0")(x)
            x = feed_forward(x, self.feed_forward, self.activation, self.dropout, f"feed_forward_{layer}")
            x = layer_norm(f"norm_{layer}_1")(x)
            if last:
                x = layer_norm("norm")(x)
            elif self.distil:
                x = Distil(self.axis_name, name=f"distil_{layer}")(x)
            if last or not self.distil:
                self.sow("intermediates", "block", x)
        return x if wanted is None else wanted(x)


class Embedding(nn.Module):
    """Values by a circular convolution, covariates by a linear map, and the step's place: `[B, T, C] -> [B, T, width]`.

    Attributes:
      width: of the embedding.
      covariates: leading channels that are covariates.
      dropout: rate on the sum.
    """

    width: int
    covariates: int
    dropout: float

    @nn.compact
    def __call__(self, x: Array, exists: Array | None = None) -> Array:
        """Embeds steps; `exists` `[B, T]` bool, False = padding after the series, whose steps are zeros."""
        if x.shape[-1] <= self.covariates:
            raise InputError(f"covariates: found {self.covariates} of {x.shape[-1]} channels, want values beside them")
        values = CircularConv1d(self.width, kaiming, name="values")(x[..., self.covariates :], exists)
        h = values + position_table(x.shape[1], self.width)
        if self.covariates:
            h = h + Linear(self.width, name="covariates")(x[..., : self.covariates])
        return Dropout(self.dropout)(h)


def position_table(steps: int, width: int) -> np.ndarray:
    """Sines and cosines of the step, alternating: `[steps, width]`."""
    rates = np.exp(np.arange(0, width, 2) * (-math.log(10000) / width))
    angles = np.arange(steps)[:, None] * rates
    return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(steps, -1)[:, :width].astype(np.float32)


def kaiming(key: Array, shape: tuple[int, ...]) -> Array:
    """PyTorch's `kaiming_normal_` for a leaky ReLU, the released initialisation of the values' embedding."""
    return jax.random.normal(key, shape) * math.sqrt(2 / (1 + 0.01**2) / math.prod(shape[:-1]))


class CircularConv1d(nn.Module):
    """Convolution of three taps over time, the first step following the last: `[B, T, C] -> [B, T, features]`.

    Attributes:
      features: output width.
      kernel_init: default: PyTorch's, see `uniform_fan_in`.
    """

    features: int
    kernel_init: Callable[..., Array] | None = None

    @nn.compact
    def __call__(self, x: Array, exists: Array | None = None) -> Array:
        """Convolves; `exists` `[B, T]` bool, False = padding after the series, whose steps are zeros."""
        default = uniform_fan_in(3 * x.shape[-1])
        kernel = self.param("kernel", self.kernel_init or default, (3, x.shape[-1], self.features))
        bias = self.param("bias", default, (self.features,))
        if exists is None:
            around = jnp.concatenate([x[:, -1:], x, x[:, :1]], 1)
        else:
            length = exists.sum(1, keepdims=True)
            end = jnp.take_along_axis(x, jnp.maximum(length - 1, 0)[..., None], 1)
            around = jnp.concatenate([end, x, jnp.zeros_like(end)], 1)
            around = jnp.where((jnp.arange(x.shape[1] + 2) == length + 1)[..., None], x[:, :1], around)
        return dilated_convolution(around, kernel, bias, 1)[:, 1:-1]


class Distil(nn.Module):
    """Half as many steps: circular convolution, batch norm, ELU, the maximum of three steps at every second.

    `[B, T, width] -> [B, ceil(T / 2), width]`

    Attributes:
      axis_name: device axis, or None.
    """

    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        h = CircularConv1d(x.shape[-1], name="conv")(x)
        h = nn.elu(BatchNorm(axis_name=self.axis_name, name="norm")(h))
        # Three slices: the derivative of a pooling window is slow on CPUs.
        steps = -(-x.shape[1] // 2)
        padded = jnp.pad(h, ((0, 0), (1, 1), (0, 0)), constant_values=-jnp.inf)
        first, middle, end = (padded[:, tap : tap + 2 * steps - 1 : 2] for tap in range(3))
        return jnp.maximum(jnp.maximum(first, middle), end)


def layer_norm(name: str) -> nn.LayerNorm:
    """Layer normalisation as PyTorch's."""
    return nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, name=name)


def feed_forward(x: Array, inner: int, activation: Activation, dropout: float, name: str) -> Array:
    """`x` and, added, two linear maps with an activation between them; called inside a module."""
    h = Linear(inner, name=f"{name}_0")(x)
    h = Dropout(dropout)(gelu(h) if activation == "gelu" else nn.relu(h))
    return x + Dropout(dropout)(Linear(x.shape[-1], name=f"{name}_1")(h))
