"""Tasks of the monitor: masqueraders among UNIX users, and a made-up user base with known misbehaviour."""

import dataclasses
import itertools
import time
from typing import Any, NamedTuple

import numpy as np

from behaviour_parts.asked import Asked, Found
from tsrl.behaviour import EventEmbedder
from tsrl.data.events import KINDS, EventFields, EventLog, UserBase, sets, user_base
from tsrl.data.events.log import Names
from tsrl.evaluate.next_action import markov
from tsrl.monitor import Monitor, Settings
from tsrl.monitor.conformal import alarm_interval
from tsrl.monitor.evidence import pooled
from tsrl.monitor.periods import Units, units_of


class Choice(NamedTuple):
    """How masqueraders are looked for.

    Attributes:
      min_count: commands that come less often share a code.
      fallback: see `Settings`.
      evidence: a kind, or "all evidence" of a monitor.
    """

    min_count: int
    fallback: float
    evidence: str


_ALL = "all evidence"
_MIN_COUNTS, _FALLBACKS = (1, 5), (1.0, 3.0, 10.0)
_MARKOV, _COUNTS = "Markov chain of each user", "counts of each user"
# Of the chain the weight of all commands alike, of naive Bayes what is added to every count.
_SMOOTHING = {_MARKOV: (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2), _COUNTS: (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0)}
# Segments of 100 commands that are known to be clean; of them those that the choice learns from.
_CLEAN, _EARLIER = 50, 33


def unix(asked: Asked) -> Found:
    """Which segments of 100 commands a masquerader typed: the ten users all of whose segments are labelled.

    Everything is learned from the 50 clean segments of all 40 users. Before, settings, kind of evidence and smoothing
    of the controls are chosen on the 30 other users alone: learned from their first 33 clean segments, and tried on
    their last 17, some of which are exchanged among them. No label is read but to score.
    """
    from sklearn.metrics import roc_auc_score

    data = sets.unix_masquerade(asked.data_dir)
    clean = data.log.heads(100 * _CLEAN)
    judged = np.flatnonzero((data.labels >= 0).all(1))
    others = clean.take(np.setdiff1d(np.arange(len(clean)), judged))
    choice, smoothing, notes = _chosen(others, asked)
    monitor, _ = _fitted(clean, choice.min_count, choice.fallback, asked)
    scores = monitor.score(data.log, since=_CLEAN)
    users = [f"user {number}" for number in judged]
    found = {f"monitor, {name}": values for name, values in scores.evidence.items()}
    found[f"monitor, {_ALL}"] = -np.log(scores.p_value)
    for control, (min_count, amount) in smoothing.items():
        fields = EventFields.learn(clean, min_count=min_count)
        found[control] = _control(control, amount, clean, data.log, fields, _CLEAN)
    areas = {}
    for name, values in found.items():
        by_user = [values[scores.user == user] for user in users]
        areas[name] = np.array(
            [roc_auc_score(data.labels[number, _CLEAN:], own) for number, own in zip(judged, by_user, strict=True)]
        )
    rows = [{"model": name, "auc": float(area.mean()), "worst": float(area.min())} for name, area in areas.items()]
    chosen = areas[f"monitor, {choice.evidence}"]
    drawn = np.random.default_rng(asked.seed).integers(0, len(judged), (10_000, len(judged)))
    for control in smoothing:
        ahead = chosen - areas[control]
        low, high = np.quantile(ahead[drawn].mean(1), (0.025, 0.975))
        notes.append(
            f"{choice.evidence} minus {control}: {ahead.mean():.3f}, 95 % interval over users {low:.3f} to {high:.3f}"
        )
    clean_units = np.concatenate([scores.p_value[scores.user == user][data.labels[number, _CLEAN:] == 0]
                                  for user, number in zip(users, judged, strict=True)])  # fmt: skip
    notes += [
        f"users: {', '.join(users)}; areas of {choice.evidence}: {', '.join(f'{area:.3f}' for area in chosen)}",
        f"alarms among their own later segments at 1 % and 5 %: {(clean_units <= 0.01).mean():.3f}, "
        f"{(clean_units <= 0.05).mean():.3f} of {len(clean_units)}",
    ]
    return rows, notes


def _fitted(
    log: EventLog, min_count: int, fallback: float, asked: Asked, model: EventEmbedder | None = None
) -> tuple[Monitor, EventEmbedder]:
    """A monitor whose habits know the last third of a log of clean segments too, by which it was calibrated."""
    segments = int(log.lengths[0]) // 100
    earlier = int(segments * 2 / 3)
    fields = EventFields.learn(log.heads(100 * earlier), min_count=min_count)
    training = {"steps": asked.steps or 1000, "length": 128, "fields": fields} if model is None else {}
    settings = Settings(every=100, seed=asked.seed, fallback=fallback)
    made = Monitor.fit(log, model, settings, **training)
    return made.update(log, since=earlier), made.model


