"""TNC: a window is like those in its neighbourhood, which reaches as far as the series is stationary.

References: Tonekaboni, Eytan, Goldenberg (2021), Unsupervised Representation Learning for Time Series with Temporal
Neighborhood Coding, arXiv 2106.00750. The released code draws one anchor of each series at a time and goes through the
data set several times in an epoch; here a batch holds `anchors` of each of its series. The pairs are its own.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tsrl import parallel, views
from tsrl.encoders.layers import Dropout, uniform_fan_in
from tsrl.errors import InputError, check_rate, check_whole
from tsrl.losses.neighbourhood import positive_unlabelled
from tsrl.methods.backbone import Backbone, own_parts
from tsrl.methods.tnc_neighbourhood import check_tests, draw_neighbourhoods
from tsrl.types import Array, Aux, Batch, Encoded, Key, Method, Metrics, Params, Plan


class Discriminator(nn.Module):
    """The logit that two windows are neighbours, `[..., D], [..., D] -> [...]`.

    Attributes:
      dropout: rate on the hidden layer.
    """

    dropout: float

    @nn.compact
    def __call__(self, one: Array, other: Array) -> Array:
        pair = jnp.concatenate([one, other], -1)
        width = 2 * pair.shape[-1]
        init = nn.initializers.xavier_uniform()
        bias = uniform_fan_in(pair.shape[-1])
        hidden = nn.relu(nn.Dense(width, kernel_init=init, bias_init=bias, name="hidden")(pair))
        hidden = Dropout(self.dropout)(hidden)
        return nn.Dense(1, kernel_init=init, bias_init=uniform_fan_in(width), name="output")(hidden)[..., 0]


def tnc(
    encoder: nn.Module,
    *,
    window: int = 50,
    samples: int = 20,
    anchors: int = 1,
    weight: float = 0.05,
    dropout: float = 0.5,
    front: nn.Module | None = None,
    axis_name: str | None = None,
) -> Method:
    """TNC over any encoder; a window's representation is that of its last step.

    Neighbourhoods are computed on the host at the start of every epoch, by unit-root tests (extra `stationarity`).

    Args:
      encoder: a module of `tsrl.encoders`, or another of that form.
      window: steps w of a window; a series needs more than four.
      samples: M, neighbours and others of each anchor.
      anchors: A, windows of each series in a batch.
      weight: share of the others that count as neighbours.
      dropout: rate in the discriminator.
      front: module `fields -> [B, T, width]`; default: the encoder's own.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range; in use, a window too long for the series, no statsmodels.

    Returns:
      A `Method` with `params = {"front", "encoder", "discriminator"}` and `aux = {"stats"}`. `encode` gives every step
      of a series, so that of a window the last is the window's representation; `embed` is the mean over consecutive
      windows, the last of which ends with the series.
    """
    for name, count, least in [("window", window, 2), ("samples", samples, 1), ("anchors", anchors, 1)]:
        check_whole(name, count, least)
    if not 0 <= weight <= 1:
        raise InputError(f"weight: found {weight}, want 0 to 1")
    check_rate("dropout", dropout)
    backbone = Backbone(encoder, front, axis_name)
    wanted = last if backbone.keeps_steps else None
    discriminator = Discriminator(dropout)

    def check_data(data: Batch) -> None:
        check_tests()
        seen = np.asarray(data.mask)
        # From the first observed step to the last.
        spans = np.where(seen.any(1), seen.shape[1] - seen[:, ::-1].argmax(1) - seen.argmax(1), 0)
        if spans.min() <= 4 * window:
            raise InputError(
                f"window: found {window} for a series of {spans.min()} observed steps, want at most "
                f"{max(spans.min() - 1, 0) // 4}, so that an anchor lies two windows from both ends"
            )

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        backbone_key, own_key = jax.random.split(key)
        fields = {name: value[:, :window] for name, value in batch.fields.items()}
        part = Batch(fields, batch.mask[:, :window], batch.index)
        params, stats = backbone.init(backbone_key, part)
        z = jnp.zeros(jax.eval_shape(backbone, params, stats, part.fields, part.mask)[0].shape[-1:])
        return {**params, "discriminator": discriminator.init(own_key, z, z)["params"]}, {"stats": stats}

    def before_epoch(params: Params, aux: Aux, data: Batch, key: Key) -> Plan:
        random = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        x = np.concatenate([np.asarray(v) for v in data.fields.values() if v.ndim == 3], -1)
        mask = np.asarray(data.mask)
        columns: dict[str, list[np.ndarray]] = {"anchors": [], "neighbours": [], "others": []}
        for row, seen in zip(x, mask, strict=True):
            places = np.flatnonzero(seen)
            first = places[0]
            drawn = draw_neighbourhoods(row[first : places[-1] + 1], window, anchors, samples, random)
            for name, centres in drawn._asdict().items():
                columns[name].append(first + centres - window // 2)
        return Plan({name: np.stack(starts).astype(np.int32) for name, starts in columns.items()})

    def of_windows(params: Params, stats: Aux, batch: Batch, starts: Array, key: Key | None) -> tuple[Array, Aux]:
        """`[B, N, D]` of the windows that begin at `starts` `[B, N]`."""
        rows, count = starts.shape

        def cut(array: Array) -> Array:
            return views.take_crop(jnp.repeat(array, count, 0), starts.ravel(), window)

        fields, mask = jax.tree.map(cut, (batch.fields, batch.mask))
        z, stats = backbone(params, stats, fields, mask, None, wanted, key=key)
        return z[:, -1].reshape(rows, count, -1), stats

    def discriminate(params: Params, one: Array, other: Array, key: Key) -> Array:
        rngs = {"dropout": parallel.own_key(key, axis_name)}
        logits: Array = discriminator.apply({"params": params["discriminator"]}, one, other, rngs=rngs)  # type: ignore[assignment]
        return logits

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        encoder_key, own_key = jax.random.split(key)
        plan, rows = batch.extra, batch.mask.shape[0]
        starts = [plan["anchors"], plan["neighbours"].reshape(rows, -1), plan["others"].reshape(rows, -1)]
        z, stats = of_windows(params, aux["stats"], batch, jnp.concatenate(starts, 1), encoder_key)
        own, near, far = jnp.split(z, [anchors, anchors * (1 + samples)], 1)
        own = jnp.repeat(own, samples, 1)
        pairs = enumerate((near, far))
        near_logits, far_logits = (
            discriminate(params, own, pair, jax.random.fold_in(own_key, number)) for number, pair in pairs
        )
        right = ((near_logits > 0).mean() + (far_logits < 0).mean()) / 2
        return positive_unlabelled(near_logits, far_logits, weight).mean(), ({"stats": stats}, {"accuracy": right})

    def encode(params: Params, aux: Aux, batch: Batch) -> Encoded:
        return backbone.encoded(params, aux["stats"], batch)

    def embed(params: Params, aux: Aux, batch: Batch) -> Array:
        steps = batch.mask.shape[1]
        if steps < window:
            return backbone(params, aux["stats"], batch.fields, batch.mask, None, wanted)[0][:, -1]
        starts = jnp.arange(steps % window, steps - window + 1, window)
        z, _ = of_windows(params, aux["stats"], batch, jnp.broadcast_to(starts, (len(batch.mask), len(starts))), None)
        # A window without an observed step counts for nothing.
        seen = batch.mask[:, steps % window :].reshape(len(batch.mask), -1, window).any(-1)
        return jnp.where(seen[..., None], z, 0).sum(1) / jnp.maximum(seen.sum(1), 1)[:, None]

    def layers(params: Params, aux: Aux, batch: Batch) -> list[Array]:
        return backbone.layers(params, aux["stats"], batch)

    return Method(
        init,
        loss,
        encode,
        embed,
        before_epoch=before_epoch,
        layers=layers,
        weights=own_parts("front", "encoder"),
        couples_batch=False,
        cuts_windows=True,
        check_data=check_data,
    )


def last(array: Array) -> Array:
    """The last step of `[B, T, ...]`."""
    return array[:, -1:]
