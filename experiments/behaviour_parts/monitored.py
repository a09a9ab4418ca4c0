"""Tasks of the monitor: masqueraders among UNIX users, and a made-up user base with known misbehaviour."""

import time
from typing import Any

import numpy as np

from behaviour_parts.asked import Asked, Found
from tsrl.data.events import KINDS, EventFields, EventLog, sets, user_base
from tsrl.evaluate.next_action import markov
from tsrl.monitor import Monitor, Settings
from tsrl.monitor.conformal import alarm_interval
from tsrl.monitor.evidence import pooled
from tsrl.monitor.periods import units_of


def unix(asked: Asked) -> Found:
    """Which segments of 100 commands a masquerader typed: the ten users all of whose segments are labelled.

    Everything is learned from the 50 clean segments of all 40 users; what is weighed how, from other users' clean
    segments as impostors. No label is read but to score.
    """
    from sklearn.metrics import roc_auc_score

    data = sets.unix_masquerade(asked.data_dir)
    clean = data.log.heads(5000)
    judged = np.flatnonzero((data.labels >= 0).all(1))
    monitor = Monitor.fit(clean, settings=Settings(every=100, seed=asked.seed), steps=asked.steps or 1000, length=128)
    # The last third of the clean segments has calibrated; histories may know it now.
    scores = monitor.update(clean, since=33).score(data.log, since=50)
    users = [f"user {number}" for number in judged]
    found = {f"monitor, {name}": values for name, values in scores.evidence.items()}
    found["monitor, all evidence"] = -np.log(scores.p_value)
    fields = monitor.model.fields
    codes, units = fields.codes(data.log, "action"), units_of(data.log, 100)
    late = units.take(units.start >= 50)
    found["Markov chain of each user"] = _markov_surprise(clean, data.log, fields, codes, late)
    found["counts of each user"] = _count_surprise(clean, fields, codes, late)
    areas = {}
    for name, values in found.items():
        by_user = [values[scores.user == user] for user in users]
        areas[name] = np.array(
            [roc_auc_score(data.labels[number, 50:], own) for number, own in zip(judged, by_user, strict=True)]
        )
    rows = [{"model": name, "auc": float(area.mean()), "worst": float(area.min())} for name, area in areas.items()]
    best, control = areas["monitor, identity"], areas["Markov chain of each user"]
    drawn = np.random.default_rng(asked.seed).integers(0, len(judged), (10_000, len(judged)))
    low, high = np.quantile((best - control)[drawn].mean(1), (0.025, 0.975))
    clean_units = np.concatenate([scores.p_value[scores.user == user][data.labels[number, 50:] == 0]
                                  for user, number in zip(users, judged, strict=True)])  # fmt: skip
    notes = [
        f"identity minus Markov chain: {(best - control).mean():.3f}, 95 % interval over users {low:.3f} to {high:.3f}",
        f"users: {', '.join(users)}; areas of identity: {', '.join(f'{area:.3f}' for area in best)}",
        f"alarms among their own later segments at 1 % and 5 %: {(clean_units <= 0.01).mean():.3f}, "
        f"{(clean_units <= 0.05).mean():.3f} of {len(clean_units)}",
    ]
    return rows, notes


def _markov_surprise(clean: EventLog, log: EventLog, fields: EventFields, codes: np.ndarray, units: Any) -> np.ndarray:
    """The control: minus the mean log-probability of a segment's commands under each user's own Markov chain."""
    size, own = fields.sizes()["action"], fields.codes(clean, "action")
    surprise = np.zeros(log.events)
    for number in range(len(log)):
        sequence = own[clean.starts[number] : clean.starts[number + 1]]
        rows = np.arange(log.starts[number] + 1, log.starts[number + 1])
        # Backed off to the user's own frequencies, and these to all commands alike.
        shares = markov([sequence], np.arange(size), size) + 1e-4 / size
        surprise[rows] = -np.log(shares[codes[rows - 1], codes[rows]])
    return pooled(surprise[:, None], units)[:, 0]


def _count_surprise(clean: EventLog, fields: EventFields, codes: np.ndarray, units: Any) -> np.ndarray:
    """The control of Maxion and Townsend (2002): naive Bayes of each user's commands against all others'."""
    size, own = fields.sizes()["action"], fields.codes(clean, "action")
    counts = np.bincount(clean.owner * size + own, minlength=len(clean) * size).reshape(-1, size) + 0.01
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
