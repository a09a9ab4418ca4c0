"""Optimisers and learning-rate schedules by name, as the published code of the methods uses them."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import optax

from tsrl.types import Array, Params

# Factors of the learning rate in epoch e = 1, 2, ..., counted from 0; in epoch 0 the factor is 1.
_BY_EPOCH: dict[str, Callable[[Array], Array]] = {
    "halving": lambda e: 0.5 ** (e - 1),
    "decay": lambda e: 0.9 ** jnp.maximum(e - 3, 0),
    "warmup": lambda e: jnp.where(e < 5, (e + 1) / 5, 0.9 ** (e - 5.0)),
}


def schedule(name: str, rate: float, steps: int, steps_per_epoch: int) -> float | Callable[[Array], Array]:
    """The learning rate by the number of updates done.

    Args:
      name: "constant"; "cosine", from `rate` to 0 over `steps`; "halving", "decay" or "warmup", which change it between
        epochs: after epoch e (counted from 1) the published code of TimeDRL and Informer sets `rate` times
        `0.5^(e-1)` (its type1), 1 up to e = 2, then `0.9^(e-3)` (its type3), or `(e+1)/5` up to e = 4, then
        `0.9^(e-5)`; the first epoch has `rate`.
      rate: the learning rate.
      steps: updates in all.
      steps_per_epoch: updates in an epoch.
    """
    if name == "constant":
        return rate
    if name == "cosine":
        return optax.cosine_decay_schedule(rate, steps)
    factor = _BY_EPOCH[name]

    def at(count: Array) -> Array:
        epoch = count // steps_per_epoch
        return rate * jnp.where(epoch == 0, 1, factor(jnp.maximum(epoch, 1)))

    return at


def optimizer(
    name: str,
    rate: float,
    weight_decay: float,
    momentum: float,
    schedule_name: str,
    steps: int,
    steps_per_epoch: int,
    rates: Callable[[Params], Any] | None = None,
    beta2: float = 0.999,
) -> optax.GradientTransformation:
    """An optimiser with PyTorch's defaults.

    Args:
      name: "adamw", with decoupled weight decay; "adam" or "sgd", which add it to the gradient.
      rate: the learning rate before its schedule.
      weight_decay: of all parameters.
      momentum: of "sgd".
      schedule_name: see `schedule`.
      steps: updates in all.
      steps_per_epoch: updates in an epoch.
      rates: see `Method.rates`.
      beta2: decay of the average of squared gradients, of "adamw" and "adam".
    """
    # What the schedule does not depend on must not tell two optimisers apart.
    sizes = (0, 0) if schedule_name == "constant" else (steps, 0 if schedule_name == "cosine" else steps_per_epoch)
    return _optimizer(name, rate, weight_decay, momentum, schedule_name, *sizes, rates, beta2)


# Equal arguments give the very same functions, so that what is traced and compiled for one run serves all.
@lru_cache(maxsize=32)
def _optimizer(
    name: str,
    rate: float,
    weight_decay: float,
    momentum: float,
    schedule_name: str,
    steps: int,
    steps_per_epoch: int,
    rates: Callable[[Params], Any] | None,
    beta2: float,
) -> optax.GradientTransformation:
    by_step = schedule(schedule_name, rate, steps, steps_per_epoch)
    if name == "adamw":
        made = optax.adamw(by_step, b2=beta2, weight_decay=weight_decay)
    else:
        plain = optax.adam(by_step, b2=beta2) if name == "adam" else optax.sgd(by_step, momentum or None)
        made = optax.chain(optax.add_decayed_weights(weight_decay), plain) if weight_decay else plain
    return made if rates is None else optax.chain(made, _by_part(rates))


def _by_part(rates: Callable[[Params], Any]) -> optax.GradientTransformation:
    """Multiplies the update of each part of the parameters by its factor."""

    def update(updates: Any, state: Any, params: Params | None = None) -> tuple[Any, Any]:
        scaled = jax.tree.map(
            lambda factor, part: jax.tree.map(lambda leaf: factor * leaf, part), rates(updates), updates
        )
        return scaled, state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
