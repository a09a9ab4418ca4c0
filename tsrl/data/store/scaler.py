"""Standardising the series of a store, whose statistics take one pass in bounded memory."""

import numpy as np

from tsrl.data.scaling import Scaler
from tsrl.data.store.read import Store


def store_scaler(store: Store) -> Scaler:
    """The mean and population standard deviation of each channel over all observed values.

    Args:
      store: read once, a row group at a time.

    Returns:
      What `Scaler.of` returns of the same series in an array, but for the rounding of float64 sums.

    Raises:
      InputError: a damaged row group.

    References: Chan, Golub and LeVeque (1979), Updating formulae and a pairwise algorithm for computing sample
    variances: counts, means and sums of squared deviations of two parts give those of the whole.
    """
    count, mean, squares = (np.zeros(store.channels) for _ in range(3))
    for first, end in zip(store.starts, store.starts[1:], strict=False):
        values = store.take(np.arange(first, end)).reshape(-1, store.channels)
        observed = ~np.isnan(values)
        own_count = observed.sum(0)
        own_mean = values.sum(0, dtype=np.float64, where=observed) / own_count.clip(1)
        own_squares = np.square(values - own_mean).sum(0, where=observed)
        total = count + own_count
        apart = own_mean - mean
        mean = mean + apart * own_count / total.clip(1)
        squares = squares + own_squares + apart**2 * count * own_count / total.clip(1)
        count = total
    std = np.sqrt(squares / count.clip(1)).astype(np.float32)
    return Scaler(mean.astype(np.float32), np.where(std > 0, std, np.float32(1)))
