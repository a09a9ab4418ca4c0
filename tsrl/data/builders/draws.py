"""The random splits of published code."""

from collections.abc import Mapping

import numpy as np

from tsrl.data.builders.spec import Rows

_SEED = 42


def split_64_16_20(x: np.ndarray, y: np.ndarray, group: np.ndarray) -> Mapping[str, Rows]:
    """A fifth for testing, then a fifth of the rest for validation, both by scikit-learn with seed 42.

    Args:
      x: `[N, T, C]` in the order of the published file, on which the draw depends.
      y: `[N]` class ids.
      group: `[N]`; the draw is by row and does not look at it.

    Returns:
      "train", "validation" and "test".

    References:
      The released preprocessing of Meng et al. 2023, MHCCL, arXiv 2212.01141.
    """
    from sklearn.model_selection import train_test_split

    rest, test = train_test_split(np.arange(len(x)), test_size=0.2, random_state=_SEED)
    train, validation = train_test_split(rest, test_size=0.2, random_state=_SEED)
    parts = {"train": train, "validation": validation, "test": test}
    return {split: Rows(x[index], y[index], group[index]) for split, index in parts.items()}
