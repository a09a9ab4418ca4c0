"""What a user does as a rule: counts of values, shrunk towards everyone's.

How much more usual an event is for everybody than for the user whose it is said to be is a log-likelihood ratio: of the
hypothesis that somebody else acts against the one that the user does. Own shares are posterior means under a Dirichlet
prior around everyone's, so that a new user is judged as everyone is; how many events the prior counts is chosen for
each column by the likelihood of each event of the reference given those before it (prequential, Dawid 1984).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tsrl.errors import InputError

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
# Added to every count of everyone's, so that what never came is possible.
_EVERYONE = 0.5


class Column(NamedTuple):
    """A column of codes, perhaps given another value.

    Attributes:
      value: `[E]` ints from 0 on, below `size`.
      size: K.
      given: `[E]` ints from 0 on, below `conditions`: the shares are of the events with the same one.
      conditions: how many there are.
      usual: `[E]` float64, log-probabilities of the values for everyone, from a model that knows more than counts; NaN
        where it does not know; None: nowhere. Counts stand for it there.
    """

    value: np.ndarray
    size: int
    given: np.ndarray | None = None
    conditions: int = 1
    usual: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> "Column":
        """Some of the events."""
        given = None if self.given is None else self.given[rows]
        return self._replace(
            value=self.value[rows], given=given, usual=None if self.usual is None else self.usual[rows]
        )


@dataclass(frozen=True)
class Counts:
    """How often each key came.

    Attributes:
      keys: `[K]` int64, ascending.
      counts: `[K]` float64.
    """

    keys: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray) -> "Counts":
        """Of keys in any order."""
        found, counts = np.unique(np.asarray(keys, np.int64), return_counts=True)
        return cls(found, counts.astype(np.float64))

    def __call__(self, keys: np.ndarray) -> np.ndarray:
        """The count of each, 0 where it never came."""
        if not len(self.keys):
            return np.zeros(len(keys))
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, self.counts[place], 0.0)

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
        keys, place = np.unique(np.concatenate([self.keys, other.keys]), return_inverse=True)
        return Counts(keys, np.bincount(place, np.concatenate([self.counts, other.counts]), len(keys)))


@dataclass(frozen=True)
class Habits:
    """Of every column, how often each value came, for everyone and for each user.

    Attributes:
      sizes: column -> number of values.
      conditions: column -> number of conditions.
      strength: column -> events that everyone's shares count beside a user's own.
      everyone: column -> two `Counts`: by condition and value, and by condition.
      own: column -> two `Counts`: by user, condition and value, and by user and condition.
    """

    sizes: Mapping[str, int]
    conditions: Mapping[str, int]
    strength: Mapping[str, float]
    everyone: Mapping[str, tuple[Counts, Counts]]
    own: Mapping[str, tuple[Counts, Counts]]

    @classmethod
    def learn(cls, columns: Mapping[str, Column], user: np.ndarray) -> "Habits":
        """Learns from reference events.

        Args:
          columns: of the events, those of a user in the order of time.
          user: `[E]` ints from 0 on.

        Raises:
          InputError: no events, or codes out of their range.
        """
        if not len(user):
            raise InputError("log: found no reference events, want some to learn habits from")
        strength, everyone, own = {}, {}, {}
        for name, column in columns.items():
            keys = _keys(name, column, user)
            everyone[name] = (Counts.of(keys.value), Counts.of(keys.given))
            own[name] = (Counts.of(keys.own_value), Counts.of(keys.own_given))
            usual = _usual(column, keys, everyone[name])
            before, before_given = _earlier(keys.own_value), _earlier(keys.own_given)
            # The first strength of equally likely ones is the weakest: little history is believed at once.
            likelihoods = [_log_own(before, before_given, usual, value).mean() for value in STRENGTHS]
            strength[name] = STRENGTHS[int(np.argmax(likelihoods))]
        sizes = {name: column.size for name, column in columns.items()}
        return cls(sizes, {name: column.conditions for name, column in columns.items()}, strength, everyone, own)

    def ratios(self, columns: Mapping[str, Column], user: np.ndarray) -> np.ndarray:
        """How much more usual each event is for everyone than for its user.

        Args:
          columns: of the events, as in `learn`.
          user: `[E]` ints; others than in `learn` have no history.

        Returns:
          `[E, columns]` float64, log-likelihood ratios in nats; below 0 for what the user does more often than others.

        Raises:
          InputError: other columns than in `learn`, or codes out of their range.
        """
        if {name: column.size for name, column in columns.items()} != dict(self.sizes):
            raise InputError(f"columns: found {', '.join(columns)}, want {', '.join(self.sizes)} of the sizes learned")
        made = []
        for name, column in columns.items():
            keys = _keys(name, column, user)
            usual = _usual(column, keys, self.everyone[name])
            value, given = self.own[name]
            made.append(usual - _log_own(value(keys.own_value), given(keys.own_given), usual, self.strength[name]))
        return np.stack(made, -1)

    def update(self, columns: Mapping[str, Column], user: np.ndarray) -> "Habits":
        """Habits that know further events too; the strengths stay."""
        everyone, own = dict(self.everyone), dict(self.own)
        for name, column in columns.items():
            keys = _keys(name, column, user)
            everyone[name] = (
                everyone[name][0].plus(Counts.of(keys.value)),
                everyone[name][1].plus(Counts.of(keys.given)),
            )
            own[name] = (own[name][0].plus(Counts.of(keys.own_value)), own[name][1].plus(Counts.of(keys.own_given)))
        return Habits(self.sizes, self.conditions, self.strength, everyone, own)

    def own_shares(self, name: str, user: int, given: int = 0) -> np.ndarray:
        """A user's shares of all values of a column, `[K]`, everyone's counted in."""
        size, conditions = self.sizes[name], self.conditions[name]
        values = np.arange(size)
        everyone, total = self.everyone[name]
        usual = (everyone(given * size + values) + _EVERYONE) / (total(np.array([given])) + _EVERYONE * size)
        own, own_total = self.own[name]
        at = user * conditions + given
        strength = self.strength[name]
        return (own(at * size + values) + strength * usual) / (own_total(np.array([at])) + strength)

    def arrays(self) -> dict[str, np.ndarray]:
        """What `restore` takes, beside `settings`."""
        made = {}
        for place, name in enumerate(self.sizes):
            tables = (*self.everyone[name], *self.own[name])
            for number, table in enumerate(tables):
                made[f"habits_{place}_{number}_keys"] = table.keys
                made[f"habits_{place}_{number}_counts"] = table.counts
        return made

    def settings(self) -> dict[str, dict[str, float]]:
        """JSON values."""
        return {name: dict(getattr(self, name)) for name in ("sizes", "conditions", "strength")}

    @classmethod
    def restore(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Mapping[str, float]]) -> "Habits":
        """From `arrays` and `settings`."""
        everyone, own = {}, {}
        for place, name in enumerate(settings["sizes"]):
            tables = [
                Counts(arrays[f"habits_{place}_{number}_keys"], arrays[f"habits_{place}_{number}_counts"])
                for number in range(4)
            ]
            everyone[name], own[name] = (tables[0], tables[1]), (tables[2], tables[3])
        sizes, conditions = ({n: int(v) for n, v in settings[key].items()} for key in ("sizes", "conditions"))
        return cls(sizes, conditions, dict(settings["strength"]), everyone, own)


class _Keys(NamedTuple):
    value: np.ndarray
    given: np.ndarray
    own_value: np.ndarray
    own_given: np.ndarray


def _keys(name: str, column: Column, user: np.ndarray) -> _Keys:
    value, given = np.asarray(column.value, np.int64), column.given
    given = np.zeros(len(value), np.int64) if given is None else np.asarray(given, np.int64)
    for what, codes, size in (("values", value, column.size), ("conditions", given, column.conditions)):
        if len(codes) and not 0 <= codes.min() <= codes.max() < size:
            raise InputError(f"{name}: found {what} {codes.min()} to {codes.max()}, want 0 to {size - 1}")
    own_given = np.asarray(user, np.int64) * column.conditions + given
    return _Keys(given * column.size + value, given, own_given * column.size + value, own_given)


def _usual(column: Column, keys: _Keys, everyone: tuple[Counts, Counts]) -> np.ndarray:
    """Log-probabilities of the values for everyone, `[E]`."""
    share = (everyone[0](keys.value) + _EVERYONE) / (everyone[1](keys.given) + _EVERYONE * column.size)
    counted = np.log(share)
    return counted if column.usual is None else np.where(np.isnan(column.usual), counted, column.usual)


def _log_own(count: np.ndarray, total: np.ndarray, usual: np.ndarray, strength: float) -> np.ndarray:
    """Log-probabilities of the values for their users, `[E]`."""
    return np.log((count + strength * np.exp(usual)) / (total + strength))


def _earlier(keys: np.ndarray) -> np.ndarray:
    """How often each key came before, `[E]`."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    begins = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(keys) else np.zeros(0, np.int64)
    lengths = np.diff(np.append(begins, len(keys)))
    made = np.empty(len(keys))
    made[order] = np.arange(len(keys)) - np.repeat(begins, lengths)
    return made
