"""Batches of an array or a store: a pure function of seed and step, read in the background."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tsrl.data.series import check_series
from tsrl.data.store.ahead import Ahead
from tsrl.data.store.order import process_shard, shuffled_order
from tsrl.data.store.read import Store
from tsrl.errors import InputError


class Loaded(NamedTuple):
    """A batch.

    Attributes:
      step: from 0, counted over all epochs.
      rows: `[B / P]` int32 row ids in the data set.
      x: `[B / P, T, C]` float32, NaN = missing.
    """

    step: int
    rows: np.ndarray
    x: np.ndarray


class Loader:
    """Endless random batches: `for step, rows, x in loader` from step 0, `loader.at(step)` from any.

    The batch of a step is the same whenever and in whatever process it is read. An epoch is a pass over all rows, less
    an incomplete last batch; its order is that of training, `shuffled_order` of an array and `Store.order` of a store.

    Args:
      source: `[N, T, C]` numbers, NaN = missing, or a store.
      batch_size: B, rows in the batch of all processes together.
      seed: of the order.
      process_index: which slice of each batch is read here.
      process_count: P, processes that share each batch. Each of them reads all row groups of a store.
      ahead_bytes: most memory for batches that are made and not yet taken; two batches at least.

    Raises:
      InputError: wrong series, a batch size outside 1 to N or that P does not divide, a negative seed.
    """

    def __init__(
        self,
        source: np.ndarray | Store,
        batch_size: int,
        seed: int,
        process_index: int = 0,
        process_count: int = 1,
        *,
        ahead_bytes: int = 64 * 2**20,
    ):
        self._source = source if isinstance(source, Store) else check_series(source, "source")
        if not 1 <= batch_size <= len(source):
            raise InputError(f"batch_size: found {batch_size}, want 1 to {len(source)}, the rows of the data set")
        if seed < 0:
            raise InputError(f"seed: found {seed}, want a number from 0 up")
        self._batch_size, self._seed, self._process = batch_size, seed, (process_index, process_count)
        rows = process_shard(np.empty((0, batch_size)), *self._process).shape[1]
        row = self._source.row_bytes if isinstance(self._source, Store) else self._source[0].nbytes
        self._depth = max(2, ahead_bytes // (rows * row))
        self.steps_per_epoch = len(self._source) // batch_size

    def __iter__(self) -> Iterator[Loaded]:
        return self.at(0)

    def at(self, step: int) -> Ahead[Loaded]:
        """The batches from a step on, read in a thread of their own; `close` it, or use it in a `with` block.

        Raises:
          InputError: the step is negative; while iterating, a damaged store.
        """
        if step < 0:
            raise InputError(f"step: found {step}, want a number from 0 up")
        return Ahead(self._from(step), self._depth)

    def _from(self, step: int) -> Iterator[Loaded]:
        while True:
            epoch, first = divmod(step, self.steps_per_epoch)
            if isinstance(self._source, Store):
                order = self._source.order(self._seed, epoch, self._batch_size)
            else:
                order = shuffled_order(self._seed, epoch, len(self._source), self._batch_size)
            for rows in process_shard(order, *self._process)[first:]:
                x = self._source.take(rows) if isinstance(self._source, Store) else self._source[rows]
                yield Loaded(step, rows, x)
                step += 1
