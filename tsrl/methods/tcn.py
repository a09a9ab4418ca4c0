"""A temporal convolutional network with a linear map from its last step to the horizon: a supervised baseline.

References: Bai, Kolter, Koltun (2018), An Empirical Evaluation of Generic Convolutional and Recurrent Networks for
Sequence Modeling, arXiv 1803.01271. The paper forecasts no long horizon; the head, a linear map of the last step, is
that of the TCN in the tables of later papers as far as they describe it.
"""

from typing import Any

import flax.linen as nn
import jax

from tsrl.encoders.layers import Linear
from tsrl.methods import supervised
from tsrl.methods.backbone import Backbone, own_parts
from tsrl.types import Array, Aux, Batch, Encoded, Key, Method, Metrics, Params, max_over_time


def tcn(
    encoder: nn.Module,
    *,
    horizon: int = 24,
    covariates: int = 7,
    front: nn.Module | None = None,
    axis_name: str | None = None,
) -> Method:
    """A TCN trained end to end to forecast: a batch holds `x [B, L, K + C]` and `target [B, H, K + C]`.

    Args:
      encoder: a module of `tsrl.encoders`, or another of that form, that keeps the length.
      horizon: steps H to forecast.
      covariates: leading channels K that are not forecast; the encoder sees them, their future is not used.
      front: module `fields -> [B, T, width]`; default: the encoder's own.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range, an encoder that shortens the series; in use, a target of another horizon.

    Returns:
      A `Method` with `params = {"front", "encoder", "head"}` and `aux = {"stats"}`; `encode` and `embed` give the
      encoder's representation.
    """
    supervised.check_settings(horizon, covariates)
    backbone = Backbone(encoder, front, axis_name)
    backbone.need_steps("tcn")

    def head(batch: Batch) -> Linear:
        return Linear(horizon * (supervised.series(batch, covariates, "tcn").shape[-1] - covariates))

    def forecast(params: Params, stats: Any, batch: Batch, key: Key | None) -> tuple[Array, Any]:
        out = head(batch)
        z, stats = backbone(params, stats, batch.fields, batch.mask, None, _last_step, key=key)
        made: Any = out.apply({"params": params["head"]}, z[:, 0])
        return made.reshape(len(made), horizon, -1), stats

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        out = head(batch)
        backbone_key, head_key = jax.random.split(key)
        params, stats = backbone.init(backbone_key, batch)
        z, _ = backbone(params, stats, batch.fields, batch.mask, None, _last_step)
        return {**params, "head": out.init(head_key, z[:, 0])["params"]}, {"stats": stats}

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        made, stats = forecast(params, aux["stats"], batch, key)
        return supervised.squared_error(made, batch, covariates), ({"stats": stats}, {})

    def predict(params: Params, aux: Aux, batch: Batch) -> Array:
        return forecast(params, aux["stats"], batch, None)[0]

    def encode(params: Params, aux: Aux, batch: Batch) -> Encoded:
        return backbone.encoded(params, aux["stats"], batch)

    def embed(params: Params, aux: Aux, batch: Batch) -> Array:
        return max_over_time(encode(params, aux, batch))

    def layers(params: Params, aux: Aux, batch: Batch) -> list[Array]:
        return backbone.layers(params, aux["stats"], batch)

    def last_of_windows(params: Params, aux: Aux, batch: Batch, before: int, hide_last: bool) -> Array:
        return backbone.last_of_windows(params, batch, before, hide_last, aux["stats"])

    shortcut = last_of_windows if hasattr(encoder, "last_of_windows") else None
    return Method(
        init,
        loss,
        encode,
        embed,
        predict=predict,
        layers=layers,
        last_of_windows=shortcut,
        weights=own_parts("front", "encoder"),
        couples_batch=False,
    )


def _last_step(array: Array) -> Array:
    return array[:, -1:]
