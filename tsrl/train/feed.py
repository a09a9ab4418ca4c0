"""Where a call's rows come from: the data set on the devices, or blocks that the host cuts out of it ahead of time."""

import dataclasses
import os
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tsrl.data.store.ahead import Ahead
from tsrl.data.store.order import shuffled_order
from tsrl.errors import InputError
from tsrl.train.devices import DeviceStep
from tsrl.types import Array, Batch, Method, Plan

# Of a device's memory; the rest is for the state and what a step computes.
_SHARE = 0.25
Call = tuple[Batch, Plan, Array]


@dataclasses.dataclass(frozen=True)
class Rows:
    """A training set of which the host reads rows as they are needed.

    Attributes:
      count: N.
      take: `[B]` row ids -> a batch of numpy arrays, whose `index` holds the ids. It is called from a thread.
      order: `(seed, epoch, batch_size) -> [steps, B]` int32 row ids, a pure function.
      ahead_bytes: most memory for rows that are read before they are needed; two steps at least.
      in_memory: rows in any order are at hand at once, so that several seeds can be trained together.
    """

    count: int
    take: Callable[[np.ndarray], Batch]
    order: Callable[[int, int, int], np.ndarray]
    ahead_bytes: int = 0
    in_memory: bool = False


def as_rows(data: Batch | Rows) -> Rows:
    """A data set in memory as rows of the host, in `shuffled_order`."""
    if isinstance(data, Rows):
        return data
    host: Any = jax.device_get(data)
    return Rows(len(host.index), host.take, order_of(data))


def order_of(data: Batch | Rows) -> Callable[[int, int, int], np.ndarray]:
    """The function that makes the batches of an epoch, as `Rows.order`."""
    if isinstance(data, Rows):
        return data.order
    count = data.index.shape[0]
    return lambda seed, epoch, batch_size: shuffled_order(seed, epoch, count, batch_size)


def count_of(data: Batch | Rows) -> int:
    """N, the rows of a data set."""
    return data.count if isinstance(data, Rows) else data.index.shape[0]


def fits(data: Batch | Rows, devices: Sequence[jax.Device]) -> bool:
    """Whether a copy of the data set on every device takes at most a quarter of its memory; never for `Rows`."""
    if isinstance(data, Rows):
        return False
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(data))
    own = [device for device in devices if device.process_index == jax.process_index()]
    return all(size <= _SHARE * memory / sharing for memory, sharing in (_memory(one, own) for one in own))


def _memory(device: jax.Device, devices: Sequence[jax.Device]) -> tuple[float, int]:
    """Bytes of a device's memory, and how many of `devices` share them."""
    stats = device.memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"], 1
    # Host devices have the machine's. Where it is not known, a data set that is in memory is taken to fit.
    known = device.platform == "cpu" and hasattr(os, "sysconf")
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else float("inf"), len(devices)


def check_draw(method: Method, data: Batch | Rows) -> None:
    """Refuses a data set that does not fit, if the method draws examples from other rows than it is asked for.

    Two examples are drawn from a block of their own rows, and from one where other rows lie before them, or where they
    lie in reverse if there are no others.

    Raises:
      InputError: the examples differ.
    """
    rows = as_rows(data)
    count = rows.count
    asked = np.arange(max(count - 2, 0), count)
    before = np.arange(min(count - len(asked), 5))
    draw, key, places = jax.jit(method.draw), jax.random.key(0), np.arange(len(asked))
    block = np.concatenate([before, asked]) if len(before) else asked[::-1]
    alone = draw(key, rows.take(asked), places)
    among = draw(key, rows.take(block), len(before) + places if len(before) else places[::-1].copy())
    pairs = zip(jax.tree.leaves(alone), jax.tree.leaves(among), strict=True)
    if not all(_same(one, other) for one, other in pairs):
        size = count * sum(leaf.nbytes for leaf in jax.tree.leaves(rows.take(np.arange(1)))) / 1e9
        raise InputError(
            f"data: found {size:.3g} GB for a method that draws an example from several rows of the data set, or by "
            f"its place instead of `data.index`; want at most {_SHARE:.0%} of the device's memory"
        )


def _same(one: Array, other: Array) -> bool:
    if jax.dtypes.issubdtype(one.dtype, jax.dtypes.prng_key):
        one, other = jax.random.key_data(one), jax.random.key_data(other)
    return np.array_equal(one, other, equal_nan=jnp.issubdtype(one.dtype, jnp.inexact))


