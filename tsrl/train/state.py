"""What training carries from step to step, and one pure step of it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from tsrl import parallel
from tsrl.types import Array, Aux, Batch, Key, Method, Metrics, Params, Plan

Step = Callable[["State", Batch, Plan, Array, Array], tuple["State", Metrics]]


@flax.struct.dataclass
class State:
    """Training state of one seed, or of several stacked on a leading axis.

    Attributes:
      step: int32 count of optimiser updates done.
      params: the method's parameters.
      opt_state: the optimiser's state.
      aux: the method's auxiliary pytree.

    No random key is carried: every draw derives from the seed and the step, so a resumed run repeats it exactly.
    """

    step: Array
    params: Params
    opt_state: Any
    aux: Aux


def init_state(method: Method, optimizer: optax.GradientTransformation, data: Batch, seed: Array) -> State:
    """The state before the first update, from a seed and the first row of the data set."""
    key = jax.random.key(seed)
    params, aux = method.init(key, method.draw(key, data, jnp.arange(1)))
    return State(jnp.zeros((), jnp.int32), params, optimizer.init(params), aux)


def make_step(method: Method, optimizer: optax.GradientTransformation, total_steps: int, axis_name: str | None) -> Step:
    """One training step as a pure function.

    Args:
      method: made with the same `axis_name`.
      optimizer: transforms the gradient averaged over devices.
      total_steps: what schedules in `method.after_step` run towards.
      axis_name: the device axis, or None on one device.

    Returns:
      `(state, data, plan, index [b], seed) -> (state, metrics)`; `index` holds the places of this device's rows in
      `data`, whose own `index` holds their global ids; metrics are scalars equal on all devices: loss, grad_norm,
      param_norm (after the update) and the method's own.
    """

    def step(state: State, data: Batch, plan: Plan, index: Array, seed: Array) -> tuple[State, Metrics]:
        draw_key, loss_key = jax.random.split(step_key(seed, state.step))
        batch = method.draw(draw_key, data, index)
        columns = {name: column[index] for name, column in plan.columns.items()}
        batch = dataclasses.replace(batch, extra={**batch.extra, **columns, **plan.tables})
        graded = jax.value_and_grad(method.loss, has_aux=True)
        (loss, (aux, metrics)), gradient = graded(state.params, state.aux, batch, loss_key)
        loss, metrics, gradient = parallel.mean((loss, metrics, gradient), axis_name)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        aux = method.after_step(params, aux, state.step, total_steps)
        norms = {"grad_norm": optax.tree.norm(gradient), "param_norm": optax.tree.norm(params)}
        metrics = {"loss": loss, **norms, **metrics}
        return State(state.step + 1, params, opt_state, aux), metrics

    return step


def step_key(seed: Array, step: Array) -> Key:
    """The key of one step: the same on every device and after every resume."""
    return jax.random.fold_in(jax.random.key(seed), step)
