"""What speaks against an event or a unit being regular: one number each, high where something is unusual."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from tsrl.data.events import EventFields, EventLog
from tsrl.data.tables.time import wall_clock
from tsrl.errors import InputError
from tsrl.monitor.habits import Column
from tsrl.monitor.periods import Units

_BINS = 10
_HOUR, _DAY = 3_600.0, 86_400.0
# 1970 began on a Thursday.
_MONDAY = 4 * _DAY
# Slack of sums of surprise, in standard deviations: what is a little unusual again and again does not add up.
SLACK = 0.5
_QUANTILES = 1001
_DIGITS = 4
# Events that everyone's surprise counts beside a user's own.
_SHRUNK = 50.0


class Norms(NamedTuple):
    """What surprise is usual, of each column, for everyone and for each user.

    Attributes:
      names: the columns.
      quantiles: `[K, Q]` of reference events, ascending.
      own: `[N, K]` mean normal scores of each user's reference events, shrunk towards 0.
    """

    names: tuple[str, ...]
    quantiles: np.ndarray
    own: np.ndarray

    @classmethod
    def of(cls, surprise: Mapping[str, np.ndarray], user: np.ndarray, users: int) -> "Norms":
        """Of reference events.

        Args:
          surprise: column -> `[E]`, as `EventEmbedder.surprise`.
          user: `[E]` ints.
          users: N.
        """
        if not surprise:
            return cls((), np.zeros((0, 0)), np.zeros((users, 0)))
        found = np.stack(list(surprise.values()), -1).astype(np.float64)
        known, quantiles = ~np.isnan(found).all(0), np.full((found.shape[1], _QUANTILES), np.nan)
        if known.any():
            quantiles[known] = np.nanquantile(found[:, known], np.linspace(0, 1, _QUANTILES), axis=0).T
        made = cls(tuple(surprise), quantiles, np.zeros((users, len(surprise))))
        scores = made.excess(surprise, user)
        sums = np.stack([np.bincount(user, column, users) for column in scores.T], -1)
        return made._replace(own=sums / (np.bincount(user, minlength=users) + _SHRUNK)[:, None])

    def excess(self, surprise: Mapping[str, np.ndarray], user: np.ndarray) -> np.ndarray:
        """Surprise as normal scores of its rank in the reference, above what is usual for the user: `[E, K]`.

        0 where it is not known. (Squared errors and logarithms have other tails in every column; ranks have the same.)

        Args:
          surprise: column -> `[E]`.
          user: `[E]` ints; others than in `of` have no history.

        Raises:
          InputError: other columns than in `of`.
        """
        if tuple(surprise) != self.names:
            raise InputError(f"log: found the columns {', '.join(surprise)}, want {', '.join(self.names)}")
        known = user < len(self.own)
        made = np.zeros((len(user), len(self.names)))
        for place, values in enumerate(surprise.values()):
            # Between the quantiles that differ, so that rounding of a surprise does not move it by whole ranks.
            grid, where = np.unique(np.round(self.quantiles[place], _DIGITS), return_inverse=True)
            levels = np.bincount(where, np.arange(_QUANTILES) + 0.5) / np.bincount(where) / _QUANTILES
            scores = special.ndtri(np.interp(values, grid, levels))
            usual = np.where(known, self.own[np.where(known, user, 0), place], 0.0) if len(self.own) else 0.0
            # No surprise is one in a column that never had any in the reference.
            unknown = np.isnan(values) | np.isnan(self.quantiles[place, 0])
            made[:, place] = np.where(unknown, 0.0, scores - usual)
        return made


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
    first = log.starts[:-1][log.lengths > 0]
    for name, column in columns.items():
        news = np.append(True, np.diff(column.value) != 0)[: log.events]
        news[first] = True
        columns[name] = column._replace(news=news)
    action = columns[log.action].value
    before = np.roll(action, 1)
    # 0, which no event has, stands before the first of a sequence.
    before[first] = 0
    columns["next action"] = Column(action, sizes[log.action], before, sizes[log.action])
    return columns


def mean_at_changes(
    columns: Mapping[str, Column], surprise: Mapping[str, np.ndarray], slow: Sequence[str]
) -> dict[str, float]:
    """Of each slow column that a model predicts: its mean surprise in nats where the value changes.

    Args:
      columns: of reference events, from `habit_columns`.
      surprise: column -> `[E]` of the same events.
      slow: see `Habits.slow`.
    """
    means = {}
    for name in slow:
        if name in surprise:
            changes = surprise[name][np.asarray(columns[name].news) & ~np.isnan(surprise[name])]
            means[name] = float(changes.mean()) if len(changes) else 0.0
    return means


def changes(
    columns: Mapping[str, Column], surprise: Mapping[str, np.ndarray], means: Mapping[str, float]
) -> np.ndarray:
    """How much more surprising than usual the changes of slow columns are, `[E]` nats; 0 at other events.

    The model has seen which devices (say) the user goes between: of a change to a known one it expects as much.
    """
    made = np.zeros(len(next(iter(columns.values())).value))
    for name, mean in means.items():
        counts = np.asarray(columns[name].news) & ~np.isnan(surprise[name])
        made += np.where(counts, np.nan_to_num(surprise[name]) - mean, 0.0)
    return made


def running(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """One-sided cumulative sums that begin anew with every unit: `S_t = max(0, S_{t-1} + value_t)`.

    Args:
      values: `[E]`, or `[E, K]` for sums of each column.
      unit: `[E]`, the units in a row.

    Returns:
      As `values`.

    References: Page (1954), Continuous Inspection Schemes. Of log-likelihood ratios it is the test that finds a change
    soonest at a given rate of false alarms (Moustakides 1986).
    """
    begins = np.flatnonzero(np.append(True, unit[1:] != unit[:-1])[: len(unit)])
    lengths = np.diff(np.append(begins, len(unit)))
    # All units at once, event by event and as a stream does it: sums that are 0 are exactly 0, whatever else there is.
    begins = begins[np.argsort(-lengths, kind="stable")]
    lasting = len(begins) - np.searchsorted(np.sort(lengths), np.arange(lengths.max(initial=0)), side="right")
    made, total = np.zeros(values.shape), np.zeros((len(begins), *values.shape[1:]))
    for place, count in enumerate(lasting):
        rows = begins[:count] + place
        total = np.maximum(total[:count] + values[rows], 0.0)
        made[rows] = total
    return made


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
    share = own_rate / (own_rate + 1)
    rarity = -stats.nbinom.logsf(counts - 1, own_shape, share)
    # What is too rare for a float is about as rare as exactly so many.
    return np.where(np.isinf(rarity), -stats.nbinom.logpmf(counts, own_shape, share), rarity)


def _numbers(log: EventLog) -> dict[str, np.ndarray]:
    columns = dict(log.numbers)
    if log.time is not None:
        columns["since previous"] = log.since_previous()
    return columns


def pooled(z: np.ndarray, units: Units) -> np.ndarray:
    """The mean over each unit's events, `[E, D] -> [U, D]`."""
    sums = np.add.reduceat(z[units.events()], np.cumsum(units.end - units.first) - (units.end - units.first))
    return sums / (units.end - units.first)[:, None]
