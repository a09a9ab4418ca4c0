"""Functions of a batch of events, each one object for a method, so that it is compiled once."""

from collections.abc import Callable
from functools import cache, partial

import jax
import jax.numpy as jnp
import optax

from tsrl.types import Array, Aux, Batch, Method, Params, as_batch

Function = Callable[[Params, Aux, Batch], Array]


@partial(jax.jit, static_argnames="function")
def apply(function: Function, params: Params, aux: Aux, batch: Batch) -> Array:
    """A function of a batch, compiled once for each shape."""
    return function(params, aux, batch)


@partial(jax.jit, static_argnames="method")
def expect_next(method: Method, params: Params, aux: Aux, fields: dict[str, Array], mask: Array) -> dict[str, Array]:
    """What `Method.expect` gives for the last event of the mask `[T]`, of fields `[1, T, ...]`."""
    assert method.expect is not None
    made = method.expect(params, aux, as_batch(fields, mask=mask[None]))
    return {name: values[0, mask.sum() - 1] for name, values in made.items()}


# One object for each method, so that it is compiled once.
@cache
def encoded(method: Method) -> Function:
    """`[B, T, D]`, the representation of each event."""
    return lambda params, aux, batch: method.encode(params, aux, batch).z


@cache
def surprised(method: Method, names: tuple[str, ...], scales: int, calendar: bool) -> Function:
    """`[B, T, K]`: of each event the nats of `EventEmbedder.surprise`; anything for the first."""

    def function(params: Params, aux: Aux, batch: Batch) -> Array:
        assert method.expect is not None
        expected = {name: guess[:, :-1] for name, guess in method.expect(params, aux, batch).items()}
        came = {name: values[:, 1:] for name, values in batch.fields.items()}
        parts = [
            optax.softmax_cross_entropy_with_integer_labels(expected[name], came[name])[..., None] for name in names
        ]
        if scales or calendar:
            errors = jnp.square(expected["numbers"] - came["numbers"]) / 2
            # Each scale has two columns, the value and whether there is one; what is missing surprises nobody.
            known = came["numbers"][..., 1 : 2 * scales : 2]
            parts.append(errors[..., : 2 * scales : 2] * known)
            if calendar:
                parts.append(errors[..., 2 * scales :].sum(-1, keepdims=True))
        return jnp.pad(jnp.concatenate(parts, -1), ((0, 0), (1, 0), (0, 0)))

    return function


@cache
def side_by_side(one: Function, other: Function) -> Function:
    """What two functions give, along the last axis."""
    return lambda params, aux, batch: jnp.concatenate([one(params, aux, batch), other(params, aux, batch)], -1)


@cache
def expected(method: Method, action: str) -> Function:
    """`[B, T, A]` log-probabilities of the action after each event."""

    def function(params: Params, aux: Aux, batch: Batch) -> Array:
        assert method.expect is not None
        return jax.nn.log_softmax(method.expect(params, aux, batch)[action])

    return function


@cache
def at_last(function: Function) -> Function:
    """What a function gives for the last event of each row."""

    def last(params: Params, aux: Aux, batch: Batch) -> Array:
        place = jnp.maximum(batch.mask.sum(1) - 1, 0)
        return jnp.take_along_axis(function(params, aux, batch), place[:, None, None], 1)[:, 0]

    return last
