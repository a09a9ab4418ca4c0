"""Small labelled sets of series made of unlabelled ones: what a model is trained on to be read from few examples.

An episode has a few classes. What makes a class and what its series do besides is drawn anew for each: a shape, a
texture or an event; fine or coarse differences; shifts, stretches, warps, amplitudes, other series mixed in, noise and
trends. "Episode" as in meta-learning: Vinyals et al. (2016), Matching Networks, arXiv 1606.04080.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tsrl.types import Array, Key

# Of a variance under a root.
_EPSILON = 1e-6


class Episode(NamedTuple):
    """A labelled set.

    Attributes:
      x: `[N, T]` series.
      labels: `[N]` int32, 0 to K - 1: of each class as many series as of the others, or one less.
    """

    x: Array
    labels: Array


def draw_episode(key: Key, material: Array, rows: int, length: int, classes: int) -> Episode:
    """Makes a labelled set of unlabelled series.

    Args:
      key: of all draws.
      material: `[M, S]` series of which classes are made and which are mixed in, each standardised; S at least 2.
      rows: N, static.
      length: T, static.
      classes: the most there can be, static; there are two to so many.
    """
    draws, material = _Draws(key), jnp.asarray(material)
    count = jax.random.randint(draws.key(), (), 2, classes + 1)
    labels = jax.random.permutation(draws.key(), jnp.arange(rows) % count)
    own, shared = _prototypes(draws, material, classes)
    kind = draws.uniform(0, 1)
    shapes = _shapes(draws, (shared + own)[labels], length)
    textures = _textures(draws, labels, classes, length)
    events = _events(draws, (shared + own)[labels], length)
    x = jnp.where(kind < 0.6, shapes, jnp.where(kind < 0.8, textures, events))
    return Episode(_disturbed(draws, x, material), labels.astype(jnp.int32))


def _prototypes(draws: "_Draws", material: Array, classes: int) -> tuple[Array, Array]:
    """What each class has of its own, at times in a part only, `[classes, S]`, and what all share, `[1, S]`."""
    rows, steps = material.shape
    span = draws.log_uniform(0.12, 1.0)
    start = draws.uniform(0, 1, classes + 1, 1) * (1 - span)
    time = jnp.linspace(0, 1, steps)
    chosen = jax.random.randint(draws.key(), (classes + 1,), 0, rows)
    pieces = _standardised(_at(material[chosen], start + span * time))
    centre, width = draws.uniform(0.1, 0.9, classes, 1), draws.log_uniform(0.03, 0.4, classes, 1)
    window = jnp.where(draws.sometimes(0.5), jnp.exp(-0.5 * ((time - centre) / width) ** 2), 1)
    share = draws.uniform(0, 0.97)
    return (1 - share) * window * pieces[1:], share * pieces[:1]


def _shapes(draws: "_Draws", prototypes: Array, length: int) -> Array:
    """Prototypes `[N, S]` under warps, shifts and stretches of time: `[N, length]`."""
    rows, time = len(prototypes), jnp.linspace(0, 1, length)
    warp = draws.uniform(0, 0.06) * draws.sometimes(0.7) * _smooth(draws, rows, length, 6) * jnp.sin(jnp.pi * time)
    shift = draws.uniform(0, 0.35) * draws.sometimes(0.4) * draws.uniform(-1, 1, rows, 1)
    stretch = 1 + draws.uniform(0, 0.3) * draws.sometimes(0.4) * draws.uniform(-1, 1, rows, 1)
    when = 0.5 + (time + warp + shift - 0.5) * stretch
    # Beyond the ends a shape either goes on from its other end, as an outline does, or stays.
    return _standardised(_at(prototypes, jnp.where(draws.sometimes(0.5), when % 1, when)))


def _textures(draws: "_Draws", labels: Array, classes: int, length: int) -> Array:
    """Noise with the spectrum of its class: `[N, length]`."""
    frequencies = jnp.linspace(0, 1, length // 2 + 1)
    slope = draws.uniform(0, 8)
    log_power = 2 * _smooth(draws, classes + 1, length // 2 + 1, 10) - slope * frequencies
    peak, width = draws.uniform(0.02, 0.9, classes + 1, 1), draws.log_uniform(0.01, 0.2, classes + 1, 1)
    log_power += 3 * jnp.exp(-0.5 * ((frequencies - peak) / width) ** 2)
    share = draws.uniform(0, 0.9)
    amplitude = jnp.exp(share * log_power[:1] + (1 - share) * log_power[1:])
    noise = jnp.fft.rfft(draws.normal(len(labels), length))
    return _standardised(jnp.fft.irfft(noise * amplitude[labels], length))


def _events(draws: "_Draws", prototypes: Array, length: int) -> Array:
    """A short shape of the class, somewhere in a series that is else at zero: `[N, length]`."""
    rows, time = len(prototypes), jnp.linspace(0, 1, length)
    size = draws.log_uniform(0.08, 0.5)
    place = jnp.where(draws.sometimes(0.3), draws.uniform(0, 1), draws.uniform(0, 1, rows, 1)) * (1 - size)
    when = (time - place) / size
    shape = jnp.where((when >= 0) & (when <= 1), _at(prototypes - prototypes[:, :1], when), 0)
    return shape / jnp.sqrt(shape.var(1, keepdims=True) + 0.01)


def _disturbed(draws: "_Draws", x: Array, material: Array) -> Array:
    """What series do besides: amplitudes that change, other series, noise, trends."""
    rows, length = x.shape
    time = jnp.linspace(0, 1, length)
    x = x * (1 + draws.uniform(0, 0.5) * draws.sometimes(0.5) * _smooth(draws, rows, length, 4))
    chosen = jax.random.randint(draws.key(), (rows,), 0, len(material))
    start, span = draws.uniform(0, 0.6, rows, 1), draws.log_uniform(0.05, 0.4)
    other = _standardised(_at(material[chosen], start + span * time))
    x = x + draws.uniform(0, 0.6) * draws.sometimes(0.45) * other
    x = x + draws.log_uniform(0.003, 0.5) * draws.normal(rows, length)
    return x + draws.uniform(0, 0.5) * draws.sometimes(0.3) * draws.normal(rows, 1) * time


def _at(series: Array, when: Array) -> Array:
    """Series `[N, S]` at times `[N, T]`, 0 the first step and 1 the last: linear between steps, flat outside."""
    place = jnp.clip(when, 0, 1) * (series.shape[1] - 1)
    before = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, series.shape[1] - 2)
    part = place - before
    return (1 - part) * jnp.take_along_axis(series, before, 1) + part * jnp.take_along_axis(series, before + 1, 1)


def _smooth(draws: "_Draws", rows: int, length: int, knots: int) -> Array:
    """Lines `[rows, length]` between normal draws at evenly spaced knots."""
    return _at(draws.normal(rows, knots + 3), jnp.broadcast_to(jnp.linspace(0, 1, length), (rows, length)))


def _standardised(x: Array) -> Array:
    return (x - x.mean(1, keepdims=True)) / jnp.sqrt(x.var(1, keepdims=True) + _EPSILON)


class _Draws:
    """Random numbers from one key, each draw from a key of its own."""

    def __init__(self, key: Key):
        self._key, self._count = key, 0

    def key(self) -> Key:
        """A key that no other draw has."""
        self._count += 1
        return jax.random.fold_in(self._key, self._count)

    def uniform(self, low: float, high: float, *shape: int) -> Array:
        """Numbers between the bounds."""
        return jax.random.uniform(self.key(), shape, minval=low, maxval=high)

    def log_uniform(self, low: float, high: float, *shape: int) -> Array:
        """Numbers between the bounds, evenly spread by ratio."""
        return jnp.exp(self.uniform(math.log(low), math.log(high), *shape))

    def normal(self, *shape: int) -> Array:
        """Standard normal numbers."""
        return jax.random.normal(self.key(), shape)

    def sometimes(self, share: float) -> Array:
        """1 with this probability, else 0: the same for all series of an episode."""
        return (self.uniform(0, 1) < share).astype(jnp.float32)
