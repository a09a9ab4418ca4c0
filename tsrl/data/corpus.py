"""Series of many kinds to pre-train on: synthetic ones, and slices of the training parts of data sets."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tsrl.data.named import load
from tsrl.data.synthetic import synthetic


def synthetic_corpus(count: int, length: int, seed: int = 0) -> np.ndarray:
    """Synthetic series of one channel, standardised: `[count, length, 1]` float32.

    Args:
      count: number of series.
      length: steps.
      seed: of all draws.
    """
    return standardised(synthetic(count, length, seed=seed).x)


def training_slices(
    names: Sequence[str], length: int, count: int, seed: int = 0, data_dir: Path | str | None = None
) -> np.ndarray:
    """Equally many series of the training part of every set, single channels at one length, standardised.

    No label and no test series is used. A channel is drawn with its series; missing steps inside are interpolated,
    those at the ends left out, and what is left is resampled linearly to `length`.

    Args:
      names: of sets of labelled series, see `tsrl.data.named.load`.
      length: steps.
      count: series of each set, drawn with replacement where it has fewer.
      seed: of the draws; those of a set depend on its name and not on the others.
      data_dir: the data folder; default: the environment variable TSRL_DATA_DIR.

    Returns:
      `[len(names) * count, length, 1]` float32.

    Raises:
      InputError: a set that is not found, or wrong.
    """
    parts = []
    for name in names:
        x = load(name, data_dir).x_train
        random = np.random.default_rng([seed, *name.encode()])
        rows, channels = x.shape[0], x.shape[2]
        # As many channels as series: of all pairs, each once before any twice.
        order = np.concatenate([random.permutation(rows * channels) for _ in range(-(-count // (rows * channels)))])
        parts += [_resampled(x[pair // channels, :, pair % channels], length) for pair in order[:count]]
    return standardised(np.stack(parts)[..., None])


def standardised(x: np.ndarray) -> np.ndarray:
    """Every series of every channel at mean 0 and deviation 1; those that do not vary are zeros."""
    centred = x - x.mean(1, keepdims=True)
    deviation = centred.std(1, keepdims=True)
    return (centred / np.where(deviation > 1e-8, deviation, 1)).astype(np.float32)


def _resampled(series: np.ndarray, length: int) -> np.ndarray:
    """`[T]` with missing steps as `[length]` without; zeros for one without any value."""
    known = np.flatnonzero(~np.isnan(series))
    if not len(known):
        return np.zeros(length)
    return np.interp(np.linspace(known[0], known[-1], length), known, series[known])
