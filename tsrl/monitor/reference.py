"""What regular embeddings look like: distances from the population, and of a unit from its user's own past."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tsrl.errors import InputError, check_whole
from tsrl.monitor.history import History
from tsrl.monitor.population import KINDS, Kind, Population
from tsrl.monitor.units import checked_units, checked_users

_SETTINGS = ("kinds", "neighbours", "shrink", "seed", "most")
# Scores of so many units are saved, to see whether those of the restored reference are the same.
_CHECKED = 16
_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Reference:
    """Embeddings of regular units, and scores of others by them. Made by `fit` or `restore`.

    Embeddings are standardised; where there are more than half as many dimensions as units, the first `units // 2`
    principal components stand for them, and what is unusual only beyond these is not seen. Covariances are Ledoit and
    Wolf's: they are well conditioned with few units, need no draws, and count all units. (The minimum covariance
    determinant asks for several times as many units as dimensions and leaves out up to half of the units, which may
    be a whole group of regular users.) The units are taken to be regular: nothing is left out as an outlier.

    Attributes:
      z: `[U, D]` the units' embeddings.
      user: `[U]` int64, whose they are.
      kinds: the columns of `population`.
      neighbours: of `knn`.
      shrink: weight of the identity in covariances; None: Ledoit and Wolf's.
      seed: of the forest and of the units that are drawn.
      most: units that the population is learned from; of more, so many are drawn. Histories take all.
      whole: what is learned of all units together.
      history: what is learned of each user.
    """

    z: np.ndarray
    user: np.ndarray
    kinds: tuple[Kind, ...]
    neighbours: int
    shrink: float | None
    seed: int
    most: int
    whole: Population = field(repr=False)
    history: History = field(repr=False)

    @classmethod
    def fit(
        cls,
        z: np.ndarray,
        user: np.ndarray,
        *,
        kinds: Sequence[Kind] = KINDS,
        neighbours: int = 10,
        shrink: float | None = None,
        seed: int = 0,
        most: int = 20_000,
    ) -> "Reference":
        """Learns from the embeddings of regular units.

        Args:
          z: `[U, D]` embeddings; copied.
          user: `[U]` ints from 0 up, whose they are; all different where nothing is known of users.
          kinds: which distances from the population: `mahalanobis`, `knn` (mean distance of the nearest units),
            `isolation_forest`.
          neighbours: of `knn`.
          shrink: weight of the identity in covariances, 0 to 1; default: Ledoit and Wolf's.
          seed: of the forest and of the units that are drawn.
          most: units that the population is learned from; of more, so many are drawn.

        Raises:
          InputError: not more units than neighbours, units that are all alike, values that are not finite, users that
            are not whole numbers from 0 up, settings out of range.
        """
        z = checked_units("z", z).copy()
        user = checked_users("user", user, len(z))
        check_whole("neighbours", neighbours, 1)
        check_whole("seed", seed, 0)
        check_whole("most", most, neighbours + 1)
        if len(z) <= neighbours:
            raise InputError(f"z: found {len(z)} units, want more than {neighbours}, the number of neighbours")
        if not kinds or len(set(kinds)) < len(kinds) or not set(kinds) <= set(KINDS):
            raise InputError(f"kinds: found {list(kinds)}, want some of {', '.join(KINDS)}, each once")
        if shrink is not None and not 0 <= shrink <= 1:
            raise InputError(f"shrink: found {shrink}, want a number from 0 to 1")
        whole = Population.fit(z, kinds=kinds, neighbours=neighbours, shrink=shrink, seed=seed, most=most)
        history = History.fit(whole.coordinates(z), user, shrink=shrink, rows=whole.rows)
        return cls(z, user, tuple(kinds), neighbours, shrink, seed, most, whole, history)

    def population(self, z: np.ndarray) -> np.ndarray:
        """How far units are from the population.

        Args:
          z: `[M, D]` embeddings of other units than the reference's, which would be their own neighbours.

        Returns:
          `[M, K]` float64, a column for each of `kinds`, high = unusual: squared Mahalanobis distance; mean Euclidean
          distance of the nearest units, in standard deviations of a dimension; Liu, Ting and Zhou's score, 0 to 1.

        Raises:
          InputError: another width, values that are not finite.

        References: Ramaswamy, Rastogi and Shim 2000, Efficient Algorithms for Mining Outliers, SIGMOD (nearest units);
          Liu, Ting and Zhou 2008, Isolation Forest, ICDM.
        """
        return self.whole.distances(self._coordinates(z))

    def own(self, z: np.ndarray, user: np.ndarray) -> np.ndarray:
        """How far units are from what their user's own past predicts, see `monitor/history.py`.

        Args:
          z: `[M, D]` embeddings of other units than the reference's; for those see `own_leave_out`.
          user: `[M]` ints from 0 up. One without a unit in the reference is measured by the population.

        Returns:
          `[M]` squared distances, high = unusual. Where users and units are normal they are chi-squared for long, short
          and no histories alike, so that users compare.

        Raises:
          InputError: as `population`; users that are not `[M]` whole numbers from 0 up.
        """
        x = self._coordinates(z)
        return self.history.distances(x, checked_users("user", user, len(x)))

    def own_leave_out(self) -> np.ndarray:
        """`[U]`: as `own`, of the reference's units, each by the other units of its user.

        A unit that is part of its user's mean would look too regular.
        """
        return self.history.distances_left_out(self._coordinates(self.z), self.user)

    def nearest(self, z: np.ndarray, k: int) -> np.ndarray:
        """Which units of the reference are most like other units.

        Args:
          z: `[M, D]` embeddings.
          k: how many.

        Returns:
          `[M, k]` ints, places in `self.z`, the nearest first; of the `most` units that were drawn where there are
          more.

        Raises:
          InputError: as `population`; more than there are.
        """
        check_whole("k", k, 1)
        if k > len(self.whole.rows):
            raise InputError(f"k: found {k}, want at most {len(self.whole.rows)}, the number of units")
        return self.whole.nearest(self._coordinates(z), k)

    def update(self, z: np.ndarray, user: np.ndarray) -> "Reference":
        """A reference with more units, learned anew: scores change, so that calibration units are to be scored again.

        Args:
          z: `[M, D]` embeddings of regular units.
          user: `[M]` ints from 0 up.

        Raises:
          InputError: as `fit`; another width.
        """
        z = self._checked(z)
        user = checked_users("user", user, len(z))
        return Reference.fit(np.concatenate([self.z, z]), np.concatenate([self.user, user]), **self._keywords())

    def arrays(self) -> dict[str, np.ndarray]:
        """What `restore` takes, by name: the units, their users, and the scores of a few."""
        return {"z": self.z, "user": self.user, "scores": self._some_scores()}

    def settings(self) -> dict[str, Any]:
        """What `restore` takes, as JSON can hold it."""
        return self._keywords() | {"kinds": list(self.kinds)}

    @classmethod
    def restore(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> "Reference":
        """The reference of which these are `arrays` and `settings`.

        It is learned anew, with the same seed, rather than read from the bytes of library objects, which would run code
        and belong to one version of the library. On the same machine and versions scores are equal.

        Raises:
          InputError: a name that is missing or unknown; what `fit` refuses; scores that are not those of the saved
            reference, because another version of scikit-learn draws or divides otherwise: its calibration is void.
        """
        for name, found, wanted in (
            ("arrays", set(arrays), {"z", "user", "scores"}),
            ("settings", set(settings), set(_SETTINGS)),
        ):
            if found != wanted:
                raise InputError(f"{name}: found {', '.join(sorted(found))}, want {', '.join(sorted(wanted))}")
        made = cls.fit(arrays["z"], arrays["user"], **settings)
        scores, wanted_scores = made._some_scores(), np.asarray(arrays["scores"])
        if scores.shape != wanted_scores.shape or not np.allclose(scores, wanted_scores, rtol=_TOLERANCE, atol=1e-6):
            raise InputError(
                "arrays: found scores other than those that were saved with the reference, want the same: fit and"
                " calibrate it anew with this version of scikit-learn"
            )
        return made

    def _keywords(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _SETTINGS}

    def _some_scores(self) -> np.ndarray:
        z, user = self.z[:_CHECKED], self.user[:_CHECKED]
        return np.column_stack([self.population(z), self.own(z, user)])

    def _checked(self, z: np.ndarray) -> np.ndarray:
        z = checked_units("z", z)
        if z.shape[1] != self.z.shape[1]:
            raise InputError(f"z: found {z.shape[1]} dimensions, want {self.z.shape[1]}, those of the reference")
        return z

    def _coordinates(self, z: np.ndarray) -> np.ndarray:
        return self.whole.coordinates(self._checked(z))
