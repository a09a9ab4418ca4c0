"""What is judged as one: a user's week, a session, or so many events."""

from typing import Literal, NamedTuple

import numpy as np

from tsrl.data.events.log import EventLog
from tsrl.errors import InputError, check_whole

Period = Literal["hour", "day", "week"]
_MICROSECONDS: dict[str, int] = {"hour": 3_600_000_000, "day": 86_400_000_000, "week": 7 * 86_400_000_000}
# 1970 began on a Thursday; weeks begin on Mondays.
_MONDAY = 4 * _MICROSECONDS["day"]


class Units(NamedTuple):
    """Stretches of events of one user each, in the order of the log.

    Attributes:
      user: `[U]` int64, which sequence of the log.
      first: `[U]` int64, place of its first event in the log.
      end: `[U]` int64, one past the place of its last.
      start: `[U]` when it begins: of periods int64 microseconds since 1970; of others the number of the unit in its
        sequence.
    """

    user: np.ndarray
    first: np.ndarray
    end: np.ndarray
    start: np.ndarray

    def take(self, chosen: np.ndarray) -> "Units":
        """Some of the units."""
        return Units(*(column[chosen] for column in self))

    def owner(self) -> np.ndarray:
        """The unit of each event of all units, one unit after another, `[E']`."""
        return np.repeat(np.arange(len(self.user)), self.end - self.first)

    def events(self) -> np.ndarray:
        """The places in the log of these events, `[E']`."""
        lengths = self.end - self.first
        return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths - self.first, lengths)


def period_of(time: np.ndarray, every: Period) -> np.ndarray:
    """The number of the period in which each moment lies, int64 microseconds since 1970."""
    return (time - _MONDAY) // _MICROSECONDS[every]


def units_of(log: EventLog, every: Period | int | None = None, gap: float | None = None) -> Units:
    """Cuts every sequence of a log into units.

    Args:
      log: the events.
      every: "hour", "day" or "week" (from Monday), as the times stand in the log; or a number of events, of which the
        last unit of a sequence may have fewer.
      gap: instead, sessions: a unit ends where more than so many seconds (or the times' own unit) pass.

    Returns:
      The units that have events.

    Raises:
      InputError: both or none, a number below 1, periods of a log without dates, sessions of one without times.
    """
    if (every is None) == (gap is None):
        raise InputError(f"every, gap: found {every!r} and {gap!r}, want one of them")
    owner, number = log.owner, np.arange(log.events) - log.starts[:-1][log.owner]
    if gap is not None:
        if not gap > 0:
            raise InputError(f"gap: found {gap}, want more than 0")
        since = log.since_previous()
        key = np.cumsum(np.isnan(since) | (since > gap))
    elif isinstance(every, str):
        if every not in _MICROSECONDS:
            raise InputError(f"every: found {every!r}, want hour, day, week or a number of events")
        if not log.calendar or log.time is None:
            raise InputError(f"every: found {every!r} for a log without dates, want a number of events or a gap")
        key = period_of(log.time, every)
    else:
        check_whole("every", every, 1)
        key = number // every
    if not log.events:
        return Units(*(np.zeros(0, np.int64) for _ in range(4)))
    begins = np.flatnonzero(np.append(True, (np.diff(key) != 0) | (np.diff(owner) != 0)))
    ends = np.append(begins[1:], log.events)
    if isinstance(every, str):
        start = key[begins] * _MICROSECONDS[every] + _MONDAY
    else:
        earlier = np.searchsorted(begins, log.starts[:-1][owner[begins]])
        start = np.arange(len(begins)) - earlier
    return Units(owner[begins], begins, ends, start.astype(np.int64))
