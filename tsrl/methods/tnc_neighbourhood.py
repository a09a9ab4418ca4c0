"""How far a window's neighbourhood reaches: as far as the series around it is stationary.

References: Tonekaboni, Eytan, Goldenberg (2021), TNC, arXiv 2106.00750, section 3; widths, thresholds and distances of
the released code.
"""

import warnings
from typing import NamedTuple

import numpy as np

from tsrl.errors import InputError

SIGNIFICANT = 0.01
# Neighbourhoods reach up to this many windows; others lie at least five neighbourhoods away.
WIDEST, APART = 3, 5


class Neighbourhoods(NamedTuple):
    """Centres of windows, for A anchors and M pairs of each.

    Attributes:
      anchors: `[A]`.
      neighbours: `[A, M]`.
      others: `[A, M]`, from beyond the neighbourhood.
    """

    anchors: np.ndarray
    neighbours: np.ndarray
    others: np.ndarray


def check_tests() -> None:
    """Refuses to go on without the library of the tests.

    Raises:
      InputError: says how to install it.
    """
    try:
        import statsmodels  # noqa: F401
    except ImportError as error:
        found = "tnc: found no statsmodels for its unit-root tests"
        raise InputError(f"{found}: pip install 'tsrl[stationarity]'") from error


def reach(x: np.ndarray, centre: int, window: int) -> int:
    """The neighbourhood's reach in windows: the first of 1, 2, 3 for which the series around it has a unit root.

    Args:
      x: `[T, C]`.
      centre: step.
      window: steps of a window; the tests see up to as many, twice and three times as many on each side.

    Returns:
      1 to 3; 3 where even the widest stretch is stationary: the mean p-value over channels is below 0.01.
    """
    for width in range(1, WIDEST + 1):
        part = x[max(centre - width * window, 0) : centre + width * window]
        if np.mean([unit_root_p(channel) for channel in part.T]) >= SIGNIFICANT:
            return width
    return WIDEST


def unit_root_p(x: np.ndarray) -> float:
    """The p-value of the augmented Dickey-Fuller test; 0.01 where it has none, as of a constant channel."""
    from statsmodels.tsa.stattools import adfuller

    if len(x) < 4 or np.ptp(x) == 0:
        return SIGNIFICANT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            p = float(adfuller(x)[1])
        except (ValueError, np.linalg.LinAlgError):
            # Too few steps for the lags, or a regression without a solution.
            return SIGNIFICANT
    return SIGNIFICANT if np.isnan(p) else p


def draw_neighbourhoods(
    x: np.ndarray, window: int, anchors: int, samples: int, random: np.random.Generator
) -> Neighbourhoods:
    """Draws anchors in a series, and neighbours and others of each.

    Args:
      x: `[T, C]`, T more than four windows.
      window: steps of a window.
      anchors: A, uniform at least two windows from both ends.
      samples: M. Neighbours are normal around the anchor, with a deviation of the neighbourhood's reach; others are
        uniform beyond five times that, on the longer side.
      random: makes the draws.
    """
    steps, half = len(x), window // 2
    centres = random.integers(2 * window, steps - 2 * window, anchors)
    near, far = [], []
    for centre in centres:
        wide = reach(x, int(centre), window)
        near.append(neighbours_of(int(centre), random.standard_normal(samples), wide, window, steps))
        low, high = others_range(int(centre), APART * wide * window, window, steps)
        far.append(random.integers(low, high, samples))
    # A window begins half of it before its centre.
    return Neighbourhoods(np.clip(centres, half, steps - half), np.stack(near), np.stack(far))


def neighbours_of(centre: int, normal: np.ndarray, reach: int, window: int, steps: int) -> np.ndarray:
    """Centres of neighbours from standard normal draws, such that their windows lie in the series."""
    drawn = (centre + normal * reach * window).astype(int)
    return np.clip(drawn, window // 2 + 1, steps - window + window // 2)


def others_range(centre: int, delta: int, window: int, steps: int) -> tuple[int, int]:
    """First and one past the last centre beyond `delta` steps, on the longer side of the anchor."""
    half = window // 2
    if centre > steps / 2:
        return half, max(centre - delta + 1, half + 1)
    return min(centre + delta, steps - window - 1), steps - half
