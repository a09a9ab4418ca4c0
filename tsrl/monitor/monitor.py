"""A monitor: what is regular for everyone and for each user, and how unusual a stretch of events is against both."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tsrl.behaviour import EventEmbedder, pretrain_events
from tsrl.data.events import EventFields, EventLog
from tsrl.errors import InputError, check_whole
from tsrl.monitor import drift as drifts
from tsrl.monitor.conformal import p_values, threshold
from tsrl.monitor.evidence import SLACK, Bins, Norms, changes, habit_columns, mean_at_changes, pooled, running, volume
from tsrl.monitor.habits import Column, Habits
from tsrl.monitor.impostors import Impostors
from tsrl.monitor.periods import Units, units_of
from tsrl.monitor.reference import Reference
from tsrl.monitor.scores import Evidence, Scores, Settings
from tsrl.monitor.tails import Tail


@dataclass(frozen=True, eq=False)
class Monitor:
    """What `fit` learned. `update` returns another.

    Attributes:
      settings: see `Settings`.
      model: represents and predicts events.
      users: name -> number.
      zone: of the log's times, see `EventLog`.
      bins: of columns of numbers.
      norms: what surprise is usual.
      habits: what values each user has.
      changing: see `evidence.mean_at_changes`.
      impostors: how evidence is weighed that a unit is somebody else's.
      reference: embeddings of regular units.
      past: `[U]` events and `[U]` users of the reference's units.
      labels: `[U]` start of each of them, see `Units.start`.
      held_out: embeddings `[n, D]` and users `[n]` of the units that calibrate, by which drift is measured: from the
        reference's the model has learned, and the first of a log have no context.
      yardsticks: name of `RUNNING` -> a `Tail` for each column, of the peaks of its sum in regular units.
      scale: name -> `Tail` of such evidence.
      calibration: `[n]` evidence of all kinds together, of other units.
    """

    settings: Settings
    model: EventEmbedder
    users: Mapping[str, int]
    zone: str | None
    bins: Bins
    norms: Norms
    habits: Habits
    changing: Mapping[str, float]
    impostors: Impostors
    reference: Reference
    past: tuple[np.ndarray, np.ndarray]
    labels: np.ndarray
    held_out: tuple[np.ndarray, np.ndarray] = field(repr=False)
    yardsticks: Mapping[str, tuple[Tail, ...]] = field(repr=False)
    scale: Mapping[str, Tail] = field(repr=False)
    calibration: np.ndarray = field(repr=False)

    @classmethod
    def fit(
        cls,
        log: EventLog,
        model: EventEmbedder | None = None,
        settings: Settings | None = None,
        zone: str | None = None,
        **training: Any,
    ) -> "Monitor":
        """Learns what is regular.

        The earlier units are the reference, from which everything is learned; the later ones calibrate: they say what
        scores a regular unit has that nothing was learned from.

        Args:
          log: of regular events only, one sequence for each user.
          model: of events; it should not have seen the units that calibrate. Default: trained on the reference.
          settings: see `Settings`.
          zone: see `EventFields.learn`; of a given model it is that of its fields.
          **training: settings of `pretrain_events`.

        Raises:
          InputError: a user twice, too few units to calibrate, settings out of range.
        """
        settings = settings or Settings()
        settings.check()
        users = _numbers(log)
        units = units_of(log, settings.every, settings.gap)
        late = _late(log, units, settings)
        known, rest = units.take(~late), units.take(late)
        if len(known.user) < 20 or len(rest.user) < 20:
            counts = f"{len(known.user)} units to learn from and {len(rest.user)} to calibrate"
            raise InputError(f"log: found {counts}, want 20 of each: a longer log, shorter units or another share")
        seen = np.zeros(log.events, bool)
        seen[known.events()] = True
        reference_log = log.keep(seen)
        if model is None:
            # A rare value says much about whose it is.
            training = {"fields": EventFields.learn(reference_log, min_count=1, zone=zone), **training}
            model = pretrain_events(reference_log, seed=settings.seed, **training)
        bins, user = Bins.of(reference_log), np.arange(len(log))
        z, surprise = model.represent(log)
        norms = Norms.of({name: values[seen] for name, values in surprise.items()}, log.owner[seen], len(log))
        columns = habit_columns(log, model.fields, bins)
        own = {name: column.take(np.flatnonzero(seen)) for name, column in columns.items()}
        habits = Habits.learn(own, log.owner[seen], settings.fallback)
        z = pooled(z, known)
        reference = Reference.fit(z, known.user, kinds=("knn",), seed=settings.seed)
        impostors = Impostors.learn(columns, log.owner, known, reference, settings)
        made = cls(
            settings,
            model,
            users,
            log.zone,
            bins,
            norms,
            habits,
            mean_at_changes(own, {name: values[seen] for name, values in surprise.items()}, habits.slow),
            impostors,
            reference,
            (known.end - known.first, known.user),
            known.start,
            (np.zeros((0, reference.z.shape[1])), np.zeros(0, np.int64)),
            {},
            {},
            np.zeros(0),
        )
        found = made.evidence(log, rest, user)
        return replace(made._calibrated(found), held_out=(found.z, rest.user))

    def _calibrated(self, found: Evidence) -> "Monitor":
        """Half of the units say how rare each kind of evidence is, the others how rare the rarest kind is.

        The second half is exchangeable with units to come because nothing was fitted to it.
        """
        count = len(found.z)
        first = np.random.default_rng(self.settings.seed).permutation(count) < count // 2
        # Sums of what stays the same for a session have other tails than sums of what changes with every event.
        yardsticks = {name: tuple(Tail.of(column[first]) for column in peaks.T) for name, peaks in found.peaks.items()}
        measured = replace(self, yardsticks=yardsticks)
        evidence = found.values | {name: measured.largest(name, peaks) for name, peaks in found.peaks.items()}
        scale = {name: Tail.of(values[first]) for name, values in evidence.items()}
        rarest = np.max([scale[name].rarity(values[~first]) for name, values in evidence.items()], 0)
        return replace(measured, scale=scale, calibration=rarest)

    def evidence(self, log: EventLog, units: Units, user: np.ndarray) -> Evidence:
        """What speaks against units.

        Args:
          log: whose they are; earlier events of a sequence are the context of later ones.
          units: of the log.
          user: `[N]` numbers of the log's sequences.
        """
        z, surprise = self.model.represent(log)
        columns = habit_columns(log, self.model.fields, self.bins)
        ratios = self.habits.ratios(columns, user[log.owner])
        excess = self.norms.excess(surprise, user[log.owner])
        events, owner = units.events(), units.owner()
        z, whose = pooled(z, units), user[units.user]
        # Somebody may take over all of an account or change one habit.
        steps = self.against_user(ratios, columns, surprise)
        if excess.shape[1]:
            steps["surprise"] = excess - SLACK
        sums = {name: running(values[events], owner) for name, values in steps.items()}
        count = units.end - units.first
        begins = np.cumsum(count) - count
        peaks = {name: np.maximum.reduceat(values, begins) for name, values in sums.items()}
        values = {
            "identity": self.impostors.score(pooled(ratios, units), self.reference.own(z, whose)),
            **{name: self.largest(name, values) for name, values in peaks.items()},
            "population": self.reference.population(z)[:, 0],
        }
        if self.settings.gap is not None or isinstance(self.settings.every, str):
            values["volume"] = volume(count, whose, self.past)
        at_events = {name: self.largest(name, values) for name, values in sums.items()}
        return Evidence(values, at_events, peaks, z, steps)

    def largest(self, name: str, sums: np.ndarray) -> np.ndarray:
        """Of sums `[..., columns]` the rarest, each measured by the peaks of its column."""
        if not self.yardsticks:
            return np.asarray(sums.max(-1))
        return np.max([tail.rarity(column) for tail, column in zip(self.yardsticks[name], sums.T, strict=True)], 0).T

    def against_user(
        self, ratios: np.ndarray, columns: Mapping[str, Column], surprise: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """What events add to running sums `[E, sums]`: log-likelihood ratios of all columns together, with what the
        model says of changes of slow ones; and those of each column by itself."""
        account = self.impostors.score_events(ratios) + changes(columns, surprise, self.changing)
        return {"account": account[:, None], "habits": ratios}

    def score(self, log: EventLog, since: Any = None) -> Scores:
        """How unusual the units of a log are.

        Args:
          log: one sequence for each user; users that `fit` did not know are judged as everyone is.
          since: only units that begin at this moment or later are scored (`numpy.datetime64` or ISO 8601 for dates,
            else the number of a unit in its sequence); what came before is context. Default: all.

        Raises:
          InputError: a user twice, other columns than were learned from.
        """
        user, units = self.numbers(log), self.units(log, since)
        found = self.evidence(log, units, user)
        p, p_value = self.rarity(found.values)
        return Scores(units, log.users[units.user], found.values, p, p_value, found.running)

    def rarity(self, evidence: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """P-values of each kind of evidence and of all together."""
        rarities = {name: self.scale[name].rarity(values) for name, values in evidence.items()}
        p = {name: np.exp(-values) for name, values in rarities.items()}
        return p, p_values(self.calibration, np.max(list(rarities.values()), 0))

    def thresholds(self, rate: float) -> dict[str, float]:
        """The evidence of each kind above which a unit is an alarm, whatever the others; infinite where none can be."""
        rarest = threshold(self.calibration, rate)
        return {name: tail.value(rarest) for name, tail in self.scale.items()}

    def units(self, log: EventLog, since: Any = None) -> Units:
        """The units of a log, see `score`."""
        units = units_of(log, self.settings.every, self.settings.gap)
        if since is None:
            return units
        if isinstance(self.settings.every, str):
            since = log.moment(since)
        else:
            check_whole("since", int(since) if isinstance(since, np.integer) else since, 0)
        return units.take(units.start >= since)

    def numbers(self, log: EventLog) -> np.ndarray:
        """`[N]` the number of each sequence's user; unknown ones have numbers that nobody has."""
        names, unknown = list(_numbers(log)), len(self.users)
        return np.array([self.users.get(name, unknown + place) for place, name in enumerate(names)], np.int64)

    def update(self, log: EventLog, since: Any = None, rate: float = 0.01) -> "Monitor":
        """A monitor that knows later units too, of known and of new users.

        Units that are alarms are left out. Histories of users and the neighbours of embeddings grow; the model, what
        calibrates and the weights of evidence stay: of users with a longer past a smaller share than asked for will be
        alarms. After a drift of the population fit a new one.

        Args:
          log: see `score`; it may hold what calibrated, from which nothing was learned until now.
          since: see `score`.
          rate: of alarms among regular units.

        Raises:
          InputError: as `score`.
        """
        user, units = self.numbers(log), self.units(log, since)
        found = self.evidence(log, units, user)
        regular = self.rarity(found.values)[1] > rate
        kept = units.take(regular)
        events = kept.events()
        columns = habit_columns(log, self.model.fields, self.bins)
        own = {name: column.take(events) for name, column in columns.items()}
        names = [*self.users, *(str(log.users[place]) for place in np.flatnonzero(user >= len(self.users)))]
        # Unknown users are numbered by their place in the log: here by the order in which they join.
        number = {name: place for place, name in enumerate(names)}
        joined = np.array([number[str(name)] for name in log.users], np.int64)
        whose = joined[kept.user]
        return replace(
            self,
            users=number,
            habits=self.habits.update(own, joined[log.owner[events]]),
            reference=self.reference.update(found.z[regular], whose),
            past=(np.append(self.past[0], kept.end - kept.first), np.append(self.past[1], whose)),
            labels=np.append(self.labels, kept.start),
        )

    def drift(self, log: EventLog, since: Any = None) -> drifts.Drift:
        """Whether recent units differ from those that calibrated, see `monitor.drift.drift`."""
        user, units = self.numbers(log), self.units(log, since)
        z = pooled(self.model.encode(log), units)
        before, whose = self.held_out
        return drifts.drift(before, z, groups=(whose, user[units.user]), seed=self.settings.seed)


def _numbers(log: EventLog) -> dict[str, int]:
    names = [str(name) for name in log.users]
    numbers = {name: place for place, name in enumerate(names)}
    if len(numbers) < len(names):
        raise InputError(
            f"log: found {len(names)} sequences of {len(numbers)} users, want one each; for sessions set `gap` instead"
        )
    return numbers


def _late(log: EventLog, units: Units, settings: Settings) -> np.ndarray:
    """`[U]` bool, the units that calibrate."""
    if not len(units.user):
        return np.zeros(0, bool)
    if isinstance(settings.every, str):
        return units.start >= np.quantile(units.start, 1 - settings.calibrate)
    counts = np.bincount(units.user, minlength=len(log))
    return units.start >= np.floor(counts * (1 - settings.calibrate))[units.user]
