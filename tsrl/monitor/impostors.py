"""How evidence is weighed that a unit is somebody else's: from regular units alone, with other users as impostors."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tsrl.monitor.evidence import pooled
from tsrl.monitor.habits import Column, Habits
from tsrl.monitor.periods import Units
from tsrl.monitor.reference import Reference

# Units that the weights are learned from; more hardly change them.
_MOST = 5_000
# Impostors of each unit.
_EACH = 3


@dataclass(frozen=True)
class Impostors:
    """Weights of a logistic regression, of standardised evidence.

    Attributes:
      mean: `[F]` of the evidence of genuine units and impostors.
      std: `[F]`.
      weight: `[F]`: one for the mean log-likelihood ratio of each column of habits, the last for the logarithm of the
        embedding's distance from the user's own.
      bias: of the log-odds.
    """

    mean: np.ndarray
    std: np.ndarray
    weight: np.ndarray
    bias: float

    @classmethod
    def learn(
        cls, columns: Mapping[str, Column], user: np.ndarray, units: Units, reference: Reference, seed: int
    ) -> "Impostors":
        """Learns from the reference.

        The last third of each user's units is scored by the habits of the first two, once as what it is and some times
        as if it were another user's. Embeddings are compared with their users' others.

        Args:
          columns: of the log's events, see `habit_columns`.
          user: `[E]` their users.
          units: the reference's.
          reference: fitted to their embeddings.
          seed: of the draw of units and impostors.
        """
        from sklearn.linear_model import LogisticRegression

        random, count = np.random.default_rng(seed), np.bincount(units.user, minlength=int(user.max()) + 1)
        place = np.arange(len(units.user)) - np.searchsorted(units.user, units.user)
        later = place >= np.ceil(count * 2 / 3)[units.user]
        others = np.flatnonzero(count)
        features = len(columns) + 1
        if len(others) < 2 or not later.any():
            # Nobody to be mistaken for: all evidence counts alike.
            return cls(np.zeros(features), np.ones(features), np.ones(features) / features, 0.0)
        earlier = units.take(~later).events()
        habits = Habits.learn({name: column.take(earlier) for name, column in columns.items()}, user[earlier])
        chosen = random.permutation(np.flatnonzero(later))[:_MOST]
        judged = units.take(chosen)
        events, owner = judged.events(), judged.owner()
        judged = Units(judged.user, *_side_by_side(judged), judged.start)
        own = {name: column.take(events) for name, column in columns.items()}
        posed = [judged.user, *(_another(random, others, judged.user) for _ in range(_EACH))]
        label = np.arange(len(posed) * len(chosen)) >= len(chosen)

        ratios = np.concatenate([pooled(habits.ratios(own, whom[owner]), judged) for whom in posed])
        distance = [
            reference.own_leave_out()[chosen],
            *(reference.own(reference.z[chosen], whom) for whom in posed[1:]),
        ]
        x = np.hstack([ratios, np.log(np.concatenate(distance) + 1e-9)[:, None]])
        mean, std = x.mean(0), np.maximum(x.std(0), 1e-9)
        fitted = LogisticRegression(class_weight="balanced", C=1.0, max_iter=1000).fit((x - mean) / std, label)
        return cls(mean, std, fitted.coef_[0], float(fitted.intercept_[0]))

    @property
    def by_event(self) -> np.ndarray:
        """`[columns]` how much the log-likelihood ratio of each column of an event counts; none of them below 0, 1 on
        average."""
        weight = np.maximum(self.weight[:-1] / self.std[:-1], 0)
        return weight / weight.mean() if weight.any() else np.ones(len(weight))

    def score(self, ratios: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """Log-odds that units are somebody else's, `[U]`.

        Args:
          ratios: `[U, columns]`, means over the events of a unit.
          distance: `[U]`, see `Reference.own`.
        """
        x = np.concatenate([ratios, np.log(distance + 1e-9)[:, None]], -1)
        return np.asarray((x - self.mean) / self.std @ self.weight + self.bias)


def _side_by_side(units: Units) -> tuple[np.ndarray, np.ndarray]:
    """First and end of each unit among the events of all."""
    lengths = units.end - units.first
    end = np.cumsum(lengths)
    return end - lengths, end


def _another(random: np.random.Generator, users: np.ndarray, own: np.ndarray) -> np.ndarray:
    """A user other than each unit's own."""
    place = np.searchsorted(users, own)
    return np.asarray(users[(place + random.integers(1, len(users), len(own))) % len(users)])
