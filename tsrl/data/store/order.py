"""Which rows each step sees: a pure function of seed and epoch, so that a run can be resumed at any step."""

import numpy as np

from tsrl.errors import InputError

# Of `store_sample`.
_PLACES, _ROWS = 8, 64


def shuffled_order(seed: int, epoch: int, rows: int, batch_size: int) -> np.ndarray:
    """One pass over the data set in random batches, `[steps, B]` int32; an incomplete last batch is dropped."""
    return _batches(np.random.default_rng((seed, epoch)).permutation(rows), batch_size)


def block_order(seed: int, epoch: int, starts: np.ndarray, window: int, batch_size: int) -> np.ndarray:
    """One pass in random batches that needs few groups of rows at a time.

    The groups are permuted, then the rows of `window` consecutive permuted groups are shuffled together: such a block
    is all that must be in memory at once. Unlike in `shuffled_order`, rows whose groups lie in different blocks are
    never in one batch (but for the batch on the border of two blocks). What is lost matters where a file is sorted, by
    class say, and a group holds one kind of row: then a block shows at most `window` kinds. Write such sets shuffled.

    Args:
      seed: of the run.
      epoch: passes before this one.
      starts: `[G + 1]`, the first row of each of G groups, and the number of rows.
      window: groups in a block; with G or more the order is that of `shuffled_order`.
      batch_size: B.

    Returns:
      `[steps, B]` int32 row ids; an incomplete last batch is dropped.
    """
    groups, rows = len(starts) - 1, int(starts[-1])
    if window >= groups:
        return shuffled_order(seed, epoch, rows, batch_size)
    random = np.random.default_rng((seed, epoch))
    permuted = random.permutation(groups)
    order = np.empty(rows, np.int32)
    filled = 0
    for first in range(0, groups, window):
        members = permuted[first : first + window]
        block = np.concatenate([np.arange(starts[group], starts[group + 1], dtype=np.int32) for group in members])
        order[filled : filled + len(block)] = random.permutation(block)
        filled += len(block)
    return _batches(order, batch_size)


def store_sample(count: int) -> np.ndarray:
    """Rows to look at: at most 512, in at most eight places, for rows next to each other are in one row group.

    Args:
      count: N, the rows there are.

    Returns:
      Row numbers in rising order, the first and the last row among them.
    """
    if count <= _PLACES * _ROWS:
        return np.arange(count)
    starts = np.linspace(0, count - _ROWS, _PLACES).astype(int)
    return np.unique(starts[:, None] + np.arange(_ROWS))


def process_shard(order: np.ndarray, process_index: int, process_count: int) -> np.ndarray:
    """The slice of every batch that one of several processes reads; all of them compute the same order.

    Args:
      order: `[steps, B]` row ids, the same in every process.
      process_index: of this process, from 0.
      process_count: P.

    Returns:
      `[steps, B / P]`; side by side, in the order of the processes, the slices are the batches of one process.

    Raises:
      InputError: B is no multiple of P, or the index is not among the processes.
    """
    if process_count < 1 or order.shape[1] % process_count:
        raise InputError(
            f"process_count: found {process_count} for batches of {order.shape[1]} rows, want a divisor of the batch"
        )
    if not 0 <= process_index < process_count:
        raise InputError(f"process_index: found {process_index}, want 0 to {process_count - 1}")
    share = order.shape[1] // process_count
    return order[:, process_index * share : (process_index + 1) * share]


def _batches(permutation: np.ndarray, batch_size: int) -> np.ndarray:
    steps = len(permutation) // batch_size
    return permutation[: steps * batch_size].astype(np.int32, copy=False).reshape(steps, batch_size)
