"""Why a unit is an alarm: which events and fields, what was expected instead, and who is regular and like it."""

from typing import Any, NamedTuple

import numpy as np

from tsrl.behaviour.embedder import EventEmbedder
from tsrl.data.events import EventLog
from tsrl.monitor.evidence import SLACK, pooled, running
from tsrl.monitor.monitor import Monitor
from tsrl.monitor.periods import Units
from tsrl.monitor.scores import Evidence, Scores

# Events of a unit that are hidden one at a time: the first of the causes.
_HIDDEN = 64


class Cause(NamedTuple):
    """An event that speaks for the alarm.

    Attributes:
      event: its place in the log.
      contribution: nats by which it is more usual for everyone than for its user, weighed as the habits' sum weighs it.
      fields: column -> its part of the contribution, largest first.
      surprise: column -> normal score above what is usual for the user, see `Norms`; empty without such a model.
      embedding: by how much the distance of the unit's embedding from the user's own falls when the event is hidden;
        NaN where it was not tried.
      expected: up to three actions that the model held likelier, with probabilities.
      own: up to three actions that the user usually does after the one before, with shares.
    """

    event: int
    contribution: float
    fields: dict[str, float]
    surprise: dict[str, float]
    embedding: float
    expected: list[tuple[str, float]]
    own: list[tuple[str, float]]


class Explanation(NamedTuple):
    """Why a unit is an alarm.

    Attributes:
      unit: its number in `Scores`.
      user: the name.
      p_value: of all evidence.
      evidence: name -> p-value by itself, smallest first.
      first_alarm: place in the log of the first event at which a running sum passed its threshold; None where only the
        whole unit is unusual.
      causes: of the kind that is the rarest by itself the events that made the sum which raised the alarm, or the
        highest one, those that added most to it first; then the unit's other events.
      nearest: user and start of regular units of other users that are most like this one.
    """

    unit: int
    user: str
    p_value: float
    evidence: dict[str, float]
    first_alarm: int | None
    causes: list[Cause]
    nearest: list[tuple[str, int]]


def explain(
    monitor: Monitor, log: EventLog, scores: Scores, unit: int, rate: float = 0.01, most: int = 5
) -> Explanation:
    """Explains a unit of `Monitor.score`.

    Args:
      monitor: that scored it.
      log: that was scored.
      scores: of the log.
      unit: which of them.
      rate: of alarms, for `first_alarm`.
      most: causes and nearest units.
    """
    one = scores.units.take(np.array([unit]))
    number = int(monitor.numbers(log)[one.user[0]])
    # Only this sequence, up to the end of the unit.
    alone = log.take([one.user[0]]).heads(int(one.end[0] - log.starts[one.user[0]]))
    offset = log.starts[one.user[0]]
    own = Units(np.zeros(1, np.int64), one.first - offset, one.end - offset, one.start)
    found = monitor.evidence(alone, own, np.array([number]))
    weights = monitor.impostors.event_weight
    parts = found.steps["habits"][own.first[0] : own.end[0]] * weights
    inside = slice(own.first[0], own.end[0])
    # What a user does not do too often for habits to tell may still be what nobody expects, as a burst is.
    # By rarity: the p-values of a long burst are all 0.
    rarity = {name: float(monitor.scale[name].rarity(values[unit])) for name, values in scores.evidence.items()}
    rarest = max(found.steps, key=lambda name: rarity[name])
    order = _in_order(monitor, rarest, found.steps[rarest][inside], rate)
    falls = _falls(monitor, alone, own, number, order[:_HIDDEN], found)
    expected = _expected(monitor.model, alone)
    columns, surprises = list(monitor.habits.sizes), found.steps.get("surprise")
    codes = monitor.model.fields.codes(alone, alone.action)
    causes = []
    for place in order[:most]:
        event = int(own.first[0] + place)
        fields = {name: float(parts[place, k]) for k, name in enumerate(columns)}
        excess = [] if surprises is None else (surprises[event] + SLACK).tolist()
        surprise = dict(zip(monitor.norms.names, excess, strict=True))
        before = codes[event - 1] if event else 0
        causes.append(
            Cause(
                int(offset + event),
                float(parts[place].sum()),
                dict(sorted(fields.items(), key=lambda item: -item[1])),
                dict(sorted(surprise.items(), key=lambda item: -item[1])),
                float(falls.get(int(place), np.nan)),
                _named(monitor, alone.action, expected[event - 1]) if expected is not None and event else [],
                _named(monitor, alone.action, monitor.habits.own_shares("next action", number, int(before))),
            )
        )
    return Explanation(
        unit,
        str(scores.user[unit]),
        float(scores.p_value[unit]),
        {name: float(scores.p[name][unit]) for name in sorted(scores.p, key=lambda name: -rarity[name])},
        _first_alarm(monitor, found, int(own.first[0] + offset), rate),
        causes,
        _nearest(monitor, found.z, number, most),
    )


