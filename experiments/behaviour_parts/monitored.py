"""Tasks of the monitor: masqueraders among UNIX users, and a made-up user base with known misbehaviour."""

import dataclasses
import itertools
import time
from typing import NamedTuple

import numpy as np

from behaviour_parts.asked import Asked, Found
from tsrl.data.events import KINDS, EventFields, EventLog, sets, user_base
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
      markov: weight of all commands alike in the control's chain.
      counts: added to every count of the control's naive Bayes.
    """

    min_count: int
    fallback: float
    evidence: str
    markov: float
    counts: float


_ALL = "all evidence"
_MARKOV, _COUNTS = (1e-5, 1e-4, 1e-3, 1e-2), (0.001, 0.01, 0.1, 1.0)


def unix(asked: Asked) -> Found:
    """Which segments of 100 commands a masquerader typed: the ten users all of whose segments are labelled.

    Everything is learned from the 50 clean segments of all 40 users. Settings, kind of evidence and those of the
    controls are chosen on clean segments of the 30 other users, some of which are exchanged among these: no segment of
    the ten users, and no label, is read but to score.
    """
    from sklearn.metrics import roc_auc_score

    data = sets.unix_masquerade(asked.data_dir)
    clean = data.log.heads(5000)
    judged = np.flatnonzero((data.labels >= 0).all(1))
    others = np.setdiff1d(np.arange(len(clean)), judged)
    monitors, models = {}, {}
    for min_count, fallback in itertools.product((1, 5), (1.0, 3.0, 10.0)):
        settings = Settings(every=100, seed=asked.seed, fallback=fallback)
        fields = EventFields.learn(clean.heads(3300), min_count=min_count)
        given = {"steps": asked.steps or 1000, "length": 128, "fields": fields}
        made = Monitor.fit(clean, models.get(min_count), settings, **({} if min_count in models else given))
        models[min_count] = made.model
        monitors[min_count, fallback] = made
    choice, notes = _chosen(monitors, clean.take(others), asked.seed)
    # The last third of the clean segments has calibrated; histories may know it now.
    monitor = monitors[choice.min_count, choice.fallback].update(clean, since=33)
    scores = monitor.score(data.log, since=50)
    users = [f"user {number}" for number in judged]
    found = {f"monitor, {name}": values for name, values in scores.evidence.items()}
    found[f"monitor, {_ALL}"] = -np.log(scores.p_value)
    found |= {name: by_setting[setting] for (name, by_setting), setting in zip(
        _controls(clean, data.log, models[choice.min_count].fields, 50).items(), choice[3:], strict=True)}  # fmt: skip
    areas = {}
    for name, values in found.items():
        by_user = [values[scores.user == user] for user in users]
        areas[name] = np.array(
            [roc_auc_score(data.labels[number, 50:], own) for number, own in zip(judged, by_user, strict=True)]
        )
    rows = [{"model": name, "auc": float(area.mean()), "worst": float(area.min())} for name, area in areas.items()]
    chosen = areas[f"monitor, {choice.evidence}"]
    drawn = np.random.default_rng(asked.seed).integers(0, len(judged), (10_000, len(judged)))
    for control in ("Markov chain of each user", "counts of each user"):
        ahead = chosen - areas[control]
        low, high = np.quantile(ahead[drawn].mean(1), (0.025, 0.975))
        notes.append(
            f"{choice.evidence} minus {control}: {ahead.mean():.3f}, 95 % interval over users {low:.3f} to {high:.3f}"
        )
    clean_units = np.concatenate([scores.p_value[scores.user == user][data.labels[number, 50:] == 0]
                                  for user, number in zip(users, judged, strict=True)])  # fmt: skip
    notes += [
        f"users: {', '.join(users)}; areas of {choice.evidence}: {', '.join(f'{area:.3f}' for area in chosen)}",
        f"alarms among their own later segments at 1 % and 5 %: {(clean_units <= 0.01).mean():.3f}, "
        f"{(clean_units <= 0.05).mean():.3f} of {len(clean_units)}",
    ]
    return rows, notes


def _chosen(monitors: dict[tuple[int, float], Monitor], log: EventLog, seed: int) -> tuple[Choice, list[str]]:
    """The choice by which exchanged segments are told best: segments 33 to 49 of some users, of which about a half come
    from others of them. The mean over three draws and all users of the area under the curve.

    Returns:
      The choice, and what was found in words.
    """
    from sklearn.metrics import roc_auc_score

    random, areas = np.random.default_rng(seed), {}
    for _ in range(3):
        posed = random.random((len(log), 17)) < 0.5
        # No user has only one kind.
        posed[:, 0], posed[:, 1] = True, False
        spliced = _exchanged(log, posed, random)
        for (min_count, fallback), monitor in monitors.items():
            scores = monitor.score(spliced, since=33)
            found = {("evidence", min_count, fallback, name): values for name, values in scores.evidence.items()}
            found["evidence", min_count, fallback, _ALL] = -np.log(scores.p_value)
            for kind, by_setting in _controls(log.heads(3300), spliced, monitor.model.fields, 33).items():
                found |= {(kind, min_count, 0.0, setting): values for setting, values in by_setting.items()}
            for name, values in found.items():
                own = values.reshape(posed.shape)
                area = np.mean([roc_auc_score(label, of_user) for label, of_user in zip(posed, own, strict=True)])
                areas.setdefault(name, []).append(area)
    mean = {name: float(np.mean(values)) for name, values in areas.items()}
    best = max((name for name in mean if name[0] == "evidence"), key=mean.__getitem__)
    controls = [
        max((name for name in mean if name[:2] == (kind, best[1])), key=mean.__getitem__)
        for kind in ("Markov chain of each user", "counts of each user")
    ]
    choice = Choice(best[1], best[2], best[3], controls[0][3], controls[1][3])
    kinds = {
        name[3]: max(value for other, value in mean.items() if other[3] == name[3])
        for name in mean
        if name[0] == "evidence"
    }
    pairs = {name[1:3]: max(v for o, v in mean.items() if o[:3] == name[:3]) for name in mean if name[0] == "evidence"}
    return choice, [
        f"exchanged segments of {len(log)} other users, mean area: chosen {choice}: {mean[best]:.3f}; "
        + "; ".join(f"{name[0]}: {mean[name]:.3f}" for name in controls),
        "the best of each kind of evidence there: " + ", ".join(f"{name} {value:.3f}" for name, value in kinds.items()),
        "the best of each min_count and fallback there: "
        + ", ".join(f"{count} and {fallback:g} {value:.3f}" for (count, fallback), value in pairs.items()),
    ]


def _exchanged(log: EventLog, posed: np.ndarray, random: np.random.Generator) -> EventLog:
    """A log of 50 segments each, whose last are those of another user where `posed` `[N, 17]` says so."""
    count = len(log)
    whose = np.tile(np.arange(count)[:, None], (1, 50))
    another = (np.arange(count)[:, None] + random.integers(1, count, posed.shape)) % count
    whose[:, 33:] = np.where(posed, another, whose[:, 33:])
    rows = log.starts[:-1][whose][..., None] + 100 * np.arange(50)[:, None] + np.arange(100)
    names = {name: Names(column.codes[rows.ravel()], column.values) for name, column in log.names.items()}
    return dataclasses.replace(log, names=names)


def _controls(clean: EventLog, log: EventLog, fields: EventFields, since: int) -> dict[str, dict[float, np.ndarray]]:
    """What the controls say of the segments from one on, by their setting: learned from `clean`."""
    codes, units = fields.codes(log, "action"), units_of(log, 100)
    late = units.take(units.start >= since)
    return {
        "Markov chain of each user": {
            weight: _markov_surprise(clean, log, fields, codes, late, weight) for weight in _MARKOV
        },
        "counts of each user": {added: _count_surprise(clean, fields, codes, late, added) for added in _COUNTS},
    }


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


def _count_surprise(clean: EventLog, fields: EventFields, codes: np.ndarray, units: Units, added: float) -> np.ndarray:
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
    precision = guilty_units[alarms].mean()
    notes.append(f"alarms at 1 %: {int(alarms.sum())}, of units with misbehaviour {precision:.3f}")
    return rows, notes
