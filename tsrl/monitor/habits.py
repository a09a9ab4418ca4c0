"""What a user does as a rule: counts of values, shrunk towards everyone's.

How much more usual an event is for everybody than for the user whose it is said to be is a log-likelihood ratio: of the
hypothesis that somebody else acts against the one that the user does. Shares of a user are mixed with everyone's as
Witten and Bell mix: the more different values a user has had, the likelier is a new one, so that novelty is held
against nobody who always tries new things, and a user without a past is judged as everyone is. Shares given another
value fall back on those that are not, a user's on the user's own.

References: Witten, Bell (1991), The Zero-Frequency Problem, IEEE Transactions on Information Theory 37(4), method C.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from tsrl.errors import InputError

# See `monitor.Settings`; chosen in `experiments/behaviour.py unix`.
FALLBACK = 3.0
# A column that changes at fewer events is slow.
_CHANGES = 0.5
# Added to every count of everyone's, so that what never came is possible.
_EVERYONE = 0.5


class Column(NamedTuple):
    """A column of codes, perhaps given another value.

    Attributes:
      value: `[E]` ints from 0 on, below `size`.
      size: K.
      given: `[E]` ints from 0 on, below `conditions`: the shares are of the events with the same one.
      conditions: how many there are.
      news: `[E]` bool, whether the value is another than at the event before; None: always.
    """

    value: np.ndarray
    size: int
    given: np.ndarray | None = None
    conditions: int = 1
    news: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> "Column":
        """Some of the events."""
        given, news = (None if part is None else part[rows] for part in (self.given, self.news))
        return self._replace(value=self.value[rows], given=given, news=news)


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


class Table(NamedTuple):
    """Counts of values within groups: of a group and a value, of a group, and of the different values of a group."""

    values: Counts
    groups: Counts
    kinds: Counts

    @classmethod
    def of(cls, values: Counts, size: int) -> "Table":
        """From the counts of the keys `group * size + value`."""
        group, place = np.unique(values.keys // size, return_inverse=True)
        total = np.bincount(place, values.counts, len(group)) if len(group) else np.zeros(0)
        kinds = np.bincount(place, minlength=len(group)).astype(np.float64) if len(group) else np.zeros(0)
        return cls(values, Counts(group, total), Counts(group, kinds))

    def shares(
        self, group: np.ndarray, value: np.ndarray, size: int, otherwise: np.ndarray, fallback: float
    ) -> np.ndarray:
        """The share of each value in its group, mixed with others `[E]`; all of these for a group without counts."""
        total, weight = self.groups(group), fallback * self.kinds(group)
        known = total > 0
        mixed = (self.values(group * size + value) + weight * otherwise) / np.where(known, total + weight, 1.0)
        return np.where(known, mixed, otherwise)


@dataclass(frozen=True)
class Habits:
    """Of every column, how often each value came, for everyone and for each user.

    Attributes:
      sizes: column -> number of values.
      conditions: column -> number of conditions.
      slow: the columns whose value mostly stays, such as a device or the hour: only its changes are evidence, since all
        events of a session would say the same again.
      tables: column -> four `Table`s: everyone's values; everyone's given the condition; each user's; each user's given
        the condition. Those with a condition are the ones without where there is none.
      fallback: see `monitor.Settings`.
    """

    sizes: Mapping[str, int]
    conditions: Mapping[str, int]
    slow: tuple[str, ...]
    tables: Mapping[str, tuple[Table, Table, Table, Table]]
    fallback: float

    @classmethod
    def learn(cls, columns: Mapping[str, Column], user: np.ndarray, fallback: float = FALLBACK) -> "Habits":
        """Learns from reference events.

        Args:
          columns: of the events.
          user: `[E]` ints from 0 on.
          fallback: see `monitor.Settings`.

        Raises:
          InputError: no events, or codes out of their range.
        """
        if not len(user):
            raise InputError("log: found no reference events, want some to learn habits from")
        sizes = {name: column.size for name, column in columns.items()}
        conditions = {name: column.conditions for name, column in columns.items()}
        tables = {
            name: _tables(
                tuple(Counts.of(group * column.size + column.value) for group in _groups(name, column, user)),
                column.size,
            )
            for name, column in columns.items()
        }
        slow = [name for name, column in columns.items() if column.news is not None and column.news.mean() < _CHANGES]
        return cls(sizes, conditions, tuple(slow), tables, fallback)

    def ratios(self, columns: Mapping[str, Column], user: np.ndarray) -> np.ndarray:
        """How much more usual each event is for everyone than for its user.

        Args:
          columns: of the events, as in `learn`.
          user: `[E]` ints; others than in `learn` have no history.

        Returns:
          `[E, columns]` float64, log-likelihood ratios in nats; below 0 for what the user does more often than others,
          0 where the value of a slow column stays.

        Raises:
          InputError: other columns than in `learn`, or codes out of their range.
        """
        if {name: column.size for name, column in columns.items()} != dict(self.sizes):
            raise InputError(f"columns: found {', '.join(columns)}, want {', '.join(self.sizes)} of the sizes learned")
        made = []
        for name, column in columns.items():
            value = np.asarray(column.value, np.int64)
            usual, own = self._shares(name, value, _groups(name, column, user))
            ratio = np.log(usual) - np.log(own)
            made.append(np.where(column.news, ratio, 0.0) if name in self.slow and column.news is not None else ratio)
        return np.stack(made, -1)

    def _shares(self, name: str, value: np.ndarray, groups: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Everyone's and the user's shares of values."""
        size = self.sizes[name]
        every, every_given, own, own_given = self.tables[name]
        total = every.groups(groups[0])
        usual = (every.values(groups[0] * size + value) + _EVERYONE) / (total + _EVERYONE * size)
        self_share = own.shares(groups[2], value, size, usual, self.fallback)
        if self.conditions[name] == 1:
            return usual, self_share
        usual_given = every_given.shares(groups[1], value, size, usual, self.fallback)
        # Without any past a user is judged as everyone is, with the condition too.
        otherwise = np.where(own.groups(groups[2]) > 0, self_share, usual_given)
        return usual_given, own_given.shares(groups[3], value, size, otherwise, self.fallback)

    def update(self, columns: Mapping[str, Column], user: np.ndarray) -> "Habits":
        """Habits that know further events too."""
        tables = {}
        for name, column in columns.items():
            new = (Counts.of(group * column.size + column.value) for group in _groups(name, column, user))
            both = tuple(table.values.plus(counts) for table, counts in zip(self.tables[name], new, strict=True))
            tables[name] = _tables(both, column.size)
        return replace(self, tables=tables)

    def own_shares(self, name: str, user: int, given: int = 0) -> np.ndarray:
        """A user's shares of all values of a column, `[K]`, everyone's mixed in."""
        value = np.arange(self.sizes[name])
        column = Column(value, self.sizes[name], np.full(len(value), given), self.conditions[name])
        return self._shares(name, value, _groups(name, column, np.full(len(value), user)))[1]

    def arrays(self) -> dict[str, np.ndarray]:
        """What `restore` takes, beside `settings`."""
        made = {}
        for place, name in enumerate(self.sizes):
            for number, table in enumerate(self.tables[name]):
                made[f"habits_{place}_{number}_keys"] = table.values.keys
                made[f"habits_{place}_{number}_counts"] = table.values.counts
        return made

    def settings(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "sizes": dict(self.sizes),
            "conditions": dict(self.conditions),
            "slow": list(self.slow),
            "fallback": self.fallback,
        }

    @classmethod
    def restore(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> "Habits":
        """From `arrays` and `settings`."""
        tables = {}
        for place, (name, size) in enumerate(settings["sizes"].items()):
            held = tuple(
                Counts(arrays[f"habits_{place}_{number}_keys"], arrays[f"habits_{place}_{number}_counts"])
                for number in range(4)
            )
            tables[name] = _tables(held, size)
        slow, fallback = tuple(settings["slow"]), float(settings["fallback"])
        return cls(dict(settings["sizes"]), dict(settings["conditions"]), slow, tables, fallback)


def _tables(counts: tuple[Counts, ...], size: int) -> tuple[Table, Table, Table, Table]:
    first, second, third, fourth = (Table.of(one, size) for one in counts)
    return first, second, third, fourth


def _groups(name: str, column: Column, user: np.ndarray) -> tuple[np.ndarray, ...]:
    """The group of each event in each of the four tables."""
    given, user = column.given, np.asarray(user, np.int64)
    none = np.zeros(len(column.value), np.int64)
    given = none if given is None else np.asarray(given, np.int64)
    for what, codes, size in (("values", column.value, column.size), ("conditions", given, column.conditions)):
        if len(codes) and not 0 <= codes.min() <= codes.max() < size:
            raise InputError(f"{name}: found {what} {codes.min()} to {codes.max()}, want 0 to {size - 1}")
    return none, given, user, user * column.conditions + given
