"""Events judged as they arrive: what a monitor adds up for each user, and an alarm when a sum passes its threshold."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tsrl.data.events import EventLog, event_columns
from tsrl.data.events.log import Names
from tsrl.errors import InputError
from tsrl.monitor.evidence import SLACK, habit_columns
from tsrl.monitor.monitor import Monitor
from tsrl.monitor.periods import period_of


class Verdict(NamedTuple):
    """What is said of an event.

    Attributes:
      status: "regular"; "alarm" where a running sum of the unit is above its threshold; "late" for an event before one
        of its user that came already, and "duplicate" for one that equals the user's last, its time too: both change
        nothing.
      running: name of `monitor.RUNNING` -> the sum after this event.
    """

    status: str
    running: dict[str, float]


class Kept(NamedTuple):
    """What is kept of a user.

    Attributes:
      log: the last event, as a log of its own.
      fields: column -> `[context, ...]` model inputs of the last events, from the left.
      seen: events so far.
      unit: of the last event.
      in_unit: events of that unit so far.
      running: name -> its sums of each column after it.
      expected: field -> `[K]` what the model expects next; empty without such a model.
    """

    log: EventLog
    fields: dict[str, np.ndarray]
    seen: int
    unit: int
    in_unit: int
    running: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]


class MonitorStream:
    """Judges events one by one; memory grows with the users that have come.

    The sums after an event are those of `Monitor.score` for the log so far if the encoder sees no more events than the
    model's context. Units of a number of events and of sessions begin with what is pushed.

    Args:
      monitor: whose habits, model and thresholds are used; they do not change.
      rate: share of regular units that may be alarms.

    Raises:
      InputError: a rate out of its range.
    """

    def __init__(self, monitor: Monitor, rate: float = 0.01):
        if not 0 < rate < 1:
            raise InputError(f"rate: found {rate}, want a share between 0 and 1")
        self.monitor, self.rate = monitor, rate
        self.thresholds = monitor.thresholds(rate)
        self.users: dict[str, Kept] = {}

    def push(self, event: Mapping[str, Any]) -> Verdict:
        """Judges the next event of a user.

        Args:
          event: "user" and "time" (`numpy.datetime64` or ISO 8601 in the zone of the fitted log, or a number where its
            times are numbers), and a value for every other column of the fitted log; None = missing, but for the
            user and the action.

        Raises:
          InputError: a column that is missing, a value of another kind. Nothing has changed.
        """
        one = self._log_of(event)
        user = str(event["user"])
        kept = self.users.get(user)
        if kept is not None:
            if _same(kept.log, one):
                return Verdict("duplicate", self._largest(kept.running))
            if one.time is not None and kept.log.time is not None and one.time[0] < kept.log.time[0]:
                return Verdict("late", self._largest(kept.running))
        two = one if kept is None else _joined(kept.log, one)
        unit, fresh = self._unit(two, kept)
        surprise = self._surprise(two, kept)
        steps = self._steps(two, user, surprise)
        before = {} if fresh or kept is None else kept.running
        running = {name: np.maximum(before.get(name, 0.0) + step, 0.0) for name, step in steps.items()}
        fields, seen = self._inputs(two, kept)
        self.users[user] = Kept(
            one,
            fields,
            seen,
            unit,
            1 if fresh or kept is None else kept.in_unit + 1,
            running,
            self._expect(fields, seen),
        )
        sums = self._largest(running)
        alarm = any(value > self.thresholds[name] for name, value in sums.items())
        return Verdict("alarm" if alarm else "regular", sums)

    def forget(self, user: str) -> None:
        """Drops what is kept of a user; its next event is the first of a sequence."""
        self.users.pop(user, None)

    def _largest(self, running: dict[str, np.ndarray]) -> dict[str, float]:
        """Of each kind the largest sum, as `Scores.running` has it."""
        return {name: float(self.monitor.largest(name, sums)) for name, sums in running.items()}

    def _log_of(self, event: Mapping[str, Any]) -> EventLog:
        """A log of this event."""
        fields = self.monitor.model.fields
        timed = "since previous" in self.monitor.bins.edges
        numbers = [name for name in self.monitor.bins.edges if name != "since previous"]
        wanted = ["user", *(["time"] if timed else []), *fields.vocabularies, *numbers]
        if lacking := [name for name in wanted if name not in event]:
            raise InputError(f"event: found {', '.join(event)}, want {lacking[0]!r} as well")
        for name in ("user", next(iter(fields.vocabularies))):
            if event[name] is None:
                raise InputError(f"event: found no {name}, want a value")
        names = {}
        for name in fields.vocabularies:
            given = event[name] is not None
            values = np.array([str(event[name])] if given else [""])
            names[name] = Names(np.array([0 if given else -1], np.int32), values)
        try:
            amounts = {name: np.array([np.nan if event[name] is None else float(event[name])]) for name in numbers}
        except (TypeError, ValueError) as error:
            raise InputError(f"event: found {dict(event)!r}, want a number or None for each of {numbers}") from error
        log = EventLog(
            np.array([str(event["user"])]),
            np.array([0, 1]),
            None,
            names,
            amounts,
            fields.calendar,
            self.monitor.zone,
        )
        if not timed:
            return log
        time = log.moment(event["time"])
        if not np.isfinite(time) or (fields.calendar and np.isnat(np.datetime64(int(time), "us"))):
            raise InputError(f"event: found time {event['time']!r}, want a moment")
        return EventLog(log.users, log.starts, np.array([time]), names, amounts, fields.calendar, self.monitor.zone)

    def _unit(self, log: EventLog, kept: Kept | None) -> tuple[int, bool]:
        """The unit of the last event, and whether it is its first."""
        settings = self.monitor.settings
        if isinstance(settings.every, str):
            assert log.time is not None
            unit = int(period_of(log.time[-1:], settings.every)[0])
            return unit, kept is None or unit != kept.unit
        if kept is None:
            return 0, True
        if settings.gap is not None:
            fresh = bool(log.since_previous()[-1] > settings.gap)
        else:
            fresh = kept.in_unit >= int(settings.every or 1)
        return kept.unit + fresh, fresh

    def _surprise(self, log: EventLog, kept: Kept | None) -> dict[str, np.ndarray]:
        """As `EventEmbedder.surprise`, of the last event alone: `[1]`."""
        fields, names = self.monitor.model.fields, self.monitor.norms.names
        if kept is None or not names:
            return {name: np.array([np.nan]) for name in names}
        came = event_columns(log, fields)
        made = {}
        for name in fields.vocabularies:
            logits = kept.expected[name].astype(np.float64)
            top = logits.max()
            made[name] = top + np.log(np.exp(logits - top).sum()) - logits[came[name][-1]]
        if fields.width():
            errors = (kept.expected["numbers"].astype(np.float64) - came["numbers"][-1]) ** 2 / 2
            for place, name in enumerate(fields.scales):
                made[name] = errors[2 * place] * came["numbers"][-1, 2 * place + 1]
            if fields.calendar:
                made["calendar"] = errors[2 * len(fields.scales) :].sum()
        return {name: np.array([made[name]]) for name in names}

    def _steps(self, log: EventLog, user: str, surprise: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What the last event adds to each sum."""
        monitor = self.monitor
        columns = habit_columns(log, monitor.model.fields, monitor.bins)
        last = {name: column.take(np.array([log.events - 1])) for name, column in columns.items()}
        number = np.array([monitor.users.get(user, len(monitor.users))])
        ratios = monitor.habits.ratios(last, number)
        steps = {name: step[0] for name, step in monitor.against_user(ratios, last, surprise).items()}
        if surprise:
            steps["surprise"] = monitor.norms.excess(surprise, number)[0] - SLACK
        return steps

    def _inputs(self, log: EventLog, kept: Kept | None) -> tuple[dict[str, np.ndarray], int]:
        """The model's inputs of the last events, this one included, and how many there have been."""
        context, new = self.monitor.model.context, event_columns(log, self.monitor.model.fields)
        seen = 1 if kept is None else kept.seen + 1
        made = {}
        for name, values in new.items():
            held = np.zeros((context, *values.shape[1:]), values.dtype) if kept is None else kept.fields[name].copy()
            if seen > context:
                held[:-1] = held[1:]
            held[min(seen, context) - 1] = values[-1]
            made[name] = held
        return made, seen

    def _expect(self, fields: dict[str, np.ndarray], seen: int) -> dict[str, np.ndarray]:
        model = self.monitor.model
        return {} if model.method.expect is None else model.expect_next(fields, min(seen, model.context))


def _same(one: EventLog, other: EventLog) -> bool:
    """Whether two events are equal in every column; without times none are."""
    if one.time is None or other.time is None or one.time[0] != other.time[0]:
        return False
    same = [np.array_equal(a, b) for name in one.names for a, b in zip(one.names[name], other.names[name], strict=True)]
    same += [np.array_equal(one.numbers[name], other.numbers[name], equal_nan=True) for name in one.numbers]
    return all(same)


def _joined(before: EventLog, after: EventLog) -> EventLog:
    """Two events of one user in a row."""
    names = {}
    for name, old in before.names.items():
        new = after.names[name]
        codes = np.array([old.codes[0], new.codes[0] + len(old.values) if new.codes[0] >= 0 else -1], np.int32)
        names[name] = Names(codes, np.concatenate([old.values, new.values]))
    numbers = {name: np.append(values, after.numbers[name]) for name, values in before.numbers.items()}
    time = None if before.time is None or after.time is None else np.append(before.time, after.time)
    return EventLog(after.users, np.array([0, 2]), time, names, numbers, after.calendar, after.zone)
