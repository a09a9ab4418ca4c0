"""T-Loss: a stretch of a series is like a stretch within it, and unlike stretches of other series.

References: Franceschi, Dieuleveut, Jaggi (2019), Unsupervised Scalable Representation Learning for Multivariate Time
Series, arXiv 1901.10738. The released code, which is followed but for its `compared_length`: there a stretch of at most
that many steps begins in the first `compared_length` steps only, so that the rest of the series is never seen.
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from tsrl import views
from tsrl.encoders.layers import Linear
from tsrl.errors import InputError, check_whole
from tsrl.losses.triplet import logistic_triplet
from tsrl.methods.backbone import Backbone, own_parts
from tsrl.types import Array, Aux, Batch, Encoded, Key, Method, Metrics, Params

Fields = dict[str, Array]
Pooled = Callable[[Params, Fields, Array, Key | None], Array]


class Stretches(NamedTuple):
    """The random stretches of one step: first steps and lengths.

    Attributes:
      anchor: starts and lengths `[B]`.
      positive: starts and lengths `[B]`, within the anchor.
      negative: starts and lengths `[B, K]`.
    """

    anchor: tuple[Array, Array]
    positive: tuple[Array, Array]
    negative: tuple[Array, Array]


def tloss(
    encoder: nn.Module,
    *,
    negatives: int = 10,
    negative_penalty: float = 1.0,
    compared_length: int = 0,
    output: int = 320,
    front: nn.Module | None = None,
    axis_name: str | None = None,
) -> Method:
    """T-Loss over any encoder that keeps the length.

    A row's series reaches from its first to its last observed step; what is missing in between is not pooled. Where all
    series of the data set are complete, lengths are drawn once for the batch, as in the released code, otherwise for
    each example.

    Args:
      encoder: a module of `tsrl.encoders`, or another of that form.
      negatives: K, stretches of other rows for each example; its own row may be drawn too.
      negative_penalty: weight of the negatives' mean.
      compared_length: longest stretch; 0 = the whole series.
      output: width of an instance representation.
      front: module `fields -> [B, T, width]`; default: the encoder's own.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range, or an encoder that shortens the series or takes batch statistics.

    Returns:
      A `Method` with `params = {"front", "encoder", "output"}` and empty `aux`. `embed` is a linear map of the maximum
      over steps; `encode` gives each step that of the steps up to it, so that its last step is `embed`.
    """
    for name, count, least in [
        ("negatives", negatives, 1), ("compared_length", compared_length, 0), ("output", output, 1),
    ]:  # fmt: skip
        check_whole(name, count, least)
    if negative_penalty < 0:
        raise InputError(f"negative_penalty: found {negative_penalty}, want 0 or more")
    backbone = Backbone(encoder, front, axis_name)
    backbone.need_steps("tloss")
    linear = Linear(output)

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        backbone_key, linear_key = jax.random.split(key)
        params, stats = backbone.init(backbone_key, batch)
        if stats:
            raise InputError(
                f"encoder: found {type(encoder).__name__}, which takes batch statistics, for tloss, whose stretches "
                "are padded with steps that would count; want an encoder without"
            )
        shape, _ = jax.eval_shape(backbone, params, {}, batch.fields, batch.mask)
        return {**params, "output": linear.init(linear_key, jnp.zeros(shape.shape[-1:]))["params"]}, {}

    def pooled(params: Params, fields: Fields, mask: Array, key: Key | None = None) -> Array:
        """`[R, output]` of whole rows."""
        z, _ = backbone(params, {}, fields, mask, within(mask), key=key)
        return to_output(params, jnp.where(mask[..., None], z, -jnp.inf).max(1), mask.any(1))

    def to_output(params: Params, z: Array, seen: Array) -> Array:
        # A row or a beginning without observed steps has nothing to pool.
        made: Array = linear.apply({"params": params["output"]}, jnp.where(seen[..., None], z, 0))  # type: ignore[assignment]
        return made

    def draw(key: Key, data: Batch, index: Array) -> Batch:
        batch = data.take(index)
        keys = views.example_keys(key, batch.index)
        rows = jax.vmap(lambda own: jax.random.randint(own, (negatives,), 0, data.index.shape[0]))(keys)
        drawn = data.take(rows)
        others = {"fields": drawn.fields, "mask": drawn.mask, "complete": data.mask.all()}
        return batch.replace(extra={"negatives": others})  # type: ignore[attr-defined]

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        draw_key, encoder_key = jax.random.split(key)
        drawn = draw_stretches(draw_key, batch, compared_length)
        return triplet_loss(pooled, negative_penalty, params, batch, drawn, encoder_key), (aux, {})

    def encode(params: Params, aux: Aux, batch: Batch) -> Encoded:
        z, _ = backbone(params, {}, batch.fields, batch.mask, within(batch.mask))
        seen = jnp.where(batch.mask[..., None], z, -jnp.inf)
        so_far = lax.associative_scan(jnp.maximum, seen, axis=1)
        any_seen = lax.associative_scan(jnp.logical_or, batch.mask, axis=1)
        return Encoded(to_output(params, so_far, any_seen), jnp.arange(z.shape[1]), batch.mask)

    def embed(params: Params, aux: Aux, batch: Batch) -> Array:
        return pooled(params, batch.fields, batch.mask)

    def layers(params: Params, aux: Aux, batch: Batch) -> list[Array]:
        return backbone.layers(params, {}, batch)

    return Method(
        init,
        loss,
        encode,
        embed,
        draw=draw,
        layers=layers,
        weights=own_parts("front", "encoder", "output"),
        couples_batch=False,
    )


def within(mask: Array) -> Array:
    """The steps from a row's first to its last observed one: `[..., T]` bool."""
    return jnp.cumsum(mask, -1).astype(bool) & jnp.cumsum(mask[..., ::-1], -1)[..., ::-1].astype(bool)


