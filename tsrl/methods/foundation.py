"""Episodes: an encoder trained so that a ridge classifier of its read-out tells the classes of made-up labelled sets.

Series of the data set are what classes are made of (`tsrl.episodes`); no label of theirs is used. The loss is what a
frozen encoder is judged by: ridge regression of all blocks' statistics, solved inside it and differentiated through,
and its nearest neighbours.

References: Bertinetto, Henriques, Torr, Vedaldi (2019), Meta-learning with differentiable closed-form solvers, arXiv
1805.08136, for the solver inside the loss; Frosst, Papernot, Hinton (2019), arXiv 1902.01889, for soft neighbours. The
episodes, the read-out and leaving one out are ours.
"""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsrl import parallel
from tsrl.buckets import switch_loss
from tsrl.encoders.pyramid import normalised
from tsrl.episodes import draw_episode
from tsrl.errors import InputError, check_whole
from tsrl.losses.leave_one_out import leave_one_out_ridge
from tsrl.losses.soft_neighbours import soft_neighbours
from tsrl.methods.backbone import Backbone, own_parts
from tsrl.readout import rich_readout
from tsrl.types import Array, Aux, Batch, Encoded, Key, Method, Metrics, Params

# Steps over which mean and mean square of instance representations are taken.
_REMEMBERED = 100
_EPSILON = 1e-5


