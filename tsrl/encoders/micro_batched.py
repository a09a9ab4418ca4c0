"""An encoder that goes through a batch a few rows at a time, so that a large batch fits the memory."""

from collections.abc import Callable
from functools import cache
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsrl.errors import check_whole
from tsrl.types import Array, Key


def micro_batched(encoder: nn.Module, rows: int) -> nn.Module:
    """The same encoder, with the same parameters, encoding at most `rows` rows at a time in training.

    Of each part only its input is kept; the backward pass encodes it anew (rematerialisation). The loss still sees the
    representations of the whole batch, so that what contrasts its rows is unchanged: value and gradients equal those of
    the batch encoded at once. Batch statistics are those of the parts, and dropout draws other units.

    Args:
      encoder: a module of `tsrl.encoders`, or another of that form.
      rows: at most; the parts are equal, so that it is the largest divisor of the batch up to this number.

    Raises:
      InputError: `rows` is no whole number from 1 up.
    """
    check_whole("rows", rows, 1)
    sizes = {name: getattr(encoder, name) for name in encoder.__dataclass_fields__ if name not in ("name", "parent")}
    kind: Any = type(encoder)
    return _micro_batched(kind)(**sizes, rows_at_once=rows)


@cache
def _micro_batched(kind: type[nn.Module]) -> Callable[..., nn.Module]:
    # A subclass, so that all that a method asks of its encoder is answered as before.
    class MicroBatched(kind):  # type: ignore[misc, valid-type]
        rows_at_once: int = 1

        @nn.nowrap
        def apply(self, variables: Any, *inputs: Any, rngs: Any = None, mutable: Any = False, **how: Any) -> Any:
            """As that of the encoder; when it is given random keys, which is in training, in parts."""
            count = inputs[0].shape[0]
            parts = next(n for n in range(-(-count // self.rows_at_once), count + 1) if count % n == 0)
            plain = super().apply
            if rngs is None or parts == 1:
                return plain(variables, *inputs, rngs=rngs, mutable=mutable, **how)

            def encoded(h: Array, mask: Array, exists: Array | None, steps: Array | None, part: Array) -> Any:
                wanted = None if steps is None else _taker(steps)
                own = {name: _own_key(name, key, part) for name, key in rngs.items()}
                return plain(variables, h, mask, exists, wanted, rngs=own, mutable=mutable, **how)

            made = _over_parts(jax.checkpoint(encoded), parts, *inputs)
            if not mutable:
                return _joined(made)
            return _joined(made[0]), jax.tree.map(lambda moved: moved.mean(0), made[1])

    MicroBatched.__name__ = kind.__name__
    return MicroBatched


def _over_parts(
    encoded: Callable[..., Any],
    parts: int,
    h: Array,
    mask: Array,
    exists: Array | None = None,
    wanted: Callable[[Array], Array] | None = None,
) -> Any:
    """`encoded` of one part after another, stacked."""
    shared = None if exists is None or exists.ndim == 2 else exists
    own = exists if shared is None else None
    # A part cannot ask for its steps by a function of the whole batch: by their numbers it can.
    steps = None if wanted is None else wanted(jnp.broadcast_to(jnp.arange(h.shape[1]), h.shape[:2]))
    split = jax.tree.map(lambda x: x.reshape(parts, -1, *x.shape[1:]), (h, mask, own, steps))

    def one(given: tuple[Any, Array]) -> Any:
        (h, mask, own, steps), part = given
        return encoded(h, mask, own if shared is None else shared, steps, part)

    return jax.lax.map(one, (split, jnp.arange(parts)))


def _joined(made: Any) -> Any:
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), made)


def _taker(steps: Array) -> Callable[[Array], Array]:
    def taken(array: Array) -> Array:
        return jnp.take_along_axis(array, steps.reshape(*steps.shape, *[1] * (array.ndim - 2)), 1)

    return taken


def _own_key(name: str, key: Key, part: Array) -> Key:
    """A part's key; what is drawn for all rows alike is drawn for all parts alike."""
    return key if name == "sample" else jax.random.fold_in(key, part)
