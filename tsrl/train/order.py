"""Which rows each step sees: a pure function of seed and epoch, so that a run can be resumed at any step."""

import numpy as np


def shuffled_order(seed: int, epoch: int, rows: int, batch_size: int) -> np.ndarray:
    """One pass over the data set in random batches, `[steps, B]` int32; an incomplete last batch is dropped."""
    permutation = np.random.default_rng((seed, epoch)).permutation(rows).astype(np.int32)
    steps = rows // batch_size
    return permutation[: steps * batch_size].reshape(steps, batch_size)
