"""Where a call's rows come from: the data set on the devices, or blocks that the host cuts out of it one call ahead."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tsrl.errors import InputError
from tsrl.train.devices import DeviceStep
from tsrl.types import Array, Batch, Method, Plan

# Of a device's memory; the rest is for the state and what a step computes.
_SHARE = 0.25
Rows = tuple[Batch, Plan, Array]


def fits(data: Batch, devices: Sequence[jax.Device]) -> bool:
    """Whether a copy of the data set on every device takes at most a quarter of its memory."""
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(data))
    return all(size <= _SHARE * memory / sharing for memory, sharing in (_memory(one, devices) for one in devices))


def _memory(device: jax.Device, devices: Sequence[jax.Device]) -> tuple[float, int]:
    """Bytes of a device's memory, and how many of `devices` share them."""
    stats = device.memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"], 1
    # Host devices have the machine's. Where it is not known, a data set that is in memory is taken to fit.
    known = device.platform == "cpu" and hasattr(os, "sysconf")
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else float("inf"), len(devices)


def check_draw(method: Method, data: Batch) -> None:
    """Refuses a data set that does not fit, if the method draws examples from other rows than it is asked for.

    Two examples are drawn from a block of their own rows, and from one where other rows lie before them, or where they
    lie in reverse if there are no others.

    Raises:
      InputError: the examples differ.
    """
    host: Any = jax.device_get(data)
    count = len(host.index)
    asked = np.arange(max(count - 2, 0), count)
    before = np.arange(min(count - len(asked), 5))
    draw, key, places = jax.jit(method.draw), jax.random.key(0), np.arange(len(asked))
    block = np.concatenate([before, asked]) if len(before) else asked[::-1]
    alone = draw(key, host.take(asked), places)
    among = draw(key, host.take(block), len(before) + places if len(before) else places[::-1].copy())
    pairs = zip(jax.tree.leaves(alone), jax.tree.leaves(among), strict=True)
    if not all(_same(one, other) for one, other in pairs):
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(host)) / 1e9
        raise InputError(
            f"data: found {size:.3g} GB for a method that draws an example from several rows of the data set, or by "
            f"its place instead of `data.index`; want at most {_SHARE:.0%} of the device's memory"
        )


def _same(one: Array, other: Array) -> bool:
    if jax.dtypes.issubdtype(one.dtype, jax.dtypes.prng_key):
        one, other = jax.random.key_data(one), jax.random.key_data(other)
    return np.array_equal(one, other, equal_nan=jnp.issubdtype(one.dtype, jnp.inexact))


def for_init(data: Batch, resident: bool) -> Batch:
    """What `init_state` takes: the data set, or of one that does not fit the first row."""
    return data if resident else data.take(np.arange(1))  # type: ignore[arg-type]


class Resident:
    """The data set lives on the devices; a call is sent row ids only.

    Args:
      data: the data set.
      steps: what the rows go to.
    """

    def __init__(self, data: Batch, steps: DeviceStep):
        self._steps, self._plan = steps, Plan()
        self.data = steps.replicate(data)
        self.initial = self.data

    def set_plan(self, plan: Plan) -> None:
        """Takes the columns and tables of an epoch."""
        self._plan = self._steps.replicate(dataclasses.replace(plan, order=None))

    def rows(self, order: np.ndarray, at: int) -> Rows:
        """Data, plan and row ids of a call that begins at step `at` of the epoch's order `[S, steps, B]`."""
        index = order[:, at : at + self._steps.at_once].swapaxes(0, 1)
        return self.data, self._plan, self._steps.split(self._steps.by_device(index))

    def ahead(self, order: np.ndarray, at: int) -> None:
        """Nothing is to be done before the next call."""


class Fed:
    """The data set stays with the host; a call is sent the rows of its batches, and each row's global id.

    Args:
      data: the data set.
      steps: what the rows go to; made with `fed`.
    """

    def __init__(self, data: Batch, steps: DeviceStep):
        self._steps = steps
        self.data = jax.device_get(data)
        self.initial = steps.replicate(for_init(self.data, resident=False))
        self._columns: dict[str, Any] = {}
        self._tables: dict[str, Any] = {}
        self._ready: tuple[np.ndarray, int, Rows] | None = None

    def set_plan(self, plan: Plan) -> None:
        """Takes the columns and tables of an epoch."""
        self._columns, self._tables = jax.device_get(plan.columns), self._steps.replicate(plan.tables)
        self._ready = None

    def rows(self, order: np.ndarray, at: int) -> Rows:
        """Data, plan and places of a call that begins at step `at` of the epoch's order `[S, steps, B]`."""
        ready, self._ready = self._ready, None
        if ready is not None and ready[0] is order and ready[1] == at:
            return ready[2]
        index = self._steps.by_device(order[:, at : at + self._steps.at_once].swapaxes(0, 1))
        block = index.reshape(len(index), -1)
        columns = {name: column[block] for name, column in self._columns.items()}
        data, columns = self._steps.split((self.data.take(block), columns))
        places = np.broadcast_to(np.arange(block.shape[1], dtype=np.int32).reshape(index.shape[1:]), index.shape)
        return data, Plan(columns, self._tables), self._steps.split(places)

    def ahead(self, order: np.ndarray, at: int) -> None:
        """Cuts out the rows of the next call while the devices are busy with this one."""
        if at < order.shape[1]:
            self._ready = (order, at, self.rows(order, at))
