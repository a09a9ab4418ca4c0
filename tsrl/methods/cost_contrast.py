"""CoST's loss: what is drawn in a step, and the contrast of the two views.

References: see `tsrl.methods.cost`.
"""

import dataclasses
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from tsrl import parallel, views
from tsrl.encoders.disentangle import Disentangle
from tsrl.encoders.fourier import coefficients
from tsrl.losses import instance_contrastive
from tsrl.losses.frequency import amplitude_phase
from tsrl.losses.nt_xent import unit
from tsrl.losses.queue import queue_contrastive
from tsrl.methods.backbone import Backbone
from tsrl.types import Array, Aux, Batch, Key, Metrics, Params


class Views(NamedTuple):
    """The random choices of one step.

    Attributes:
      query: one view of the rows.
      key: the other; also a batch.
      step: scalar, where the trends are compared.
      drop: keys `[2, B]` of the season's dropout, or None for none.
      query_key: of the trained encoder's own dropout, or None.
      momentum_key: of the momentum encoder's.
    """

    query: Batch
    key: Batch
    step: Array
    drop: Key | None = None
    query_key: Key | None = None
    momentum_key: Key | None = None


class Parts(NamedTuple):
    """What has weights: `params` has "front" and "encoder" of the backbone, "branches" and "head"."""

    backbone: Backbone
    branches: Disentangle
    head: nn.Module


def draw_views(key: Key, batch: Batch, sigma: float, dropout: bool) -> Views:
    """Draws two augmented views of a batch and the step where their trends are compared."""
    view_key, step_key, drop_key, query_key, momentum_key = jax.random.split(key, 5)
    keys = jax.vmap(views.example_keys, (0, None))(jax.random.split(view_key), batch.index)

    def view(keys: Key) -> Batch:
        fields = {
            name: views.perturbed(keys, x, sigma) if jnp.issubdtype(x.dtype, jnp.floating) else x
            for name, x in batch.fields.items()
        }
        return dataclasses.replace(batch, fields=fields)

    drop = jax.vmap(views.example_keys, (0, None))(jax.random.split(drop_key), batch.index) if dropout else None
    step = jax.random.randint(step_key, (), 0, batch.mask.shape[1])
    return Views(view(keys[0]), view(keys[1]), step, drop, query_key, momentum_key)


def contrast(
    parts: Parts,
    params: Params,
    aux: Aux,
    drawn: Views,
    *,
    alpha: float,
    momentum: float,
    temperature: float,
    dropout: float,
    axis_name: str | None,
) -> tuple[Array, tuple[Aux, Metrics]]:
    """CoST's loss for given views.

    Args:
      parts: what has weights.
      params: of the method.
      aux: of the method.
      drawn: the step's random choices.
      alpha: weight of the season's contrast.
      momentum: of the encoder that makes the keys, which moves before it does.
      temperature: of the trend's contrast.
      dropout: rate on the season, when `drawn.drop` is given.
      axis_name: device axis, or None.

    Returns:
      The mean over this device's rows; `aux` with the moved encoder and these keys in the queue; the trend's and the
      season's contrast.
    """
    rows, steps = drawn.query.mask.shape
    reach = min(max(parts.branches.kernels), steps)
    # The trend at a step is a function of the steps up to it that the longest convolution sees.
    tail_mask = drawn.step - reach + 1 + jnp.arange(reach) >= 0

    def tail(array: Array) -> Array:
        padded = jnp.pad(array, [(0, 0), (reach - 1, 0)] + [(0, 0)] * (array.ndim - 2))
        return lax.dynamic_slice_in_dim(padded, drawn.step, reach, 1)

    def trend(params: Params, tail: Array) -> Array:
        tail = jnp.where(tail_mask[:, None], tail, 0)
        found = parts.branches.apply({"params": params["branches"]}, tail, "trend_last")
        headed: Any = parts.head.apply({"params": params["head"]}, found)
        return unit(headed)

    # Both views in one pass: the second is needed for the season only.
    fields, mask = jax.tree.map(
        lambda *arrays: jnp.concatenate(arrays), *((view.fields, view.mask) for view in (drawn.query, drawn.key))
    )
    z, stats = parts.backbone(params, aux["stats"], fields, mask, key=drawn.query_key)
    queries = trend(params, tail(z[:rows]))

    moved = jax.tree.map(lambda mean, new: momentum * mean + (1 - momentum) * new, aux["momentum"], compared(params))
    moved = lax.stop_gradient(moved)
    # Running statistics of the momentum encoder would never be read: in training it takes the batch's.
    seen, _ = parts.backbone(moved, aux["stats"], drawn.key.fields, drawn.key.mask, None, tail, key=drawn.momentum_key)
    keys = lax.stop_gradient(trend(moved, seen))
    of_trend = queue_contrastive(queries, keys, aux["queue"], temperature)
    entering = parallel.gather(keys, axis_name)
    size = len(aux["queue"])
    place = (aux["pointer"] + jnp.arange(len(entering))) % size
    aux = {
        "momentum": moved,
        "queue": aux["queue"].at[place].set(entering),
        "pointer": (aux["pointer"] + len(entering)) % size,
        "stats": stats,
    }

    season: Any = parts.branches.apply({"params": params["branches"]}, z, "season")
    if drawn.drop is not None:
        season = views.dropout(drawn.drop.reshape(-1), season, dropout)
    of_season = jnp.zeros(rows)
    for values in amplitude_phase(*coefficients(unit(season))):
        z1, z2 = values[:rows], values[rows:]
        candidates = parallel.gather((z1, z2), axis_name) if parallel.device_count(axis_name) > 1 else None
        first = parallel.first_row(rows, axis_name)
        of_season += instance_contrastive(z1, z2, candidates=candidates, first_row=first) / 2
    metrics = {"trend": of_trend.mean(), "season": of_season.mean()}
    return metrics["trend"] + alpha * metrics["season"], (aux, metrics)


def compared(params: Params) -> Params:
    """The parameters that make queries and keys."""
    return {**params, "branches": {"trend": params["branches"]["trend"]}}
