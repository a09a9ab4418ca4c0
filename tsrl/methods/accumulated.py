"""Gradients added up over parts of a batch, for methods whose loss is a mean over rows."""

import jax
import jax.numpy as jnp

from tsrl.errors import InputError
from tsrl.types import Array, Aux, Batch, Key, Method, Metrics, Params


def accumulated(method: Method, parts: int) -> Method:
    """The same method, its loss taken over equal parts of this device's rows, one after another.

    Only one part's activations are held: the backward pass makes them anew (rematerialisation) and adds up the
    gradients. Value and gradients equal those of the whole batch, but for dropout: every part draws the same units.

    Args:
      method: one that does not couple the batch.
      parts: how many.

    Raises:
      InputError: a method that couples the batch; in use, an encoder with batch statistics, or rows that do not divide.
    """
    if method.couples_batch:
        raise InputError(
            f"train.accumulate: found {parts} for a method that compares the rows of a batch, whose parts are another "
            "loss than the whole, want 1; train.micro_batch saves memory and leaves the loss as it is"
        )

    def loss(params: Params, aux: Aux, batch: Batch, key: Key) -> tuple[Array, tuple[Aux, Metrics]]:
        rows = batch.mask.shape[0]
        if rows % parts:
            raise InputError(f"train.accumulate: found {parts}, want a divisor of the {rows} rows on each device")
        if jax.tree.leaves(aux):
            raise InputError(
                f"train.accumulate: found {parts} for an encoder with batch statistics, which parts of the batch would "
                "change, want 1; train.micro_batch saves memory and encodes parts all the same"
            )

        leaves, structure = jax.tree.flatten(batch)
        # What has no row for each of the batch, such as a plan's tables, belongs to every part.
        whole = [jnp.shape(leaf)[:1] != (rows,) for leaf in leaves]
        split = [
            leaf if all_of_it else leaf.reshape(parts, -1, *leaf.shape[1:])
            for leaf, all_of_it in zip(leaves, whole, strict=True)
        ]

        @jax.checkpoint
        def of_part(number: Array) -> tuple[Array, Metrics]:
            own = [leaf if all_of_it else leaf[number] for leaf, all_of_it in zip(split, whole, strict=True)]
            value, (_, metrics) = method.loss(params, aux, jax.tree.unflatten(structure, own), key)
            return value, metrics

        values, metrics = jax.lax.map(of_part, jnp.arange(parts))
        return values.mean(), (aux, jax.tree.map(lambda each: each.mean(0), metrics))

    return method._replace(loss=loss)