def _in_order(monitor: Monitor, name: str, steps: np.ndarray, rate: float) -> np.ndarray:
    """The events of a unit `[n]`: first those that made the sum that raised the alarm, from where it left 0 to the
    alarm (where none did, the highest sum, to its peak), then the others; each by what it added to that sum.

    Args:
      monitor: that measures the sums.
      name: which of `RUNNING`.
      steps: `[n, columns]`.
      rate: of alarms.
    """
    sums = running(steps, np.zeros(len(steps), np.int64))
    rarity = np.stack([tail.rarity(column) for tail, column in zip(monitor.yardsticks[name], sums.T, strict=True)], -1)
    highest = rarity.max(-1)
    passed = highest > monitor.thresholds(rate)[name]
    peak = int(np.argmax(passed if passed.any() else highest))
    column = int(np.argmax(rarity[peak]))
    at_zero = np.flatnonzero(sums[: peak + 1, column] == 0)
    begin = at_zero[-1] + 1 if len(at_zero) else 0
    place = np.arange(len(steps))
    outside = (place < begin) | (place > peak)
    return np.lexsort((-steps[:, column], outside))


def _first_alarm(monitor: Monitor, found: Evidence, first: int, rate: float) -> int | None:
    thresholds = monitor.thresholds(rate)
    passed = np.any([values > thresholds[name] for name, values in found.running.items()], 0)
    return first + int(np.argmax(passed)) if passed.any() else None


def _falls(
    monitor: Monitor, log: EventLog, unit: Units, number: int, places: np.ndarray, found: Evidence
) -> dict[int, float]:
    """Place in the unit -> by how much the distance from the user's own falls when the event is hidden."""
    user, count = np.full(len(places), number), int(unit.end[0] - unit.first[0])
    if count < 2:
        return {}
    whole = monitor.reference.own(found.z, np.array([number]))[0]
    # What the model need not see is left out: many copies of a long log would be encoded.
    before = max(int(unit.first[0]) - monitor.model.context, 0)
    log, unit = (
        log.keep(np.arange(log.events) >= before),
        unit._replace(first=unit.first - before, end=unit.end - before),
    )
    kept = np.ones((len(places), log.events), bool)
    kept[np.arange(len(places)), unit.first[0] + places] = False
    copies = log.take(np.zeros(len(places), np.int64)).keep(kept.ravel())
    starts = copies.starts[:-1]
    hidden = Units(np.arange(len(places)), starts + unit.first[0], starts + unit.end[0] - 1, np.zeros(len(places), int))
    distances = monitor.reference.own(pooled(monitor.model.encode(copies), hidden), user)
    return dict(zip(places.tolist(), (whole - distances).tolist(), strict=True))


def _expected(model: EventEmbedder, log: EventLog) -> Any:
    return None if model.method.expect is None else np.exp(model.next_action(log, every=True))


def _named(monitor: Monitor, action: str, shares: np.ndarray) -> list[tuple[str, float]]:
    """The three actions with the largest shares; not those that stand for rare, missing and no values."""
    named = [(monitor.model.fields.value(action, code), float(shares[code])) for code in np.argsort(-shares)[:6]]
    return [(name, share) for name, share in named if name is not None][:3]


def _nearest(monitor: Monitor, z: np.ndarray, number: int, most: int) -> list[tuple[str, int]]:
    """Units of other users, one of each."""
    reference, names = monitor.reference, list(monitor.users)
    found: dict[int, int] = {}
    for place in reference.nearest(z, min(20 * most, len(reference.whole.rows)))[0]:
        user = int(reference.user[place])
        if user != number and user not in found:
            found[user] = int(monitor.labels[place])
    return [(names[user], start) for user, start in list(found.items())[:most]]
