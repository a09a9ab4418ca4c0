"""How evidence is weighed that a unit is somebody else's: from regular units alone, with other users as impostors."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tsrl.monitor.evidence import pooled
from tsrl.monitor.habits import Column, Habits
from tsrl.monitor.periods import Units
from tsrl.monitor.reference import Reference
from tsrl.monitor.scores import Settings

# Units that the weights are learned from; more hardly change them.
_MOST = 5_000
_MOST_EVENTS = 100_000
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
      event_weight: `[columns]`, the same of single events, which are noisier than means: none below 0.
      event_bias: of their log-odds.
    """

    mean: np.ndarray
    std: np.ndarray
    weight: np.ndarray
    bias: float
    event_weight: np.ndarray
    event_bias: float

    @classmethod
    def learn(
        cls, columns: Mapping[str, Column], user: np.ndarray, units: Units, reference: Reference, settings: Settings
    ) -> "Impostors":
        """Learns from the reference.

        The last third of each user's units is scored by the habits of the first two, once as what it is and some times
        as if it were another user's. Embeddings are compared with their users' others.

        Args:
          columns: of the log's events, see `habit_columns`.
          user: `[E]` their users.
          units: the reference's.
          reference: fitted to their embeddings.
          settings: `seed` of the draw of units and impostors, `fallback` of the habits.
        """
        from sklearn.linear_model import LogisticRegression

        random, count = np.random.default_rng(settings.seed), np.bincount(units.user, minlength=int(user.max()) + 1)
        place = np.arange(len(units.user)) - np.searchsorted(units.user, units.user)
        later = place >= np.ceil(count * 2 / 3)[units.user]
        others = np.flatnonzero(count)
        features = len(columns) + 1
        if len(others) < 2 or not later.any():
            # Nobody to be mistaken for: all evidence counts alike.
            alike = np.ones(features) / features
            return cls(np.zeros(features), np.ones(features), alike, 0.0, np.ones(features - 1), 0.0)
        earlier = units.take(~later).events()
        known = {name: column.take(earlier) for name, column in columns.items()}
        habits = Habits.learn(known, user[earlier], settings.fallback)
        chosen = random.permutation(np.flatnonzero(later))[:_MOST]
        judged = units.take(chosen)
        events, owner = judged.events(), judged.owner()
        judged = Units(judged.user, *_side_by_side(judged), judged.start)
        own = {name: column.take(events) for name, column in columns.items()}
        posed = [judged.user, *(_another(random, others, judged.user) for _ in range(_EACH))]
        label = np.arange(len(posed) * len(chosen)) >= len(chosen)

        of_events = [habits.ratios(own, whom[owner]) for whom in posed]
        ratios = np.concatenate([pooled(each, judged) for each in of_events])
        distance = [
            reference.own_leave_out()[chosen],
            *(reference.own(reference.z[chosen], whom) for whom in posed[1:]),
        ]
        x = np.hstack([ratios, np.log(np.concatenate(distance) + 1e-9)[:, None]])
        mean, std = x.mean(0), np.maximum(x.std(0), 1e-9)
        model = lambda: LogisticRegression(class_weight="balanced", C=1.0, max_iter=1000)  # noqa: E731
        fitted = model().fit((x - mean) / std, label)
        events_label = np.arange(len(of_events) * len(events)) >= len(events)
        every = np.concatenate(of_events)
        some = random.permutation(len(every))[:_MOST_EVENTS]
        weight = np.ones(len(columns))
        # Columns that would count for the impostor what speaks against it are left out, one after another.
        kept = np.arange(len(columns))
        single = None
        while len(kept):
            single = model().fit(every[some][:, kept], events_label[some])
            if (single.coef_[0] >= 0).all():
                break
            kept = kept[single.coef_[0] >= 0]
        if single is not None and len(kept):
            weight = np.zeros(len(columns))
            weight[kept] = single.coef_[0]
        bias = float(single.intercept_[0]) if single is not None and len(kept) else 0.0
        return cls(mean, std, fitted.coef_[0], float(fitted.intercept_[0]), weight, bias)

    def score_events(self, ratios: np.ndarray) -> np.ndarray:
        """Log-odds that single events are somebody else's, `[E]`, of their log-likelihood ratios `[E, columns]`."""
        return np.asarray(ratios @ self.event_weight + self.event_bias)

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
