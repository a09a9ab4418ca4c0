"""The only collective calls. With `axis_name=None` each is the single-device identity, so methods need no branches."""

from typing import Any

import jax
from jax import lax

AXIS = "devices"


def gather(tree: Any, axis_name: str | None) -> Any:
    """Concatenates `[b, ...]` arrays over the devices: `[devices * b, ...]`, rows in device order; differentiable."""
    if axis_name is None:
        return tree
    return jax.tree.map(lambda array: lax.all_gather(array, axis_name, tiled=True), tree)


def device_count(axis_name: str | None) -> int:
    """How many devices share the batch."""
    return 1 if axis_name is None else lax.axis_size(axis_name)


def mean(tree: Any, axis_name: str | None) -> Any:
    """The mean over devices."""
    return tree if axis_name is None else lax.pmean(tree, axis_name)


def first_row(local_rows: int, axis_name: str | None) -> jax.Array | int:
    """Position of this device's first row in the gathered batch, when each device holds `local_rows`."""
    return 0 if axis_name is None else lax.axis_index(axis_name) * local_rows


def own_key(key: jax.Array, axis_name: str | None) -> jax.Array:
    """A key of this device's own, for draws that do not follow a row from device to device."""
    return key if axis_name is None else jax.random.fold_in(key, lax.axis_index(axis_name))
