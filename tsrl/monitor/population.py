"""Distances of embeddings from a population of regular ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from tsrl.errors import InputError
from tsrl.monitor.history import covariance

Kind = Literal["mahalanobis", "knn", "isolation_forest"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# A dimension that deviates less than this, as a share of the one that deviates most, is not stretched further.
_SMALLEST_STD = 1e-3
# So many units for each dimension at least; more dimensions are cut by principal components.
_UNITS_A_DIMENSION = 2
# The smallest variance, as a share of the largest: without shrinkage, dimensions that depend on each other have none.
_SMALLEST_VARIANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Population:
    """What is learned of the units as a whole, see `Reference`.

    Attributes:
      kinds: the columns of `distances`.
      neighbours: of `knn`.
      rows: `[R]` which units it is learned from, rising.
      centre: `[D]` their mean.
      scale: `[D]` their standard deviation.
      axes: `[D, D']` principal components, or the identity.
      whitener: `[D', D']`; Mahalanobis' distance is the length of what it makes of a point.
      index: scikit-learn's NearestNeighbors.
      forest: scikit-learn's IsolationForest, if it is asked for.
    """

    kinds: tuple[Kind, ...]
    neighbours: int
    rows: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    whitener: np.ndarray
    index: Any
    forest: Any

    @classmethod
    def fit(
        cls, z: np.ndarray, *, kinds: Sequence[Kind], neighbours: int, shrink: float | None, seed: int, most: int
    ) -> "Population":
        """Learns from `[U, D]` finite embeddings; the settings are those of `Reference`.

        Raises:
          InputError: units that are all alike.
        """
        from sklearn.decomposition import PCA
        from sklearn.ensemble import IsolationForest
        from sklearn.neighbors import NearestNeighbors

        rows = np.arange(len(z))
        if len(z) > most:
            rows = np.sort(np.random.default_rng(seed).choice(len(z), most, replace=False))
        sample = z[rows].astype(np.float64)
        centre, scale = sample.mean(0), sample.std(0)
        # The deviation of equal numbers may be a rounding error.
        if scale.max() <= 1e-12 * np.abs(centre).max():
            raise InputError("z: found units that are all alike, want embeddings that vary")
        scale = np.maximum(scale, _SMALLEST_STD * scale.max())
        x, axes = (sample - centre) / scale, np.eye(z.shape[1])
        if len(rows) < _UNITS_A_DIMENSION * z.shape[1]:
            # Not the randomised solver, which is for components far fewer than these.
            axes = PCA(len(rows) // _UNITS_A_DIMENSION, svd_solver="full").fit(x).components_.T
            x = x @ axes
        variances, directions = np.linalg.eigh(covariance(x, shrink))
        whitener = directions / np.sqrt(np.maximum(variances, _SMALLEST_VARIANCE * variances.max()))
        forest = IsolationForest(random_state=seed).fit(x) if "isolation_forest" in kinds else None
        index = NearestNeighbors(n_neighbors=neighbours).fit(x)
        return cls(tuple(kinds), neighbours, rows, centre, scale, axes, whitener, index, forest)

    def coordinates(self, z: np.ndarray) -> np.ndarray:
        """`[M, D] -> [M, D']` float64: standardised, and cut to the principal components where there are any."""
        return np.asarray(((z.astype(np.float64) - self.centre) / self.scale) @ self.axes)

    def distances(self, x: np.ndarray) -> np.ndarray:
        """`[M, D']` coordinates `-> [M, K]`, a column for each kind, see `Reference.population`."""
        made = np.zeros((len(x), len(self.kinds)))
        # scikit-learn refuses to score nothing.
        for column, kind in enumerate(self.kinds if len(x) else ()):
            if kind == "mahalanobis":
                made[:, column] = np.square(x @ self.whitener).sum(1)
            elif kind == "knn":
                made[:, column] = self.index.kneighbors(x, self.neighbours)[0].mean(1)
            else:
                made[:, column] = -self.forest.score_samples(x)
        return made

    def nearest(self, x: np.ndarray, k: int) -> np.ndarray:
        """`[M, D']` coordinates `-> [M, k]`: places of the nearest among all units, the nearest first."""
        if not len(x):
            return np.zeros((0, k), np.int64)
        return np.asarray(self.rows[self.index.kneighbors(x, k, return_distance=False)])
