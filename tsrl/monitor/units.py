"""Checks of what describes units: embeddings and the users they belong to."""

import numpy as np

from tsrl.errors import InputError


def checked_units(name: str, z: np.ndarray) -> np.ndarray:
    """Embeddings of units as floats; float32 stays what it is.

    Args:
      name: of the argument, for messages.
      z: `[U, D]` numbers.

    Returns:
      `[U, D]` of the same float type, integers as float64.

    Raises:
      InputError: another rank, no dimensions, NaN or infinity.
    """
    z = np.asarray(z)
    if z.ndim != 2 or not z.shape[1] or z.dtype.kind not in "fiu":
        raise InputError(f"{name}: found shape {z.shape} of {z.dtype}, want [U, D] of numbers, D above 0")
    if z.dtype not in (np.float32, np.float64):
        z = z.astype(np.float64)
    wrong = ~np.isfinite(z).all(1)
    if wrong.any():
        raise InputError(f"{name}: found NaN or infinity in {wrong.sum()} of {len(z)} units, want finite numbers")
    return z


def checked_users(name: str, user: np.ndarray, count: int) -> np.ndarray:
    """The users of `count` units as int64.

    Args:
      name: of the argument, for messages.
      user: `[count]` ints from 0 up.
      count: units.

    Returns:
      `[count]` int64.

    Raises:
      InputError: another shape, what is no whole number, a negative one.
    """
    user = np.asarray(user)
    if user.shape != (count,) or (count and user.dtype.kind not in "iu"):
        raise InputError(f"{name}: found shape {user.shape} of {user.dtype}, want [{count}] of whole numbers")
    if count and user.min() < 0:
        raise InputError(f"{name}: found {user.min()}, want whole numbers from 0 up")
    return user.astype(np.int64)
