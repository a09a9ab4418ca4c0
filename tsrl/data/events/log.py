"""A log of events in columns, the events of each sequence side by side."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tsrl.errors import InputError, check_whole, nearest

_MICROSECONDS = 1e6


@dataclass(frozen=True)
class EventColumns:
    """What the columns of a table of events mean.

    Attributes:
      user: column of who acted.
      action: column of what was done, text or numbers as names.
      time: column of when: dates, or numbers in a unit of their own; None: the rows of a user are in order.
      categorical: further columns of names.
      numeric: columns of numbers.
      timezone: see `tsrl.data.tables.Table`, as the rest.
      time_format: of dates in text.
      encoding: of a text file.
      delimiter: between the cells of a .csv file.
      decimal: point of the numbers in a .csv file.
      missing: further spellings of an empty cell in a .csv file.
    """

    user: str = "user"
    action: str = "action"
    time: str | None = "time"
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    timezone: str | None = None
    time_format: str | None = None
    encoding: str = "utf-8"
    delimiter: str = ","
    decimal: str = "."
    missing: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of names, the action first."""
        return (self.action, *self.categorical)


class Names(NamedTuple):
    """A column of names.

    Attributes:
      codes: `[E]` int32, index into `values`; -1 = missing.
      values: `[K]` text.
    """

    codes: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class EventLog:
    """Sequences of events, each in the order of time.

    Attributes:
      users: `[N]` int64 or text, whose each sequence is; a user has several after `sessions`.
      starts: `[N + 1]` int64, where the events of each begin in the columns, and their number at last.
      time: `[E]` int64 microseconds since 1970, or float64 numbers in a unit of their own; None without time.
      names: column -> `Names`, the action first.
      numbers: column -> `[E]` float64, NaN = missing.
      calendar: the times are dates.
      zone: "UTC", or None where dates are in a zone of their own.
      notes: what was found and done when it was read, in words.
    """

    users: np.ndarray
    starts: np.ndarray
    time: np.ndarray | None
    names: Mapping[str, Names]
    numbers: Mapping[str, np.ndarray]
    calendar: bool = False
    zone: str | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """N, the number of sequences."""
        return len(self.users)

    @property
    def events(self) -> int:
        """E, the number of events."""
        return int(self.starts[-1])

    @property
    def lengths(self) -> np.ndarray:
        """`[N]` events of each sequence; none may be left after a cut."""
        return np.diff(self.starts)

    @property
    def action(self) -> str:
        """The column of actions."""
        return next(iter(self.names))

    @property
    def owner(self) -> np.ndarray:
        """`[E]` int64, the sequence of each event."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def seconds(self) -> np.ndarray:
        """`[E]` float64 times; dates as seconds since 1970, numbers in their own unit.

        Raises:
          InputError: a log without time.
        """
        if self.time is None:
            raise InputError("time: found a log without times, want a column of them")
        return self.time / _MICROSECONDS if self.calendar else self.time.astype(np.float64)

    def since_previous(self) -> np.ndarray:
        """`[E]` float64 seconds (or the times' own unit) since the sequence's event before; NaN for its first."""
        gaps = np.diff(self.seconds(), prepend=np.nan)
        gaps[self.starts[:-1][self.lengths > 0]] = np.nan
        return gaps

    def take(self, sequences: Any) -> "EventLog":
        """Some of the sequences.

        Args:
          sequences: `[M]` their numbers, in any order; or a `[N]` bool.
        """
        chosen = np.asarray(sequences)
        # An empty list would be one of floats.
        chosen = np.arange(len(self))[chosen if chosen.size else chosen.astype(np.int64)]
        rows = ranges(self.starts[chosen], self.lengths[chosen])
        return self._of(rows, self.users[chosen], self.lengths[chosen])

    def keep(self, events: np.ndarray) -> "EventLog":
        """Only the events that are True in `events` `[E]`; all sequences stay, if without events."""
        kept = np.asarray(events, bool)
        lengths = np.bincount(self.owner[kept], minlength=len(self))
        return self._of(np.flatnonzero(kept), self.users, lengths)

    def heads(self, count: int) -> "EventLog":
        """The first `count` events of each sequence."""
        check_whole("count", count, 1)
        return self.keep(np.arange(self.events) - np.repeat(self.starts[:-1], self.lengths) < count)

    def before(self, moment: Any) -> "EventLog":
        """The events before a moment: `numpy.datetime64` or ISO 8601 for dates, else a number."""
        return self.keep(self._times() < self.moment(moment))

    def since(self, moment: Any) -> "EventLog":
        """The events from a moment on, see `before`."""
        return self.keep(self._times() >= self.moment(moment))

    def without(self, values: Sequence[str], column: str | None = None) -> "EventLog":
        """Leaves out the events with any of some values, such as those that are to be predicted.

        Args:
          values: names in the column.
          column: of names; default: the action.

        Raises:
          InputError: no such column, or a value that it never has.
        """
        column = self.action if column is None else column
        if column not in self.names:
            raise InputError(f"column: found {column!r}; {nearest(column, self.names)}")
        held = self.names[column]
        for value in values:
            if value not in held.values:
                raise InputError(f"values: found {value!r}, which {column} never is; {nearest(value, held.values)}")
        return self.keep(~np.isin(held.codes, np.flatnonzero(np.isin(held.values, values))))

    def sessions(self, gap: float) -> "EventLog":
        """Cuts every sequence where more than `gap` seconds (or the times' own unit) pass between two events.

        Raises:
          InputError: a log without times, or a gap that is not above 0.
        """
        if not gap > 0:
            raise InputError(f"gap: found {gap}, want more than 0")
        since = self.since_previous()
        first = np.isnan(since) | (since > gap)
        starts = np.flatnonzero(first)
        return dataclasses.replace(
            self, users=self.users[self.owner[starts]], starts=np.append(starts, self.events).astype(np.int64)
        )

    def _times(self) -> np.ndarray:
        self.seconds()
        assert self.time is not None
        return self.time

    def moment(self, moment: Any) -> Any:
        """A moment as the log's times are: of dates int64 microseconds since 1970, else a float.

        Raises:
          InputError: it is neither `numpy.datetime64`, ISO 8601 nor a number.
        """
        try:
            if self.calendar:
                return np.datetime64(moment, "us").astype(np.int64)
            return float(moment)
        except (TypeError, ValueError) as error:
            wanted = "a date such as 2011-10-01" if self.calendar else "a number, as the times are"
            raise InputError(f"moment: found {moment!r}, want {wanted}") from error

    def _of(self, rows: np.ndarray, users: np.ndarray, lengths: np.ndarray) -> "EventLog":
        return dataclasses.replace(
            self,
            users=users,
            starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            time=None if self.time is None else self.time[rows],
            names={name: held._replace(codes=held.codes[rows]) for name, held in self.names.items()},
            numbers={name: values[rows] for name, values in self.numbers.items()},
        )


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers `start`, `start + 1`, ... of each range, one range after another."""
    before = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(starts, lengths) + np.arange(len(before)) - before
