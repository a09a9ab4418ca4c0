"""How users differ from each other and from themselves: a unit's distance from its user's own past.

Units are normal around their user's mean, with one covariance for all (within); the users' means are normal around the
population's (between). Both covariances are estimated, and a user's mean is the posterior one: with a short history it
stays near the population's, and the covariance of the prediction is the wider. This is the two-covariance model of
speaker recognition, PLDA of full rank.

References: Ioffe 2006, Probabilistic Linear Discriminant Analysis, ECCV; Brümmer and de Villiers 2010, The speaker
partitioning problem, Odyssey; Efron and Morris 1973, Stein's Estimation Rule and Its Competitors, JASA 68(341).
"""

from dataclasses import dataclass

import numpy as np

# With fewer repeats of users than this, nothing is said about how a user varies.
_LEAST_REPEATS = 10
# With fewer users than this, they are taken to differ as much in all directions.
_LEAST_USERS = 10
# The smallest variance within users, as a share of the largest of all units: a user whose units are all alike would
# make anything infinitely far.
_SMALLEST_WITHIN = 1e-6


@dataclass(frozen=True, eq=False)
class History:
    """The model, in coordinates in which both covariances are diagonal.

    Attributes:
      centre: `[D]` the population's mean: of users, each counted once.
      axes: `[D, D]`; the coordinates are `(x - centre) @ axes`, with variance 1 within users.
      between: `[D]` variance of the users' means in these coordinates; 0 where users are not known to
        differ.
      users: `[G]` int64, rising.
      counts: `[G]` units of each.
      means: `[G, D]` their means, in these coordinates.
    """

    centre: np.ndarray
    axes: np.ndarray
    between: np.ndarray
    users: np.ndarray
    counts: np.ndarray
    means: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray, user: np.ndarray, *, shrink: float | None, rows: np.ndarray) -> "History":
        """Estimates the model.

        Args:
          x: `[U, D]` float64.
          user: `[U]` ints.
          shrink: see `covariance`.
          rows: `[R]` which units the covariances are estimated on; means take all.
        """
        users, codes, counts = np.unique(user, return_inverse=True, return_counts=True)
        means = _sums(x, codes, counts) / counts[:, None]
        centre = means.mean(0)
        repeats = _contrasts(x[rows], codes[rows])
        if len(repeats) < _LEAST_REPEATS:
            repeats, known = x[rows] - x[rows].mean(0), False
        else:
            known = len(users) > 1
        variances, directions = np.linalg.eigh(covariance(repeats, shrink))
        axes = directions / np.sqrt(np.maximum(variances, _SMALLEST_WITHIN * x[rows].var(0).max()))
        means = (means - centre) @ axes
        between = np.zeros(x.shape[1])
        if known:
            spread = covariance(means, shrink if len(users) >= _LEAST_USERS else 1.0) * len(users) / (len(users) - 1)
            variances, turn = np.linalg.eigh(spread)
            axes, means = axes @ turn, means @ turn
            # The means of n units vary by 1 / n by themselves.
            between = np.maximum(variances - (1 / counts).mean(), 0)
        return cls(centre, axes, between, users, counts, means)

    def distances(self, x: np.ndarray, user: np.ndarray) -> np.ndarray:
        """Squared distance of new units from what their user's history predicts.

        Args:
          x: `[M, D]` float64.
          user: `[M]` ints; unknown ones have no history.

        Returns:
          `[M]`; chi-squared with D degrees of freedom if the model holds, however long the history.
        """
        place = np.searchsorted(self.users, user).clip(0, len(self.users) - 1)
        count = np.where(self.users[place] == user, self.counts[place], 0)
        return self._distances((x - self.centre) @ self.axes, count, self.means[place])

    def distances_left_out(self, x: np.ndarray, user: np.ndarray) -> np.ndarray:
        """Squared distance of the model's own units from what the others of their user predict.

        Args:
          x: `[U, D]` those that the model was fitted to.
          user: `[U]`.

        Returns:
          `[U]`. The covariances and the population's mean still hold the unit.
        """
        place = np.searchsorted(self.users, user)
        y = (x - self.centre) @ self.axes
        count = self.counts[place]
        others = (count[:, None] * self.means[place] - y) / np.maximum(count - 1, 1)[:, None]
        return self._distances(y, count - 1, others)

    def _distances(self, y: np.ndarray, count: np.ndarray, mean: np.ndarray) -> np.ndarray:
        n = count[:, None]
        # Variance of the user's mean once n units are known.
        left = self.between / (1 + n * self.between)
        squares: np.ndarray = np.square(y - n * left * mean) / (1 + left)
        return np.asarray(squares.sum(1))


def covariance(x: np.ndarray, shrink: float | None) -> np.ndarray:
    """Covariance of rows whose mean is 0, shrunk towards a multiple of the identity.

    Args:
      x: `[N, D]` float64.
      shrink: weight of the identity, 0 to 1; default: Ledoit and Wolf's.

    Returns:
      `[D, D]`.

    References: Ledoit and Wolf 2004, A well-conditioned estimator for large-dimensional covariance matrices, Journal of
      Multivariate Analysis 88(2).
    """
    from sklearn.covariance import LedoitWolf, ShrunkCovariance

    if shrink is None:
        model = LedoitWolf(assume_centered=True, store_precision=False)
    else:
        model = ShrunkCovariance(assume_centered=True, store_precision=False, shrinkage=shrink)
    return np.asarray(model.fit(x).covariance_)


def _sums(x: np.ndarray, codes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """`[U, D] -> [G, D]`: sums over the units of each user."""
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.asarray(np.add.reduceat(x[np.argsort(codes, kind="stable")], starts, axis=0))


def _contrasts(x: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """`[U, D] -> [U - users, D]`: what is left of units without their user's mean, as independent rows.

    Each unit against the mean of its user's earlier ones, scaled to the variance of one unit (Helmert's contrasts).
    Their products add up to those of the deviations from the users' means. Deviations themselves depend on each other,
    two of a pair are even opposite, and Ledoit and Wolf's weight counts rows as independent.
    """
    order = np.argsort(codes, kind="stable")
    x, codes = x[order], codes[order]
    first = np.flatnonzero(np.diff(codes, prepend=-1))
    counts = np.diff(first, append=len(x))
    # Around their own mean the units of each user add up to 0, so that one running sum serves all users.
    x = x - np.repeat(np.add.reduceat(x, first, axis=0) / counts[:, None], counts, axis=0)
    later = np.arange(len(x)) > np.repeat(first, counts)
    n = (np.arange(len(x)) - np.repeat(first, counts))[later][:, None]
    before = (np.cumsum(x, axis=0) - x)[later]
    return np.asarray((x[later] - before / n) * np.sqrt(n / (n + 1)))
