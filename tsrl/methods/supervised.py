"""What supervised forecasters share: the batch they expect, and their loss."""

import jax.numpy as jnp

from tsrl.errors import InputError, check_whole
from tsrl.types import Array, Batch


def check_settings(horizon: int, covariates: int) -> None:
    """Raises `InputError` for a horizon below 1 or a negative count of covariates."""
    for name, value, least in (("horizon", horizon, 1), ("covariates", covariates, 0)):
        check_whole(name, value, least)


def series(batch: Batch, covariates: int, method: str) -> Array:
    """The field `x` `[B, L, K + C]` of a batch, checked to have values beside the covariates."""
    if "x" not in batch.fields:
        raise InputError(f"fields: found {', '.join(batch.fields)}, want the one series x for {method}")
    channels = batch.x.shape[-1]
    if channels <= covariates:
        raise InputError(
            f"covariates: found {covariates} of {channels} channels, want values beside them; "
            "without covariates: --method.covariates 0"
        )
    return batch.x


def known_future(batch: Batch, horizon: int, covariates: int) -> Array:
    """The covariates of the horizon `[B, H, K]`: the first channels of the target, zeros where there is none.

    Raises:
      InputError: a target of another horizon.
    """
    shape = (batch.x.shape[0], horizon, covariates)
    if batch.target is None or not covariates:
        return jnp.zeros(shape, batch.x.dtype)
    if batch.target.ndim != 3 or batch.target.shape[1] != horizon:
        raise InputError(f"target: found shape {batch.target.shape}, want {shape[:2]} and channels; see horizon")
    return batch.target[..., :covariates]


def squared_error(forecast: Array, batch: Batch, covariates: int) -> Array:
    """The mean squared error of a forecast `[B, H, C]`.

    Raises:
      InputError: a batch without a target `[B, H, K + C]`.
    """
    rows, horizon, channels = forecast.shape
    found, want = getattr(batch.target, "shape", None), (rows, horizon, covariates + channels)
    if batch.target is None or found != want:
        raise InputError(
            f"target: found {'none' if found is None else f'shape {found}'}, want {want}, the future of every channel; "
            "a supervised forecaster trains on the task forecast, on windows of the horizon it is set to"
        )
    return jnp.square(forecast - batch.target[..., covariates:]).mean()