def _chosen(others: EventLog, asked: Asked) -> tuple[Choice, dict[str, tuple[int, float]], list[str]]:
    """The choice by which exchanged segments are told best: of the last of some users about a half come from others of
    them. The mean over three draws and all users of the area under the curve.

    Returns:
      The choice; control -> its `min_count` and smoothing; and what was found in words.
    """
    from sklearn.metrics import roc_auc_score

    random, areas = np.random.default_rng(asked.seed), {}
    known, spliced = others.heads(100 * _EARLIER), []
    for _ in range(3):
        posed = random.random((len(others), _CLEAN - _EARLIER)) < 0.5
        # No user has only one kind.
        posed[:, 0], posed[:, 1] = True, False
        spliced.append((posed, _exchanged(others, posed, random)))

    def add(name: tuple[Any, ...], posed: np.ndarray, values: np.ndarray) -> None:
        own = values.reshape(posed.shape)
        area = np.mean([roc_auc_score(label, of_user) for label, of_user in zip(posed, own, strict=True)])
        areas.setdefault(name, []).append(float(area))

    for min_count in _MIN_COUNTS:
        model = None
        for fallback in _FALLBACKS:
            monitor, model = _fitted(known, min_count, fallback, asked, model)
            for posed, log in spliced:
                scores = monitor.score(log, since=_EARLIER)
                for kind, values in scores.evidence.items():
                    add((min_count, fallback, kind), posed, values)
                add((min_count, fallback, _ALL), posed, -np.log(scores.p_value))
        fields = EventFields.learn(known, min_count=min_count)
        for control, amounts in _SMOOTHING.items():
            for amount, (posed, log) in itertools.product(amounts, spliced):
                add((control, min_count, amount), posed, _control(control, amount, known, log, fields, _EARLIER))
    mean = {name: float(np.mean(values)) for name, values in areas.items()}
    tried = [name for name in mean if name[0] not in _SMOOTHING]
    best = Choice(*max(tried, key=mean.__getitem__))
    kinds = {name[2]: max(mean[other] for other in tried if other[2] == name[2]) for name in tried}
    pairs = {name[:2]: max(mean[other] for other in tried if other[:2] == name[:2]) for name in tried}
    controls = {
        control: max((name for name in mean if name[0] == control), key=mean.__getitem__) for control in _SMOOTHING
    }
    notes = [
        f"exchanged segments of {len(others)} other users, mean area: {best} {mean[best]:.3f}",
        *(f"the same, {name[0]}, min_count {name[1]}, {name[2]:g}: {mean[name]:.3f}" for name in controls.values()),
        "the best of each kind of evidence there: " + ", ".join(f"{name} {value:.3f}" for name, value in kinds.items()),
        "the best of each min_count and fallback there: "
        + ", ".join(f"{count} and {fallback:g} {value:.3f}" for (count, fallback), value in pairs.items()),
    ]
    return best, {control: (name[1], name[2]) for control, name in controls.items()}, notes


def _exchanged(log: EventLog, posed: np.ndarray, random: np.random.Generator) -> EventLog:
    """A log of 50 segments each, whose last are those of another user where `posed` `[N, 17]` says so."""
    count = len(log)
    whose = np.tile(np.arange(count)[:, None], (1, _CLEAN))
    another = (np.arange(count)[:, None] + random.integers(1, count, posed.shape)) % count
    whose[:, _EARLIER:] = np.where(posed, another, whose[:, _EARLIER:])
    rows = log.starts[:-1][whose][..., None] + 100 * np.arange(_CLEAN)[:, None] + np.arange(100)
    names = {name: Names(column.codes[rows.ravel()], column.values) for name, column in log.names.items()}
    return dataclasses.replace(log, names=names)


def _control(name: str, amount: float, clean: EventLog, log: EventLog, fields: EventFields, since: int) -> np.ndarray:
    """What a control says of the segments from one on, learned from clean segments of the same users."""
    units = units_of(log, 100)
    made = {_MARKOV: _markov_surprise, _COUNTS: _count_surprise}[name]
    return made(clean, log, fields, fields.codes(log, "action"), units.take(units.start >= since), amount)


def _markov_surprise(
    clean: EventLog, log: EventLog, fields: EventFields, codes: np.ndarray, units: Units, weight: float
) -> np.ndarray:
    """The control: minus the mean log-probability of a segment's commands under each user's own Markov chain."""
    size, own = fields.sizes()["action"], fields.codes(clean, "action")
    surprise = np.zeros(log.events)
    for number in range(len(log)):
        sequence = own[clean.starts[number] : clean.starts[number + 1]]
        rows = np.arange(log.starts[number] + 1, log.starts[number + 1])
        # Backed off to the user's own frequencies, and these to all commands alike.
        shares = markov([sequence], np.arange(size), size) + weight / size
        surprise[rows] = -np.log(shares[codes[rows - 1], codes[rows]])
    return pooled(surprise[:, None], units)[:, 0]