def span(mask: Array) -> tuple[Array, Array]:
    """First step and length of each row's series, `[..., T]` -> two of `[...]`; length 1 of a row without any step."""
    inside = within(mask)
    return inside.argmax(-1), jnp.maximum(inside.sum(-1), 1)


def draw_stretches(key: Key, batch: Batch, compared_length: int) -> Stretches:
    """Draws anchors, positives in them, and negatives.

    The length s of a positive is uniform in 1 to L, the smaller of the series' length and `compared_length`, that of
    its anchor uniform in s to L; starts are uniform. Negatives of complete series are as long as the positives, those
    of others have a length of their own, uniform in 1 to their L.

    Args:
      key: the step's key.
      batch: B rows; `extra["negatives"]` holds the `mask` `[B, K, T]` of those, and whether all series of the data set
        are `complete`.
      compared_length: longest stretch; 0 = any.

    Returns:
      Stretches within the rows' observed spans.
    """
    others = batch.extra["negatives"]
    complete, count = others["complete"], others["mask"].shape[1]
    longest = compared_length or max(batch.mask.shape[1], others["mask"].shape[2])
    shared_key, own_key = jax.random.split(key)
    first, total = span(batch.mask)
    first_other, total_other = span(others["mask"])
    most, most_other = jnp.minimum(total, longest), jnp.minimum(total_other, longest)

    def lengths(key: Key, most: Array) -> tuple[Array, Array]:
        inner_key, outer_key = jax.random.split(key)
        inner = jax.random.randint(inner_key, (), 1, most + 1)
        return inner, jax.random.randint(outer_key, (), inner, most + 1)

    # Of complete series all have the same length.
    shared = lengths(shared_key, most[0])

    def of_example(key: Key, *own: Array) -> tuple[Array, ...]:
        first, total, most, first_other, total_other, most_other = own
        keys = jax.random.split(key, 5)
        inner, outer = (jnp.where(complete, a, b) for a, b in zip(shared, lengths(keys[0], most), strict=True))
        start = first + jax.random.randint(keys[1], (), 0, total - outer + 1)
        within_it = start + jax.random.randint(keys[2], (), 0, outer - inner + 1)
        other = jnp.where(complete, inner, jax.random.randint(keys[3], (count,), 1, most_other + 1))
        start_other = first_other + jax.random.randint(keys[4], (count,), 0, total_other - other + 1)
        return start, outer, within_it, inner, start_other, other

    made = jax.vmap(of_example)(
        views.example_keys(own_key, batch.index), first, total, most, first_other, total_other, most_other
    )
    return Stretches((made[0], made[1]), (made[2], made[3]), (made[4], made[5]))


def triplet_loss(
    pooled: Pooled, penalty: float, params: Params, batch: Batch, drawn: Stretches, key: Key | None
) -> Array:
    """The mean loss over this device's rows for given stretches, all padded to the length of the series.

    Fewer steps for short stretches, in branches of the program, were tried: on CPUs what is done inside a branch takes
    longer than the steps that are saved.

    Args:
      pooled: `(params, fields [R, T, ...], mask [R, T], key) -> [R, D]`, instance representations of rows.
      penalty: weight of the negatives' mean.
      params: passed to `pooled`.
      batch: B rows, with `extra["negatives"]`.
      drawn: the stretches.
      key: of the encoder's own dropout, or None.
    """
    others = batch.extra["negatives"]
    rows, count = others["mask"].shape[:2]
    flat = lambda array: array.reshape(rows * count, *array.shape[2:])  # noqa: E731
    size = max(batch.mask.shape[1], others["mask"].shape[2])

    def cut(fields: Fields, mask: Array, stretch: tuple[Array, Array]) -> tuple[Fields, Array]:
        start, length = stretch
        seen = views.take_crop(mask, start, size) & (jnp.arange(size) < length[:, None])
        return {name: views.take_crop(value, start, size) for name, value in fields.items()}, seen

    start, length = drawn.negative
    stretches = (
        cut(batch.fields, batch.mask, drawn.anchor),
        cut(batch.fields, batch.mask, drawn.positive),
        cut(jax.tree.map(flat, others["fields"]), flat(others["mask"]), (start.ravel(), length.ravel())),
    )
    fields, mask = jax.tree.map(lambda *parts: jnp.concatenate(parts), *stretches)
    z = pooled(params, fields, mask, key)
    anchors, positives, negatives = jnp.split(z, [rows, 2 * rows])
    return logistic_triplet(anchors, positives, negatives.reshape(rows, count, -1), penalty).mean()
