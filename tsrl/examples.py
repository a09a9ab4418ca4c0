"""What one training example is: a series or a section of it, a window, or a row of a store."""

import numpy as np

from tsrl.data.scaling import Scaler
from tsrl.data.series import centre, prepare_train
from tsrl.data.store import Store
from tsrl.data.store.order import shuffled_order
from tsrl.errors import InputError
from tsrl.settings import Train
from tsrl.train.feed import Rows
from tsrl.types import Batch, as_batch


def whole_series(x: np.ndarray, train: Train) -> Batch:
    """Series, or sections of long ones, on the host.

    Args:
      x: `[N, T, C]` scaled series, NaN = missing.
      train: `max_train_length`, and `fill_batch`, which repeats the rows until there are as many as in a batch.
    """
    prepared = prepare_train(x, train.max_train_length)
    if train.fill_batch and len(prepared) < train.batch_size:
        prepared = np.tile(prepared, (-(-train.batch_size // len(prepared)), 1, 1))
    return as_batch(prepared, on_host=True)


def windows(x: np.ndarray, train: Train, horizon: int = 0) -> Rows:
    """All windows of the series that hold an observed step; cut out as they are needed.

    Args:
      x: `[N, T, C]` scaled series, NaN = missing.
      train: `window` and `window_step`.
      horizon: steps after the window that are its `target` `[B, H, C]`; 0 = none.

    Raises:
      InputError: windows longer than the series, or of one step; NaN where there are targets.
    """
    length, steps = train.window, x.shape[1]
    if length < 2 or train.window_step < 1:
        raise InputError(f"train.window, train.window_step: found {length}, {train.window_step}, want at least 2 and 1")
    if length + horizon > steps:
        targets = f" and {horizon} steps to forecast" if horizon else ""
        raise InputError(
            f"train.window: found {length}{targets} for series of {steps} steps; want at most {steps - horizon}"
        )
    if horizon and np.isnan(x).any():
        raise InputError("x: found missing values for a method that is trained to forecast them, want none")
    every = np.lib.stride_tricks.sliding_window_view(x, length + horizon, axis=1)[:, :: train.window_step]
    per_series = every.shape[1]
    # Of the windows, which hold an observed step: by sums, without making one.
    observed = np.pad(~np.isnan(x).any(-1), ((0, 0), (1, 0))).cumsum(1)
    seen = (observed[:, length:] - observed[:, :-length])[:, : steps - length - horizon + 1 : train.window_step] > 0
    places = np.flatnonzero(seen)

    def take(rows: np.ndarray) -> Batch:
        series, start = np.divmod(places[rows], per_series)
        cut = np.ascontiguousarray(every[series, start].swapaxes(1, 2))
        target = cut[:, length:] if horizon else None
        return as_batch(cut[:, :length], target=target, index=rows, on_host=True)

    def order(seed: int, epoch: int, batch_size: int) -> np.ndarray:
        return shuffled_order(seed, epoch, len(places), batch_size)

    return Rows(len(places), take, order, in_memory=True)


def rows_of(store: Store, scaler: Scaler | None) -> Rows:
    """The series of a store, prepared as `prepare_train` does but for the splitting."""

    def take(rows: np.ndarray) -> Batch:
        x = store.take(rows)
        x = x if scaler is None else scaler.apply(x)
        return as_batch(centre(x), index=rows, on_host=True)

    # As many rows are read ahead as a block of the order has, so that the groups of the next are read meanwhile.
    return Rows(len(store), take, store.order, store.cache_bytes)