def foundation(
    encoder: nn.Module,
    *,
    episodes: int = 2,
    rows: int = 64,
    classes: int = 10,
    lengths: tuple[int, ...] = (64, 128, 256),
    penalties: tuple[float, ...] = (0.01, 0.1),
    temperature: float = 1 / 6,
    neighbours: float = 0.5,
    axis_name: str | None = None,
) -> Method:
    """Ridge regression on episodes, over any encoder that takes single channels.

    Every channel of a series is a row by itself, under the same weights: a model takes any number of channels and
    steps.

    Args:
      encoder: a module of `tsrl.encoders`; it should have blocks on several time scales.
      episodes: labelled sets made in a step, a multiple of the devices; the series of the batch are material for all.
      rows: series of an episode.
      classes: the most classes an episode has.
      lengths: steps of an episode's series; a step draws one.
      penalties: of the ridge, see `leave_one_out_ridge`.
      temperature: of the softmax over its predictions.
      neighbours: weight of the soft nearest neighbours in the space of the read-out; the ridge has 1.
      axis_name: device axis, or None on a single device.

    Raises:
      InputError: a setting out of its range; in use, series of one step, or episodes that the devices cannot share.

    Returns:
      A `Method` with `params = {"front", "encoder"}` and `aux`, running mean and mean square of instance
      representations. `encode` gives `[B, S, C * D]`, channels side by side; `embed` its statistics over time,
      standardised by what they were in training, `[B, C * 4 * D]`.
    """
    for name, value, least in (("episodes", episodes, 1), ("classes", classes, 2), ("rows", rows, 2 * classes)):
        check_whole(name, value, least)
    if not lengths or any(not isinstance(length, int) or length < 8 for length in lengths):
        raise InputError(f"lengths: found {lengths}, want whole numbers from 8 up")
    if not penalties or not all(0 < penalty < float("inf") for penalty in (*penalties, temperature)):
        raise InputError(f"penalties, temperature: found {penalties}, {temperature}, want finite numbers above 0")
    if not 0 <= neighbours < float("inf"):
        raise InputError(f"neighbours: found {neighbours}, want a finite number from 0 up")
    backbone = Backbone(encoder, None, axis_name)

    def init(key: Key, batch: Batch) -> tuple[Params, Aux]:
        single = by_channel(batch)
        params, stats = backbone.init(key, single)
        if stats:
            raise InputError(
                f"encoder: found {type(encoder).__name__}, which takes batch statistics, for foundation, whose "
                "episodes differ from what is encoded later; want an encoder without"
            )
        width = 4 * jax.eval_shape(lambda: backbone(params, {}, single.fields, single.mask)[0]).shape[-1]
        return params, {"mean": jnp.zeros(width), "square": jnp.ones(width), "steps": jnp.zeros(())}

    def of_length(length: int, params: Params, material: Array, keys: Key) -> tuple[Array, Metrics]:
        made = jax.vmap(lambda key: draw_episode(key, material, rows, length, classes))(keys)
        x = made.x.reshape(-1, length, 1)
        mask = jnp.ones(x.shape[:2], bool)
        z, blocks = backbone.with_layers(params, {}, Batch({"x": x}, mask, jnp.arange(len(x))))
        judge = partial(leave_one_out_ridge, classes=classes, penalties=penalties, temperature=temperature)
        read = rich_readout(blocks, mask).reshape(*made.labels.shape, -1)
        ridge = jax.vmap(judge)(read, made.labels).mean()
        near = jax.vmap(soft_neighbours)(read, made.labels).mean()
        one = jax.lax.stop_gradient(rich_readout([z], mask))
        seen = {"mean": one.mean(0), "square": (one**2).mean(0)}
        return ridge + neighbours * near, {"ridge": ridge, "neighbours": near, **seen}

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        devices = parallel.device_count(axis_name)
        if episodes % devices:
            raise InputError(f"episodes: found {episodes} for {devices} devices, want a multiple")
        if batch.x.shape[1] < 2:
            raise InputError("x: found series of one step, want at least 2 to make episodes of")
        gathered = by_channel(parallel.gather(batch, axis_name))
        material = normalised(gathered.x, gathered.mask)[..., 0]
        length_key, key = jax.random.split(key)
        own = parallel.first_row(episodes // devices, axis_name) + jnp.arange(episodes // devices)
        keys = jax.vmap(partial(jax.random.fold_in, key))(own)
        choice = jax.random.randint(length_key, (), 0, len(lengths))
        value, found = switch_loss(choice, [partial(of_length, n) for n in lengths], params, material, keys)
        seen = parallel.mean({name: found.pop(name) for name in ("mean", "square")}, axis_name)
        # All steps count alike at first, later the last hundred.
        part = 1 / jnp.minimum(aux["steps"] + 1, _REMEMBERED)
        moved = {name: aux[name] + part * (new - aux[name]) for name, new in seen.items()}
        return value, ({**moved, "steps": aux["steps"] + 1}, found)

    def encode(params: Params, aux: Aux, batch: Batch) -> Encoded:
        found = backbone.encoded(params, {}, by_channel(batch))
        channels = batch.x.shape[2]
        seen = found.mask.reshape(-1, channels, found.mask.shape[1])[:, 0]
        return found._replace(z=side_by_side(found.z, channels), mask=seen)

    def embed(params: Params, aux: Aux, batch: Batch) -> Array:
        channels = by_channel(batch)
        one = rich_readout([backbone(params, {}, channels.fields, channels.mask)[0]], channels.mask)
        variance = jnp.maximum(aux["square"] - aux["mean"] ** 2, 0)
        one = (one - aux["mean"]) / jnp.sqrt(variance + _EPSILON)
        # A row without an observed step says nothing: the mean of all.
        one = jnp.where(channels.mask.any(1, keepdims=True), one, 0)
        return one.reshape(len(batch.x), -1)

    def layers(params: Params, aux: Aux, batch: Batch) -> list[Array]:
        return [side_by_side(z, batch.x.shape[2]) for z in backbone.layers(params, {}, by_channel(batch))]

    return Method(init, loss, encode, embed, layers=layers, weights=own_parts("front", "encoder"), any_channels=True)


def by_channel(batch: Batch) -> Batch:
    """Every channel a row by itself: `[B, T, C]` as `[B * C, T, 1]`, the channels of a series one after another."""
    rows, steps, channels = batch.x.shape
    x = batch.x.swapaxes(1, 2).reshape(-1, steps, 1)
    repeated: Callable[[Array], Array] = partial(jnp.repeat, repeats=channels, axis=0)
    return Batch({"x": x}, repeated(batch.mask), jnp.arange(rows * channels))


def side_by_side(z: Array, channels: int) -> Array:
    """`[B * C, S, D] -> [B, S, C * D]`."""
    z = z.reshape(-1, channels, *z.shape[1:]).swapaxes(1, 2)
    return z.reshape(*z.shape[:2], -1)
