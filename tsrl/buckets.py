"""A few static sizes instead of one compilation per random length: pad to the smallest that fits, mask the rest."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from tsrl.types import Array, Metrics, Params

Branch = Callable[..., tuple[Array, Metrics]]


@custom_vmap
def largest_under_vmap(numbers: Array) -> Array:
    """The numbers as they are; under `vmap` the largest of all rows, the same for each.

    What is decided by them stays one decision for seeds trained together: a batched `lax.switch` would run all
    branches, a batched loop would select between all rows' states at every turn.
    """
    return numbers


@largest_under_vmap.def_vmap
def _largest(axis_size: int, in_batched: list[bool], numbers: Array) -> tuple[Array, bool]:
    del axis_size
    return (numbers.max(0) if in_batched[0] else numbers), False


def smallest_fitting(sizes: Sequence[Sequence[int]], needed: Array) -> Array:
    """Index of the smallest of the sizes `[n, m]`, ascending in each of m numbers, that holds `needed` `[m]`; under
    `vmap` one that holds all rows. One of them has to."""
    return largest_under_vmap(jnp.argmax((jnp.asarray(sizes) >= needed).all(1)))


def switch_loss(choice: Array, branches: Sequence[Branch], params: Params, *operands: Any) -> tuple[Array, Metrics]:
    """`lax.switch` over losses, with the gradient for `params` taken inside the chosen branch.

    Differentiating through `lax.switch` would keep every branch's residuals, that is the memory of all sizes at once.

    Args:
      choice: scalar index.
      branches: functions `(params, *operands) -> (scalar loss, metrics)`.
      params: what the loss is differentiated for; operands get no gradient.
      *operands: anything else.

    Returns:
      Loss and metrics of the chosen branch.
    """
    if len(branches) == 1:
        return branches[0](params, *operands)

    @jax.custom_vjp
    def chosen(params: Params, choice: Array, operands: tuple[Any, ...]) -> tuple[Array, Metrics]:
        return lax.switch(choice, branches, params, *operands)

    def forward(params: Params, choice: Array, operands: tuple[Any, ...]):  # type: ignore[no-untyped-def]
        graded = [jax.value_and_grad(branch, has_aux=True) for branch in branches]
        return lax.switch(choice, graded, params, *operands)

    def backward(gradient: Params, cotangent: tuple[Array, Metrics]):  # type: ignore[no-untyped-def]
        return jax.tree.map(lambda g: g * cotangent[0], gradient), None, None

    chosen.defvjp(forward, backward)
    return chosen(params, choice, operands)
