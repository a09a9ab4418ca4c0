"""The compiled part of a trained forecasting probe: one linear head per horizon on windows of a long series.

The heads of all horizons are trained on the same batches, so that a window is represented once for all of them; each
has an optimiser, a learning rate and a stopping rule of its own, and equals a head trained alone on the same batches.
These are drawn from the windows that the shortest horizon can be trained on; those whose targets would leave the
training part count for nothing in a longer one.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tsrl.types import Array, Aux, Key, Method, Params, as_batch

Heads = dict[int, dict[str, Array]]


class Program(NamedTuple):
    """What the steps are compiled for.

    Attributes:
      method: made for a single device, with `of_windows`.
      horizons: steps ahead, one head each.
      look_back: L, steps of a window.
      weight_decay: of AdamW.
    """

    method: Method
    horizons: tuple[int, ...]
    look_back: int
    weight_decay: float

    def optimizer(self) -> optax.GradientTransformation:
        """AdamW at rate 1: each head's rate is applied to its update."""
        return optax.adamw(1.0, weight_decay=self.weight_decay)


class Target(NamedTuple):
    """The series.

    Attributes:
      x_in: `[T, C_in]` what windows are cut from, scaled.
      x: `[T, C]` what is forecast, scaled.
    """

    x_in: Array
    x: Array


def start(program: Program, params: Params, aux: Aux, target: Target, key: Key) -> tuple[Heads, Any]:
    """Heads with PyTorch's initial weights, and their optimisers' states."""
    features = jax.eval_shape(partial(_features, program), params, aux, target, jnp.zeros(1, jnp.int32))[0]
    bound = features.shape[-1] ** -0.5
    heads = {}
    for horizon in program.horizons:
        kernel_key, bias_key = jax.random.split(jax.random.fold_in(key, horizon))
        heads[horizon] = {
            "kernel": jax.random.uniform(kernel_key, (features.shape[-1], horizon), minval=-bound, maxval=bound),
            "bias": jax.random.uniform(bias_key, (horizon,), minval=-bound, maxval=bound),
        }
    return heads, {horizon: program.optimizer().init(head) for horizon, head in heads.items()}


@partial(jax.jit, static_argnames=("program", "dropout"), donate_argnames=("heads", "states"))
def update(
    program: Program,
    heads: Heads,
    states: Any,
    params: Params,
    aux: Aux,
    target: Target,
    origins: Array,
    ends: Array,
    rates: Array,
    key: Key,
    dropout: float,
) -> tuple[Heads, Any]:
    """One update of all heads on a batch.

    Args:
      program: what it is compiled for.
      heads: see `start`.
      states: see `start`.
      params: of the frozen encoder.
      aux: of the frozen encoder.
      target: the series.
      origins: `[B]` last steps of the windows.
      ends: `[horizons]` the first origin whose targets leave the training part: such rows do not count.
      rates: `[horizons]` learning rates; a head at rate 0 is left alone, its optimiser too.
      key: of dropout.
      dropout: rate on the features.

    Returns:
      Heads and states.
    """
    features, mean, scale = _features(program, params, aux, target, origins)
    if dropout:
        features = jnp.where(jax.random.bernoulli(key, 1 - dropout, features.shape), features / (1 - dropout), 0)
    future = _future(program, target, origins)

    def loss(heads: Heads) -> Array:
        total = jnp.zeros(())
        for number, made in enumerate(_forecasts(heads, features, mean, scale)):
            counts = (origins < ends[number])[:, None, None]
            squared = jnp.where(counts, jnp.square(made - future[..., : made.shape[-1]]), 0)
            total += squared.sum() / jnp.maximum(counts.sum(), 1) / (made.shape[-1] * made.shape[-2])
        return total

    gradients = jax.grad(loss)(heads)
    new_heads, new_states = {}, {}
    for number, horizon in enumerate(program.horizons):
        updates, state = program.optimizer().update(gradients[horizon], states[horizon], heads[horizon])
        moved = optax.apply_updates(heads[horizon], jax.tree.map(lambda u, n=number: rates[n] * u, updates))
        kept = (heads[horizon], states[horizon])
        new_heads[horizon], new_states[horizon] = jax.tree.map(
            lambda new, old, n=number: jnp.where(rates[n] > 0, new, old), (moved, state), kept
        )
    return new_heads, new_states


def errors(
    program: Program, heads: Heads, params: Params, aux: Aux, target: Target, split: slice, chunk: int = 128
) -> dict[int, np.ndarray]:
    """Horizon -> mean squared and mean absolute errors of each channel `[2, C]`, over the origins of a split."""
    shortest = min(program.horizons)
    asked = np.arange(split.start, split.stop - shortest)
    ends = jnp.asarray([split.stop - horizon for horizon in program.horizons])
    found = np.zeros((len(program.horizons), 2, target.x.shape[1]))
    for first in range(0, len(asked), chunk):
        part = asked[first : first + chunk]
        # Filled up with an origin that no head counts.
        filled = np.concatenate([part, np.full(chunk - len(part), split.stop - 1)])
        found += np.asarray(_error_sums(program, heads, params, aux, target, jnp.asarray(filled), ends))
    return {
        horizon: sums / ((split.stop - horizon - split.start) * horizon)
        for horizon, sums in zip(program.horizons, found, strict=True)
    }


@partial(jax.jit, static_argnames="program")
def _error_sums(
    program: Program, heads: Heads, params: Params, aux: Aux, target: Target, origins: Array, ends: Array
) -> Array:
    features, mean, scale = _features(program, params, aux, target, origins)
    future = _future(program, target, origins)
    sums = []
    for number, made in enumerate(_forecasts(heads, features, mean, scale)):
        error = jnp.where((origins < ends[number])[:, None, None], made - future[..., : made.shape[-1]], 0)
        sums.append(jnp.stack([jnp.square(error).sum((0, 2)), jnp.abs(error).sum((0, 2))]))
    return jnp.stack(sums)


def _features(program: Program, params: Params, aux: Aux, target: Target, origins: Array) -> tuple[Array, Array, Array]:
    """Features `[B, C, F]` of the windows that end at the origins, their means and scales `[B, C]`."""
    assert program.method.of_windows is not None
    first = origins - program.look_back + 1
    windows = jax.vmap(lambda at: lax.dynamic_slice_in_dim(target.x_in, at, program.look_back))(first)
    channels = target.x.shape[1]
    found = program.method.of_windows(params, aux, as_batch(windows))
    return found.features[:, -channels:], found.mean[:, -channels:], found.scale[:, -channels:]


def _forecasts(heads: Heads, features: Array, mean: Array, scale: Array) -> list[Array]:
    """Forecasts `[B, C, H]` of each head, by one product."""
    kernel = jnp.concatenate([heads[horizon]["kernel"] for horizon in heads], 1)
    bias = jnp.concatenate([heads[horizon]["bias"] for horizon in heads])
    made = mean[..., None] + scale[..., None] * (features @ kernel + bias)
    return jnp.split(made, np.cumsum(list(heads))[:-1], -1)


def _future(program: Program, target: Target, origins: Array) -> Array:
    """`[B, C, max H]`: the steps after the origins; what lies beyond the series is zeros, which no head counts."""
    longest = max(program.horizons)
    padded = jnp.pad(target.x, ((0, longest), (0, 0)))
    future = jax.vmap(lambda at: lax.dynamic_slice_in_dim(padded, at, longest))(origins + 1)
    return future.swapaxes(1, 2)
