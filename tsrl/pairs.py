"""Which two views of a series are a pair: every rule that the field compares, by name.

A rule is `(key, batch, strength) -> (Batch, Batch)`, of as many steps as the batch; what a view does not show is
masked.
Draws of an example are keyed by its row id.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from tsrl import augment, views
from tsrl.errors import InputError, check_whole
from tsrl.types import Array, Batch, Key

Pairs = Literal[
    "weak_strong",
    "weak_strong_released",
    "jitter",
    "scale",
    "permute",
    "smooth",
    "rotate",
    "time_warp",
    "crop",
    "frequency_mask",
    "subseries",
    "slices",
    "adjacent",
    "overlapping_crops",
    "time_step_mask",
]


class Strength(NamedTuple):
    """How much the transformations change.

    Attributes:
      jitter: deviation of the noise.
      scale: deviation of the factors.
      segments: a permutation has up to one piece less.
    """

    jitter: float = 0.8
    scale: float = 1.1
    segments: int = 8


# The strengths of TS-TCC's released configurations, by data set.
STRENGTHS = {
    "HAR": Strength(0.8, 1.1, 8),
    "Epilepsy": Strength(0.001, 0.001, 5),
    "EpilepsyEEG": Strength(0.001, 0.001, 5),
    "SleepEDF": Strength(2.0, 1.5, 12),
}

Rule = Callable[[Key, Batch, Strength], tuple[Batch, Batch]]


def rule_of(name: str, strength: Strength) -> Callable[[Key, Batch], tuple[Batch, Batch]]:
    """The rule of a name.

    Raises:
      InputError: no such rule, or a strength out of its range.
    """
    if name not in RULES:
        raise InputError(f"pairs: found {name!r}, want one of {', '.join(RULES)}")
    for own, value in (("jitter", strength.jitter), ("scale", strength.scale)):
        if not 0 <= value < float("inf"):
            raise InputError(f"{own}: found {value}, want a finite number from 0 up")
    check_whole("segments", strength.segments, 1)
    # What a plan added is the series', not the views'.
    return lambda key, batch: RULES[name](key, dataclasses.replace(batch, extra={}), strength)


def weak_strong(key: Key, batch: Batch, strength: Strength, first_channel: bool = False) -> tuple[Batch, Batch]:
    """A view whose steps are scaled, and one whose pieces are permuted and jittered (TS-TCC)."""
    weak, order, noise = jax.vmap(lambda key: views.example_keys(key, batch.index))(jax.random.split(key, 3))
    moved = augment.permuted(order, batch, strength.segments, first_channel)
    return augment.scaled_by_step(weak, batch, strength.scale), augment.jittered(noise, moved, strength.jitter)


def weak_strong_released(key: Key, batch: Batch, strength: Strength) -> tuple[Batch, Batch]:
    """`weak_strong` with two defects of the released code of TS-TCC and MHCCL, which change their published numbers.

    A series has the same two views at every step, for all seeds, and where pieces change places its first channel
    stands in all channels of the strong view.
    """
    return weak_strong(jax.random.key(0), batch, strength, first_channel=True)


def transformed(change: Callable[[Key, Batch, Strength], Batch]) -> Rule:
    """Two draws of one transformation."""

    def rule(key: Key, batch: Batch, strength: Strength) -> tuple[Batch, Batch]:
        one, other = jax.vmap(lambda key: views.example_keys(key, batch.index))(jax.random.split(key))
        return change(one, batch, strength), change(other, batch, strength)

    return rule


def subseries(key: Key, batch: Batch, strength: Strength) -> tuple[Batch, Batch]:
    """A stretch of the series and a stretch within it, lengths and starts uniform (T-Loss)."""
    steps = batch.mask.shape[1]

    def stretches(key: Key) -> tuple[Array, Array, Array, Array]:
        keys = jax.random.split(key, 4)
        inner = jax.random.randint(keys[0], (), 1, steps + 1)
        outer = jax.random.randint(keys[1], (), inner, steps + 1)
        start = jax.random.randint(keys[2], (), 0, steps - outer + 1)
        within = jax.random.randint(keys[3], (), 0, outer - inner + 1)
        return start, outer, start + within, inner

    start, outer, within, inner = jax.vmap(stretches)(views.example_keys(key, batch.index))
    return shown(batch, start, outer), shown(batch, within, inner)


def slices(key: Key, batch: Batch, strength: Strength) -> tuple[Batch, Batch]:
    """Two stretches of up to the last observed step, each of a quarter to all of it, drawn without regard to each other
    (CoLES, arXiv 2002.08232, whose stretches are of one user's events)."""
    steps = batch.mask.shape[1]
    seen = jnp.max(jnp.where(batch.mask, jnp.arange(1, steps + 1), 1), 1)

    def stretch(key: Key, seen: Array) -> tuple[Array, Array]:
        length_key, start_key = jax.random.split(key)
        length = jax.random.randint(length_key, (), jnp.maximum(seen // 4, 1), seen + 1)
        return jax.random.randint(start_key, (), 0, seen - length + 1), length

    one, other = (
        shown(batch, *jax.vmap(stretch)(views.example_keys(own, batch.index), seen)) for own in jax.random.split(key)
    )
    return one, other


def adjacent(key: Key, batch: Batch, strength: Strength) -> tuple[Batch, Batch]:
    """Two neighbouring windows of a third of the series (TNC, whose neighbourhoods are tested for)."""
    steps = batch.mask.shape[1]
    length = max(steps // 3, 1)
    last = max(steps - 2 * length, 0)
    start = jax.vmap(lambda key: jax.random.randint(key, (), 0, last + 1))(views.example_keys(key, batch.index))
    return shown(batch, start, length), shown(batch, jnp.minimum(start + length, steps - length), length)


def overlapping_crops(key: Key, batch: Batch, strength: Strength) -> tuple[Batch, Batch]:
    """Two crops that share some steps (TS2Vec)."""
    crops = views.overlapping_crops(key, batch.index, batch.mask.shape[1])
    return shown(batch, crops.start1, crops.length1), shown(batch, crops.start2, crops.length2)


def time_step_mask(key: Key, batch: Batch, strength: Strength) -> tuple[Batch, Batch]:
    """The series twice, of each half of the steps hidden at random (TS2Vec)."""
    made = []
    for own in jax.random.split(key):
        visible = views.time_step_mask("binomial", views.example_keys(own, batch.index), batch.mask.shape[1])
        made.append(dataclasses.replace(batch, mask=batch.mask & visible))
    return made[0], made[1]


def cropped(keys: Key, batch: Batch, strength: Strength) -> Batch:
    """A stretch of at least half of the series."""
    steps = batch.mask.shape[1]

    def stretch(key: Key) -> tuple[Array, Array]:
        length_key, start_key = jax.random.split(key)
        length = jax.random.randint(length_key, (), -(-steps // 2), steps + 1)
        return jax.random.randint(start_key, (), 0, steps - length + 1), length

    return shown(batch, *jax.vmap(stretch)(keys))


def shown(batch: Batch, start: Array, length: Array | int) -> Batch:
    """`length` steps from `start` on, scalars or `[B]`, moved to the front; nothing after them."""
    steps = batch.mask.shape[1]
    cut = lambda array: views.take_crop(array, start, steps)  # noqa: E731
    inside = jnp.arange(steps) < jnp.reshape(jnp.asarray(length), (-1, 1))
    fields, mask = jax.tree.map(cut, (batch.fields, batch.mask))
    mask = mask & inside
    fields = {name: jnp.where(mask[..., None] if value.ndim == 3 else mask, value, 0) for name, value in fields.items()}
    return dataclasses.replace(batch, fields=fields, mask=mask)


RULES: dict[str, Rule] = {
    "weak_strong": weak_strong,
    "weak_strong_released": weak_strong_released,
    "jitter": transformed(lambda keys, batch, strength: augment.jittered(keys, batch, strength.jitter)),
    "scale": transformed(lambda keys, batch, strength: augment.scaled(keys, batch, strength.scale)),
    "permute": transformed(lambda keys, batch, strength: augment.permuted(keys, batch, strength.segments)),
    "smooth": lambda key, batch, strength: (batch, augment.smoothed(views.example_keys(key, batch.index), batch)),
    "rotate": transformed(lambda keys, batch, strength: augment.rotated(keys, batch)),
    "time_warp": transformed(lambda keys, batch, strength: augment.time_warped(keys, batch)),
    "crop": transformed(cropped),
    "frequency_mask": transformed(lambda keys, batch, strength: augment.frequency_masked(keys, batch)),
    "subseries": subseries,
    "slices": slices,
    "adjacent": adjacent,
    "overlapping_crops": overlapping_crops,
    "time_step_mask": time_step_mask,
}
