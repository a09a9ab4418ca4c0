"""What speaks against an event or a unit being regular: one number each, high where something is unusual."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from tsrl.data.events import EventFields, EventLog
from tsrl.data.tables.time import wall_clock
from tsrl.errors import InputError
from tsrl.monitor.habits import Column
from tsrl.monitor.periods import Units

_BINS = 10
_HOUR, _DAY = 3_600.0, 86_400.0
# 1970 began on a Thursday.
_MONDAY = 4 * _DAY
# Slack of the sums below, in standard deviations: what is a little unusual again and again does not add up.
_SLACK = 0.5


class Norms(NamedTuple):
    """What surprise is usual, of each column: mean and standard deviation over reference events.

    Attributes:
      names: the columns.
      mean: `[K]`.
      std: `[K]`.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, surprise: Mapping[str, np.ndarray]) -> "Norms":
        """Of `EventEmbedder.surprise` of the reference; no surprise is one in a column that it never had any in."""
        known = [bool((~np.isnan(values)).any()) for values in surprise.values()]
        held = list(zip(surprise.values(), known, strict=True))
        means = np.array([np.nanmean(values) if any_ else 0.0 for values, any_ in held])
        stds = np.array([max(float(np.nanstd(values)), 1e-6) if any_ else np.inf for values, any_ in held])
        return cls(tuple(surprise), means, stds)

    def excess(self, surprise: Mapping[str, np.ndarray]) -> np.ndarray:
        """Surprise in standard deviations above its mean, `[E, K]`; 0 where it is not known."""
        if tuple(surprise) != self.names:
            raise InputError(f"log: found the columns {', '.join(surprise)}, want {', '.join(self.names)}")
        if not self.names:
            return np.zeros((0, 0))
        found = np.stack([surprise[name] for name in self.names], -1).astype(np.float64)
        return np.where(np.isnan(found), 0.0, (found - self.mean) / self.std)

    def together(self, excess: np.ndarray) -> np.ndarray:
        """The columns of an event together, `[E]`: below 0 for usual ones, see `running`."""
        return excess.sum(-1) / np.sqrt(len(self.names)) - _SLACK


class Bins(NamedTuple):
    """Edges of the bins of each column of numbers, learned from reference events: `[9]` quantiles each."""

    edges: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, log: EventLog) -> "Bins":
        """Deciles of every column of numbers, and of the time since the previous event."""
        edges = {}
        for name, values in _numbers(log).items():
            seen = values[np.isfinite(values)]
            quantiles = np.linspace(0, 1, _BINS + 1)[1:-1]
            edges[name] = np.quantile(seen, quantiles) if len(seen) else np.zeros(len(quantiles))
        return cls(edges)

    def codes(self, log: EventLog) -> dict[str, np.ndarray]:
        """Column -> `[E]` ints, the bin of each number; the last stands for a missing one."""
        found = _numbers(log)
        if set(found) != set(self.edges):
            raise InputError(f"log: found the numbers {sorted(found)}, want {sorted(self.edges)} as in the reference")
        return {
            name: np.where(np.isfinite(found[name]), np.searchsorted(edges, found[name]), _BINS)
            for name, edges in self.edges.items()
        }


def habit_columns(log: EventLog, fields: EventFields, bins: Bins) -> dict[str, Column]:
    """The columns by which users are told from each other.

    Every column of names; every number by its decile; the hour and the weekday; and the action given the one before.
    (What a model expects is no stand-in for everyone's shares of the last: it follows the user that it sees.)

    Args:
      log: the events.
      fields: vocabularies and the zone of the clocks.
      bins: of the reference.
    """
    sizes = fields.sizes()
    columns = {name: Column(fields.codes(log, name), sizes[name]) for name in sizes}
    columns |= {name: Column(codes, _BINS + 1) for name, codes in bins.codes(log).items()}
    if fields.calendar:
        assert log.time is not None
        seconds = (log.time if fields.zone is None else wall_clock(log.time, fields.zone)) / 1e6
        columns["hour"] = Column((seconds % _DAY // _HOUR).astype(np.int64), 24)
        columns["weekday"] = Column(((seconds - _MONDAY) % (7 * _DAY) // _DAY).astype(np.int64), 7)
    action = columns[log.action].value
    before = np.roll(action, 1)
    # 0, which no event has, stands before the first of a sequence.
    before[log.starts[:-1][log.lengths > 0]] = 0
    columns["next action"] = Column(action, sizes[log.action], before, sizes[log.action])
    return columns


def running(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """One-sided cumulative sums that begin anew with every unit: `S_t = max(0, S_{t-1} + value_t)`.

    Args:
      values: `[E]`.
      unit: `[E]`, the units in a row.

    Returns:
      `[E]`.

    References: Page (1954), Continuous Inspection Schemes. Of log-likelihood ratios it is the test that finds a change
    soonest at a given rate of false alarms (Moustakides 1986).
    """
    begins = np.flatnonzero(np.append(True, unit[1:] != unit[:-1])) if len(unit) else np.zeros(0, np.int64)
    total = np.cumsum(values)
    offset = np.repeat(total[begins] - values[begins], np.diff(np.append(begins, len(values))))
    path = total - offset
    # The sum minus its lowest point since the unit began, which may be the zero before its first event. The lowest
    # point of each unit is a running minimum of paths that are pushed apart, so that no unit sees the one before.
    number = np.cumsum(np.isin(np.arange(len(values)), begins)) if len(values) else np.zeros(0)
    apart = (np.abs(path).max(initial=0.0) + 1.0) * 2
    lowest = np.minimum.accumulate(np.minimum(path, 0.0) - number * apart) + number * apart
    return path - np.minimum(lowest, 0.0)


def volume(counts: np.ndarray, user: np.ndarray, reference: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """How unusually many events a unit has for its user: minus the log-probability of so many or more.

    Own rates are gamma-distributed over users, so that the number of events of a unit is negative binomial given the
    reference; a user without any is judged as everyone is.

    Args:
      counts: `[U]` events of the units.
      user: `[U]` ints.
      reference: `counts` and `user` of reference units.

    Returns:
      `[U]` nats.
    """
    known, owner = reference
    size = int(max(user.max(initial=0), owner.max(initial=0))) + 1
    units, events = np.bincount(owner, minlength=size), np.bincount(owner, known, size)
    rates = events[units > 0] / units[units > 0]
    mean, spread = rates.mean(), max(rates.var() - (rates / units[units > 0]).mean(), 1e-3 * rates.mean() ** 2)
    shape, rate = mean**2 / spread, mean / spread
    own_shape, own_rate = shape + events[user], rate + units[user]
    return -stats.nbinom.logsf(counts - 1, own_shape, own_rate / (own_rate + 1))


def _numbers(log: EventLog) -> dict[str, np.ndarray]:
    columns = dict(log.numbers)
    if log.time is not None:
        columns["since previous"] = log.since_previous()
    return columns


def pooled(z: np.ndarray, units: Units) -> np.ndarray:
    """The mean over each unit's events, `[E, D] -> [U, D]`."""
    sums = np.add.reduceat(z[units.events()], np.cumsum(units.end - units.first) - (units.end - units.first))
    return sums / (units.end - units.first)[:, None]
