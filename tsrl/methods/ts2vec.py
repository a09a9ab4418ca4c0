"""TS2Vec: contextual consistency between two masked, overlapping crops, contrasted on every time scale.

References: Yue, Wang, Duan, Yang, Huang, Tong, Xu (2022), TS2Vec: Towards Universal Representation of Time Series,
arXiv 2106.10466. The representations come from the running equal average of all iterates, initial weights included, as
in the released code (the paper does not mention it).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsrl import parallel, views
from tsrl.buckets import smallest_fitting, switch_loss
from tsrl.errors import InputError, check_rate
from tsrl.losses.hierarchical import hierarchical_contrastive
from tsrl.methods.backbone import Backbone
from tsrl.types import Array, Aux, Batch, Encoded, Key, Method, Metrics, Params

Wanted = Callable[[Array], Array]
# Of a series, for views and for their overlap, see `view_sizes`.
SHARES = ((0.6, 0.85), (0.4, 0.7))


class Views(NamedTuple):
    """The random choices of one step: the crops and what each view may see.

    Attributes:
      crops: see `views.Crops`.
      mask1: `[B, L]` bool, L at least the longer view: visible steps of view 1, counted from its first.
      mask2: `[B, L]` bool, the same of view 2.
      drop: keys `[2, B]` of the representation's dropout, or None for none.
      key: of the encoder's own dropout, or None.
    """

    crops: views.Crops
    mask1: Array
    mask2: Array
    drop: Key | None
    key: Key | None = None


def ts2vec(
    encoder: nn.Module,
    *,
    alpha: float = 0.5,
    temporal_unit: int = 0,
    mask: views.MaskMode = "binomial",
    dropout: float = 0.1,
    front: nn.Module | None = None,
    axis_name: str | None = None,
) -> Method:
    """TS2Vec over any encoder that keeps the length.

    Args:
      encoder: a module of `tsrl.encoders`, or another of that form; its method `last_of_windows`, if it has one, serves
        sliding windows.
      alpha: weight of the instance contrast; the temporal contrast has `1 - alpha`.
      temporal_unit: finest scales without temporal contrast; the overlap has at least `2**(temporal_unit + 1)` steps.
      mask: which projected steps each view hides in training, see `views.time_step_mask`.
      dropout: rate on the representation in training.
      front: module `fields -> [B, T, width]`; default: the encoder's own.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range.

    Returns:
      A `Method` with `params = {"front", "encoder"}` and `aux = {"average": running average of params}`.
    """
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha: found {alpha}, want 0 to 1")
    check_rate("dropout", dropout)
    if temporal_unit < 0:
        raise InputError(f"temporal_unit: found {temporal_unit}, want 0 or more")
    backbone = Backbone(encoder, front, axis_name)
    backbone.need_steps("ts2vec")

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        params, stats = backbone.init(key, batch)
        if stats:
            raise InputError(
                f"encoder: found {type(encoder).__name__}, which takes batch statistics, for ts2vec, whose views are "
                "padded with steps that would count; want an encoder without"
            )
        return params, {"average": params}

    def draw_views(key: Key, batch: Batch) -> Views:
        steps = batch.mask.shape[1]
        crop_key, mask_key, drop_key = jax.random.split(key, 3)
        encoder_key = jax.random.fold_in(key, 3)
        crops = views.overlapping_crops(crop_key, batch.index, steps, temporal_unit)
        mask_keys = [views.example_keys(k, batch.index) for k in jax.random.split(mask_key)]
        masks = [
            views.time_step_mask(mask, keys, steps, length)
            for keys, length in zip(mask_keys, (crops.length1, crops.length2), strict=True)
        ]
        drop = jax.vmap(views.example_keys, (0, None))(jax.random.split(drop_key), batch.index)
        return Views(crops, masks[0], masks[1], drop if dropout else None, encoder_key)

    def represent(
        params: Params, fields: dict[str, Array], mask: Array, exists: Array, wanted: Wanted, key: Key | None
    ) -> Array:
        return backbone(params, {}, fields, mask, exists, wanted, key=key)[0]

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        drawn = draw_views(key, batch)
        sizes = view_sizes(batch.mask.shape[1])
        longer = jnp.maximum(drawn.crops.length1, drawn.crops.length2)
        choice = smallest_fitting(sizes, jnp.stack([longer, drawn.crops.overlap]))
        at_size = partial(
            contextual_loss,
            represent,
            alpha=alpha,
            temporal_unit=temporal_unit,
            dropout=dropout,
            axis_name=axis_name,
        )
        branches = [partial(at_size, *size) for size in sizes]
        value, metrics = switch_loss(choice, branches, params, batch, drawn)
        return value, (aux, metrics)

    def after_step(params: Params, aux: Aux, step: Array, total_steps: int) -> Aux:
        del total_steps
        average = jax.tree.map(lambda mean, new: mean + (new - mean) / (step + 2), aux["average"], params)
        return {"average": average}

    def encode(params: Params, aux: Aux, batch: Batch) -> Encoded:
        del params
        return backbone.encoded(aux["average"], {}, batch)

    def embed(params: Params, aux: Aux, batch: Batch) -> Array:
        # The released code pools over every step it is given, missing ones included.
        return encode(params, aux, batch).z.max(1)

    def layers(params: Params, aux: Aux, batch: Batch) -> list[Array]:
        del params
        return backbone.layers(aux["average"], {}, batch)

    def last_of_windows(params: Params, aux: Aux, batch: Batch, before: int, hide_last: bool) -> Array:
        del params
        return backbone.last_of_windows(aux["average"], batch, before, hide_last)

    def weights(params: Params, aux: Aux) -> tuple[Params, Callable[[Params], tuple[Params, Aux]]]:
        del params
        return aux["average"], lambda average: (average, {"average": average})

    shortcut = last_of_windows if hasattr(encoder, "last_of_windows") else None
    return Method(
        init, loss, encode, embed, after_step=after_step, layers=layers, last_of_windows=shortcut, weights=weights
    )


def contextual_loss(
    represent: Callable[[Params, dict[str, Array], Array, Array, Wanted, Key | None], Array],
    size: int,
    overlap_size: int,
    params: Params,
    batch: Batch,
    drawn: Views,
    *,
    alpha: float,
    temporal_unit: int,
    dropout: float,
    axis_name: str | None,
) -> tuple[Array, Metrics]:
    """TS2Vec's loss for given views; its value does not depend on the sizes they are padded to.

    Args:
      represent: `(params, fields, mask [R, size], exists [R, size], wanted, key) -> [R, overlap_size, D]`, the steps
        that `wanted` takes from an array `[R, size, ...]`.
      size: at least the longer view.
      overlap_size: at least the overlap.
      params: passed to `represent`.
      batch: rows `[B, T, ...]`, this device's share of the batch.
      drawn: the step's random choices.
      alpha: weight of the instance contrast.
      temporal_unit: finest scales without temporal contrast.
      dropout: rate on the representation, when `drawn.drop` is given.
      axis_name: device axis, or None.

    Returns:
      The mean over this device's rows, and no metrics.
    """
    crops, rows = drawn.crops, batch.mask.shape[0]

    def both(array: Array) -> Array:
        return jnp.concatenate([views.take_crop(array, start, size) for start in (crops.start1, crops.start2)])

    seen = jnp.concatenate([drawn.mask1[:, :size], drawn.mask2[:, :size]])
    exists = jnp.arange(size) < jnp.repeat(jnp.stack([crops.length1, crops.length2]), rows)[:, None]
    first = jnp.repeat(jnp.stack([crops.length1 - crops.overlap, jnp.zeros_like(crops.overlap)]), rows)

    def shared(array: Array) -> Array:
        return views.take_crop(array, first, overlap_size)

    z = represent(params, jax.tree.map(both, batch.fields), both(batch.mask) & seen, exists, shared, drawn.key)
    if drawn.drop is not None:
        z = views.dropout(drawn.drop.reshape(-1), z, dropout)
    z1, z2 = z[:rows], z[rows:]
    losses = hierarchical_contrastive(
        z1,
        z2,
        alpha=alpha,
        temporal_unit=temporal_unit,
        length=crops.overlap,
        gather=partial(parallel.gather, axis_name=axis_name) if parallel.device_count(axis_name) > 1 else None,
        first_row=parallel.first_row(rows, axis_name),
    )
    return losses.mean(), {}


def view_sizes(steps: int) -> list[tuple[int, int]]:
    """Lengths that views and their overlap are padded to. One pair for short series, where compiling costs more than it
    saves; three above.

    Of all such pairs of shares these leave the least to compute when both count the same: 0.84 of the series for a view
    and 0.73 for an overlap, whose mean lengths are 0.70 and 0.50.
    """
    if steps <= 256:
        return [(steps, steps)]
    view, overlap = ([min(steps, 16 * -(-round(share * steps) // 16)) for share in row] for row in SHARES)
    return [*zip(view, overlap, strict=True), (steps, steps)]