def _count_surprise(
    clean: EventLog, log: EventLog, fields: EventFields, codes: np.ndarray, units: Units, added: float
) -> np.ndarray:
    """The control of Maxion and Townsend (2002): naive Bayes of each user's commands against all others'."""
    size, own = fields.sizes()["action"], fields.codes(clean, "action")
    counts = np.bincount(clean.owner * size + own, minlength=len(clean) * size).reshape(-1, size) + added
    self_log = np.log(counts / counts.sum(1, keepdims=True))
    others = counts.sum(0) - counts
    other_log = np.log(others / others.sum(1, keepdims=True))
    owner = np.repeat(units.user, units.end - units.first)
    made = np.zeros((len(codes), 1))
    rows = units.events()
    made[rows, 0] = (other_log - self_log)[owner, codes[rows]]
    return pooled(made, units)[:, 0]


def simulator(asked: Asked) -> Found:
    """A made-up user base: false alarms of regular weeks, and how soon four kinds of misbehaviour are found."""
    base = user_base(asked.users, 32, asked.seed)
    # Twelve weeks are learned from and calibrate; the next twenty are judged.
    judged_from = np.datetime64("2026-01-05") + np.timedelta64(12, "W")
    known = base.log.before(judged_from)
    monitor = Monitor.fit(known, settings=Settings(seed=asked.seed), steps=asked.steps or 600, length=128)
    began = time.perf_counter()
    regular = monitor.score(base.log, since=judged_from)
    speed = base.log.events / (time.perf_counter() - began)
    rows, notes = [], [f"{base.log.events:,} events were scored at {speed:,.0f} a second"]
    for rate in (0.001, 0.01, 0.05):
        low, high = alarm_interval(len(monitor.calibration), len(regular.p_value), rate)
        share = float(regular.alarms(rate).mean())
        notes.append(
            f"regular weeks, alarms at {rate:.1%}: {share:.3%} of {len(regular.p_value):,}, "
            f"{len(monitor.calibration):,} calibrated; "
            f"99 % interval {low:.3%} to {high:.3%}, {'inside' if low <= share <= high else 'OUTSIDE'}"
        )
    # The same people; half of them misbehave in one of the judged weeks.
    bad = user_base(asked.users, 32, asked.seed, misbehaving=0.5, clean_weeks=12)
    scores, thresholds = monitor.score(bad.log, since=judged_from), monitor.thresholds(0.01)
    events, owner = scores.units.events(), scores.units.owner()
    fired = np.any([values > thresholds[name] for name, values in scores.running.items()], 0)
    alarms, user, kind = scores.alarms(0.01), bad.log.owner[events], bad.kind[events]
    guilty_units = np.zeros(len(alarms), bool)
    guilty_units[owner[kind > 0]] = True
    for number, name in enumerate(KINDS, 1):
        delays, found = [], []
        for who in np.unique(user[kind == number]):
            own = np.flatnonzero(user == who)
            first = own[kind[own] == number][0]
            after = own[own >= first]
            hits = np.flatnonzero(fired[after])
            # Of the misbehaviour's own events: how many had come when the alarm was raised, this one included.
            delays.append((kind[after[: hits[0] + 1]] == number).sum() if len(hits) else np.inf)
            found.append(alarms[np.unique(owner[own[kind[own] == number]])].any())
        rows.append({"model": name, "incidents": len(found), "found": float(np.mean(found))})
        # None where fewer than half are found while they last.
        if np.isfinite(delay := float(np.median(delays))):
            rows[-1]["median_delay"] = delay
    notes.append(_as_surprising(monitor, bad))
    precision = guilty_units[alarms].mean()
    notes.append(f"alarms at 1 %: {int(alarms.sum())}, of units with misbehaviour {precision:.3f}")
    return rows, notes


def _as_surprising(monitor: Monitor, bad: UserBase, count: int = 8) -> str:
    """Whether a rare sequence stands out at all: among the stretches of as many regular events."""
    log = bad.log
    surprise = {name: values for name, values in monitor.model.surprise(log).items() if name in monitor.norms.names}
    excess = monitor.norms.excess(surprise, monitor.numbers(log)[log.owner])[:, monitor.norms.names.index(log.action)]
    rare = bad.kind == 1 + KINDS.index("rare_sequence")
    windows = np.lib.stride_tricks.sliding_window_view
    sums, of_rare = windows(excess, count).sum(1), windows(rare, count).sum(1)
    regular = (windows(bad.kind, count).sum(1) == 0) & (log.owner[: len(sums)] == log.owner[count - 1 :])
    usual = float(np.median(sums[of_rare == count]))
    above, share = usual / count, (sums[regular] >= usual).mean()
    return (
        f"a rare sequence in the median: its {count} actions are {above:.2f} standard deviations each above what "
        f"surprises as a rule; of {regular.sum():,} stretches of {count} regular events {share:.2%} are as much"
    )