def for_init(data: Batch | Rows, resident: bool) -> Batch:
    """What `init_state` takes: the data set, or of one that does not fit the first row."""
    if resident and isinstance(data, Batch):
        return data
    return data.take(np.arange(1))


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

    def rows(self, order: np.ndarray, at: int) -> Call:
        """Data, plan and row ids of a call that begins at step `at` of the epoch's order `[S, steps, B]`."""
        index = order[:, at : at + self._steps.at_once].swapaxes(0, 1)
        return self.data, self._plan, self._steps.split(self._steps.by_device(index))

    def ahead(self, order: np.ndarray, at: int) -> None:
        """Nothing is to be done before the next call."""

    def close(self) -> None:
        """Nothing is to be ended."""


class Fed:
    """The data set stays with the host; a call is sent the rows of its batches, and each row's global id.

    Each of several processes reads the rows of its own devices; a thread does, those of the steps to come in the epoch.

    Args:
      data: the data set.
      steps: what the rows go to; made with `fed`.
    """

    def __init__(self, data: Batch | Rows, steps: DeviceStep):
        self._steps, self._rows = steps, as_rows(data)
        # Of a data set in memory: what a method plans its epochs on.
        self.data: Any = None if isinstance(data, Rows) else jax.device_get(data)
        first = for_init(data, resident=False)
        self.initial = steps.replicate(first)
        self._row_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(first))
        self._columns: dict[str, Any] = {}
        self._tables: dict[str, Any] = {}
        self._ready: tuple[np.ndarray, int, Call] | None = None
        self._order: np.ndarray | None = None
        self._reader: Ahead[Batch] | None = None
        self._first, self._read = 0, deque[Batch]()

    def set_plan(self, plan: Plan) -> None:
        """Takes the columns and tables of an epoch."""
        self._columns, self._tables = jax.device_get(plan.columns), self._steps.replicate(plan.tables)
        self._ready = None

    def rows(self, order: np.ndarray, at: int) -> Call:
        """Data, plan and places of a call that begins at step `at` of the epoch's order `[S, steps, B]`."""
        ready, self._ready = self._ready, None
        if ready is not None and ready[0] is order and ready[1] == at:
            return ready[2]
        index = self._steps.by_device(order[:, at : at + self._steps.at_once].swapaxes(0, 1))
        block = index.reshape(len(index), -1)
        columns = {name: column[block] for name, column in self._columns.items()}
        read = self._steps_read(order, at, min(self._steps.at_once, order.shape[1] - at))
        data = jax.tree.map(partial(self._by_device, order.shape[0]), *read)
        data, columns = self._steps.split((data, columns))
        places = np.broadcast_to(np.arange(block.shape[1], dtype=np.int32).reshape(index.shape[1:]), index.shape)
        return data, Plan(columns, self._tables), self._steps.split(places)

    def ahead(self, order: np.ndarray, at: int) -> None:
        """Sends the rows of the next call while the devices are busy with this one."""
        if at < order.shape[1]:
            self._ready = (order, at, self.rows(order, at))

    def close(self) -> None:
        """Ends the thread."""
        if self._reader is not None:
            self._reader.close()

    def _steps_read(self, order: np.ndarray, at: int, count: int) -> list[Batch]:
        """This process's rows of `count` steps from `at` on, each `[S * B, ...]`."""
        if order is not self._order or not self._first <= at <= self._first + len(self._read):
            self.close()
            self._order, self._first = order, at
            self._read.clear()
            own = self._steps.own_rows(order)
            seeds, steps, batch = own.shape
            depth = max(2, self._rows.ahead_bytes // (self._row_bytes * seeds * batch))
            # The thread holds no reference to this object.
            take = self._rows.take
            self._reader = Ahead((take(own[:, step].reshape(-1)) for step in range(at, steps)), depth)
        assert self._reader is not None
        # A call may have made fewer steps than it was sent.
        for _ in range(at - self._first):
            self._read.popleft()
        self._first = at
        while len(self._read) < count:
            self._read.append(next(self._reader))
        return [self._read[step] for step in range(count)]

    def _by_device(self, seeds: int, *steps: np.ndarray) -> np.ndarray:
        """The rows `[S * B, ...]` of up to K steps as `[devices, K * S * B / devices, ...]`; zeros where none are.

        Of several processes, the rows and devices of this one.
        """
        devices, shape = len(self._steps.local), steps[0].shape[1:]
        share = steps[0].shape[0] // seeds // devices
        filled = np.zeros((devices, self._steps.at_once, seeds, share, *shape), steps[0].dtype)
        for step, rows in enumerate(steps):
            filled[:, step] = np.moveaxis(rows.reshape(seeds, devices, share, *shape), 1, 0)
        return filled.reshape(devices, -1, *shape)
