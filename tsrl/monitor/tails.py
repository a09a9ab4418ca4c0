"""How rare a number is, also beyond all that was seen: quantiles, and an exponential tail above the highest tenth.

What is above a high threshold is exponential for light-tailed numbers (Pickands 1975, shape 0), which running sums with
a drift downwards have. The tail only has to rank: what alarms mean is calibrated on other units.
"""

from typing import NamedTuple

import numpy as np

_FROM = 0.9
_LEVELS = np.linspace(0, _FROM, 91)
# Of the size of the values: what is closer is equal.
_ROUNDING = 1e-12
# What is nearer to 0 is 0: a slope between two such numbers would overflow.
_NOTHING = 1e-250


class Tail(NamedTuple):
    """Of one number.

    Attributes:
      grid: `[91]` quantiles from 0 to 0.9.
      excess: mean by which the highest tenth is above the last of them.
    """

    grid: np.ndarray
    excess: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Tail":
        """Of regular units' values, one or more."""
        values = np.where(np.abs(values) < _NOTHING, 0.0, values)
        grid = np.quantile(values, _LEVELS)
        above, size = values[values > grid[-1]] - grid[-1], max(abs(float(grid[-1])), 1.0)
        excess = float(above.mean()) if len(above) else 0.0
        # Where the highest tenth is all alike, by its size: nothing is said of how it would go on.
        return cls(grid, excess if excess > _ROUNDING * size else size)

    def rarity(self, values: np.ndarray) -> np.ndarray:
        """Minus the logarithm of the share of regular units with as high a value, in nats."""
        grid, rarities = self._body()
        body = np.interp(values, grid, rarities)
        beyond = np.asarray(values) - self.grid[-1]
        return np.where(beyond > 0, -np.log1p(-_FROM) + beyond / self.excess, body)

    def value(self, rarity: float) -> float:
        """The value of a rarity; infinite for an infinite one. What is above is rarer: a value of this very rarity is
        not, however `rarity` was rounded."""
        if rarity > -np.log1p(-_FROM):
            found = float(self.grid[-1] + (rarity + np.log1p(-_FROM)) * self.excess)
        else:
            grid, rarities = self._body()
            found = float(np.interp(rarity, rarities, grid))
        return found + _ROUNDING * (abs(found) + float(np.abs(self.grid).max()) + self.excess)

    def _body(self) -> tuple[np.ndarray, np.ndarray]:
        """Different quantiles and their rarities; of what many units share, as a sum of 0, the least: no step there."""
        grid, first = np.unique(self.grid, return_index=True)
        return grid, -np.log1p(-_LEVELS)[first]

    def array(self) -> np.ndarray:
        """`[92]`: grid and excess, for `restore`."""
        return np.append(self.grid, self.excess)

    @classmethod
    def restore(cls, array: np.ndarray) -> "Tail":
        """From `array`."""
        return cls(array[:-1], float(array[-1]))
