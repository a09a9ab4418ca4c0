"""Draws of a test part that keep together what belongs together."""

import hashlib

import numpy as np


def drawn(units: np.ndarray, labels: np.ndarray | None, share: float, seed: int) -> np.ndarray:
    """Which rows are for test: whole units, of each label its share, but never all of its units.

    Args:
      units: `[N]` of any kind; rows of one unit stay together.
      labels: `[N]` of any kind, or None. They count where the test part has room for all of them.
      share: of the rows that are wanted for test; nearly, for units are whole.
      seed: of the draw.

    Returns:
      `[N]` bool, some True and some False where there are two units or more.
    """
    random = np.random.default_rng(seed)
    names, first, unit = np.unique(units, return_index=True, return_inverse=True)
    sizes = np.bincount(unit)
    kinds = np.zeros(len(names), np.int64)
    if labels is not None:
        known, kind = np.unique(labels, return_inverse=True)
        if len(known) <= share * len(labels):
            kinds = kind[first]
    chosen = np.zeros(len(names), bool)
    for kind in np.unique(kinds):
        members = random.permutation(np.flatnonzero(kinds == kind))
        wanted = share * sizes[members].sum()
        taken = 0
        for member in members[1:]:
            # A unit is taken where that brings the number of rows closer to the share.
            if taken + sizes[member] / 2 <= wanted:
                chosen[member] = True
                taken += sizes[member]
    if not chosen.any() and len(names) > 1:
        chosen[sizes.argmin()] = True
    return chosen[unit]


def equal_series(x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The first series equal to each, in every value and in length.

    Args:
      x: `[N, T, C]` float32, NaN = missing or beyond the end.
      lengths: `[N]` steps.

    Returns:
      `[N]` int64 rows of x; a series that is equal to none before it has its own.
    """
    first: dict[bytes, int] = {}
    equal = np.arange(len(x))
    for row, (series, length) in enumerate(zip(x, lengths, strict=True)):
        digest = hashlib.blake2b(np.ascontiguousarray(series[:length]).tobytes(), digest_size=16).digest()
        equal[row] = first.setdefault(digest, row)
    return equal
