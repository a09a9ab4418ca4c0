"""Transformations of series, by which views are made.

Each takes one key per example (`views.example_keys`) and a `Batch`, and draws for every example by itself. Values of
float fields are changed; where steps are moved, those of every field and the mask move together, so that a missing step
stays missing wherever it goes.

References: the transformations compared in Um et al. (2017), Data Augmentation of Wearable Sensor Data, arXiv
1706.00527, and in Iwana and Uchida (2021), arXiv 2007.15951, unless a function names another.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from tsrl.types import Array, Batch, Key


def jittered(keys: Key, batch: Batch, sigma: float) -> Batch:
    """Adds normal noise of deviation `sigma` to every value."""
    return _valued(keys, batch, lambda key, x, seen: x + sigma * jax.random.normal(key, x.shape))


def scaled(keys: Key, batch: Batch, sigma: float) -> Batch:
    """Multiplies each channel by a factor drawn around 1 with deviation `sigma`."""
    return _valued(keys, batch, lambda key, x, seen: x * (1 + sigma * jax.random.normal(key, x.shape[-1:])))


def scaled_by_step(keys: Key, batch: Batch, sigma: float, mean: float = 2.0) -> Batch:
    """Multiplies each step, all of its channels, by a factor drawn around `mean` with deviation `sigma`.

    References: the weak augmentation of TS-TCC's released code (arXiv 2106.14112), whose factors have the mean 2.
    """
    return _valued(keys, batch, lambda key, x, seen: x * (mean + sigma * jax.random.normal(key, (len(x), 1))))


def rotated(keys: Key, batch: Batch) -> Batch:
    """Mixes the channels by a random rotation or reflection; a single channel keeps or changes its sign."""

    def rotate(key: Key, x: Array, seen: Array) -> Array:
        q, r = jnp.linalg.qr(jax.random.normal(key, (x.shape[-1], x.shape[-1])))
        # Signs by the diagonal, otherwise the draws would not be uniform over all orthogonal matrices.
        return x @ (q * jnp.sign(jnp.diagonal(r)))

    return _valued(keys, batch, rotate)


def smoothed(keys: Key, batch: Batch, width: int = 5) -> Batch:
    """The mean of the observed ones of `width` steps around each step; nothing is drawn."""

    def smooth(key: Key, x: Array, seen: Array) -> Array:
        kernel = jnp.ones(min(width, len(x)))
        total = jax.vmap(lambda channel: jnp.convolve(channel, kernel, "same"), -1, -1)(x)
        return total / jnp.maximum(jnp.convolve(seen.astype(x.dtype), kernel, "same"), 1)[:, None]

    return _valued(keys, batch, smooth)


def frequency_masked(keys: Key, batch: Batch, share: float = 0.1) -> Batch:
    """Sets each frequency but the mean to zero with probability `share`, in all channels."""

    def hide(key: Key, x: Array, seen: Array) -> Array:
        found = jnp.fft.rfft(x, axis=0)
        kept = jax.random.bernoulli(key, 1 - share, (len(found), 1)).at[0].set(True)
        return jnp.fft.irfft(found * kept, len(x), axis=0)

    return _valued(keys, batch, hide)


def permuted(keys: Key, batch: Batch, segments: int, first_channel: bool = False) -> Batch:
    """Cuts each series into 1 to `segments - 1` pieces of random lengths and puts them in a random order.

    All channels move together; with `first_channel` those of a series of two pieces or more are the first one's, as in
    the released code.

    References: the strong augmentation of TS-TCC's released code.
    """
    steps = batch.mask.shape[1]

    def order(key: Key) -> tuple[Array, Array]:
        count_key, cut_key, order_key = jax.random.split(key, 3)
        count = jax.random.randint(count_key, (), 1, max(segments, 2))
        most = min(max(segments - 2, 0), max(steps - 1, 0))
        cuts = 1 + jax.random.permutation(cut_key, max(steps - 1, 0))[:most]
        counts, rank = jnp.arange(most) < count - 1, jax.random.uniform(order_key, (most + 1,))
        return pieces_in_order(steps, cuts, counts, rank), count > 1

    places, cut = jax.vmap(order)(keys)
    moved = _moved(places, batch)
    if not first_channel:
        return moved
    fields = {
        name: jnp.where(cut[:, None, None], value[..., :1], value) if value.ndim == 3 else value
        for name, value in moved.fields.items()
    }
    return dataclasses.replace(moved, fields=fields)


def pieces_in_order(steps: int, cuts: Array, counts: Array, rank: Array) -> Array:
    """Which step comes at each place when pieces of a series change places.

    Args:
      steps: T.
      cuts: `[P]` steps at which a piece begins, in any order; not 0, all different.
      counts: `[P]` bool, which of them count.
      rank: `[P + 1]`: the pieces come in the order of these, the first piece's first.

    Returns:
      `[T]` int.
    """
    piece = ((jnp.arange(steps)[:, None] >= cuts) & counts).sum(-1)
    return jnp.argsort(rank[piece], stable=True)


def time_warped(keys: Key, batch: Batch, sigma: float = 0.2, knots: int = 4) -> Batch:
    """Runs through each series at a speed that varies smoothly, from its first step to its last.

    The logarithm of the speed is linear between `knots` draws of deviation `sigma`. Values of float fields are
    interpolated, all else is that of the nearest step.
    """
    steps = batch.mask.shape[1]

    def places(key: Key) -> Array:
        drawn = sigma * jax.random.normal(key, (knots,))
        speed = jnp.exp(jnp.interp(jnp.linspace(0, knots - 1, steps), jnp.arange(knots), drawn))
        passed = jnp.cumsum(speed) - speed[0]
        return passed * ((steps - 1) / jnp.maximum(passed[-1], 1e-6))

    place = jax.vmap(places)(keys)
    moved = _moved(jnp.round(place).astype(jnp.int32), batch)
    between = jax.vmap(lambda at, x: jax.vmap(lambda c: jnp.interp(at, jnp.arange(steps), c), -1, -1)(x))
    fields = {
        name: between(place, value) if jnp.issubdtype(value.dtype, jnp.floating) else moved.fields[name]
        for name, value in batch.fields.items()
    }
    return _hidden(dataclasses.replace(moved, fields=fields))


def _valued(keys: Key, batch: Batch, change: Callable[[Key, Array, Array], Array]) -> Batch:
    """Applies `(key, [T, C], [T] observed) -> [T, C]` to every float field, each with a key of its own."""
    fields = dict(batch.fields)
    for number, (name, value) in enumerate(sorted(batch.fields.items())):
        if jnp.issubdtype(value.dtype, jnp.floating):
            own = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
            fields[name] = jax.vmap(change)(own, value, batch.mask)
    return _hidden(dataclasses.replace(batch, fields=fields))


def _moved(index: Array, batch: Batch) -> Batch:
    """Each example's steps in the order `[B, T]`."""
    take = jax.vmap(lambda place, array: array[place])
    fields, mask = jax.tree.map(lambda array: take(index, array), (batch.fields, batch.mask))
    return dataclasses.replace(batch, fields=fields, mask=mask)


def _hidden(batch: Batch) -> Batch:
    """Missing steps hold zeros, as everywhere."""
    fields = {
        name: jnp.where(batch.mask[..., None], value, 0) if jnp.issubdtype(value.dtype, jnp.floating) else value
        for name, value in batch.fields.items()
    }
    return dataclasses.replace(batch, fields=fields)
