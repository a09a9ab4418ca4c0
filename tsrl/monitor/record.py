"""What a page about a monitor's alarms tells, as the plain record that `report.behaviour_page` takes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tsrl.data.events import EventLog
from tsrl.data.events.log import Names
from tsrl.data.tables.time import wall_clock
from tsrl.errors import InputError, check_whole
from tsrl.monitor.evidence import habit_columns, pooled
from tsrl.monitor.explain import Explanation, explain
from tsrl.monitor.monitor import Monitor
from tsrl.monitor.over_time import counted, dates, drift_of, drift_over_time, periods_of, start_texts
from tsrl.monitor.periods import Units
from tsrl.monitor.scores import Scores, Settings

# Events before a unit that are shown with it.
_CONTEXT = 12
# Of a longer unit the events around its causes are shown.
_LONGEST, _AROUND = 150, 12
_DRAWN = 5_000


def page_record(
    monitor: Monitor,
    log: EventLog,
    scores: Scores,
    rate: float = 0.01,
    *,
    title: str = "Users' behaviour",
    made: Mapping[str, str] | None = None,
    most_alarms: int = 200,
    seed: int = 0,
) -> dict[str, Any]:
    """Makes the record.

    Args:
      monitor: that scored the log.
      log: that was scored.
      scores: of the log; one unit at least.
      rate: share of regular units that may be alarms, between 0 and 1.
      title: of the page.
      made: name -> version of what made it.
      most_alarms: so many, of the smallest p-values, are explained.
      seed: which regular units are drawn where there are many, and of the tests of drift.

    Returns:
      JSON values, see `report.behaviour_page`. Starts are text: of periods as the times stand in the log, of other
      units the time of the first event, without dates "no. 3", the unit's number in its sequence from 0. Times of
      events are by the clocks that the monitor reads hours from.

    Raises:
      InputError: no units, settings out of range.
    """
    check_whole("most_alarms", most_alarms, 0)
    check_whole("seed", seed, 0)
    if not 0 < rate < 1:
        raise InputError(f"rate: found {rate}, want a share between 0 and 1")
    if not len(scores.p_value):
        raise InputError("scores: found no units, want at least one")
    number, z = monitor.numbers(log), pooled(monitor.model.encode(log), scores.units)
    ratios = monitor.habits.ratios(habit_columns(log, monitor.model.fields, monitor.bins), number[log.owner])
    contributions, raised = ratios @ monitor.impostors.event_weight, scores.alarms(rate)
    starts = [f"no. {text}" if text.isdigit() else text for text in start_texts(log, scores.units, monitor.settings)]
    # Of equal p-values first the one with the rarer evidence.
    rarity = np.sum([monitor.scale[name].rarity(values) for name, values in scores.evidence.items()], 0)
    order = np.lexsort((-rarity, scores.p_value))[: min(int(raised.sum()), most_alarms)]
    passed = _passed(monitor, scores, rate)
    zone = monitor.model.fields.zone
    alarms = []
    for unit in order:
        why = explain(monitor, log, scores, int(unit), rate)
        timeline = _timeline(log, scores.units, int(unit), why, contributions, passed, zone)
        alarms.append(_alarm(why, starts[unit], timeline, monitor.settings))
    user, periods = number[scores.units.user], periods_of(log, scores.units, monitor.settings)
    every, gap = monitor.settings.every, monitor.settings.gap
    return {
        "title": title,
        "made": dict(made or {}),
        "unit": "session" if gap is not None else every if isinstance(every, str) else _counted(int(every or 1)),
        "rate": rate,
        "calibration_units": len(monitor.calibration),
        "users": {"known": len(monitor.users), "scored": len(np.unique(scores.units.user))},
        "map": _map(z, scores, starts, raised, seed),
        "periods": counted(periods, raised, len(monitor.calibration), rate),
        "drift": drift_of(monitor, z, user, seed),
        "drift_over_time": drift_over_time(monitor, periods, z, user, seed),
        "columns": _columns(log, zone),
        "alarms": alarms,
    }


def _counted(events: int) -> str:
    return "1 event" if events == 1 else f"{events} events"


def _passed(monitor: Monitor, scores: Scores, rate: float) -> list[np.ndarray]:
    """Of each unit, at which of its events a running sum is above its threshold."""
    thresholds = monitor.thresholds(rate)
    above = np.any([values > thresholds[name] for name, values in scores.running.items()], 0)
    return np.split(above, np.cumsum(scores.units.end - scores.units.first)[:-1])


def _alarm(
    why: Explanation, start: str, timeline: tuple[list[dict[str, Any]], dict[int, int]], settings: Settings
) -> dict[str, Any]:
    events, place = timeline
    periods = isinstance(settings.every, str)
    unit: Any = "m" if settings.every == "hour" else "D"
    causes = [
        {
            "event": place[cause.event],
            "contribution": cause.contribution,
            "fields": cause.fields,
            "surprise": cause.surprise,
            "embedding": cause.embedding if np.isfinite(cause.embedding) else None,
            "expected": [[name, min(max(share, 0.0), 1.0)] for name, share in cause.expected],
            "own": [[name, min(max(share, 0.0), 1.0)] for name, share in cause.own],
        }
        for cause in why.causes
    ]
    return {
        "user": why.user,
        "start": start,
        "p_value": why.p_value,
        # Beyond what was calibrated a tail only ranks.
        "evidence": {name: max(p, 1e-4) for name, p in why.evidence.items()},
        "nearest": [
            [user, dates(np.array([label]), unit)[0] if periods else f"no. {label}"] for user, label in why.nearest
        ],
        "events": events,
        "causes": causes,
    }


def _timeline(
    log: EventLog,
    units: Units,
    unit: int,
    why: Explanation,
    contributions: np.ndarray,
    passed: list[np.ndarray],
    zone: str | None,
) -> tuple[list[dict[str, Any]], dict[int, int]]:
    """A unit's events and some before it, and the place among these of each event of the log."""
    first, end = int(units.first[unit]), int(units.end[unit])
    begin = max(first - _CONTEXT, int(log.starts[units.user[unit]]))
    shown = np.ones(end - begin, bool)
    if end - first > _LONGEST:
        near = [cause.event for cause in why.causes] + ([] if why.first_alarm is None else [why.first_alarm])
        places = np.arange(first, end)
        shown[first - begin :] = (np.abs(places[:, None] - np.array(near)) <= _AROUND).any(1)
    cells = _cells(log, np.arange(begin, end), zone)
    events: list[dict[str, Any]] = []
    place: dict[int, int] = {}
    left_out = 0
    for n, event in enumerate(range(begin, end)):
        if not shown[n]:
            left_out += 1
            continue
        events += _gap(left_out, len(cells[n]))
        left_out = 0
        place[event] = len(events)
        events.append(
            {
                "cells": cells[n],
                "contribution": float(contributions[event]),
                "in_unit": event >= first,
                "alarm_here": event >= first and bool(passed[unit][event - first]),
            }
        )
    return events + _gap(left_out, len(cells[0])), place


def _gap(left_out: int, columns: int) -> list[dict[str, Any]]:
    """A row that stands for events that are not shown."""
    if not left_out:
        return []
    told = f"… {left_out:,} more …"
    cells = [told, *[None] * (columns - 1)]
    return [{"cells": cells, "contribution": 0.0, "in_unit": True, "alarm_here": False}]


def _columns(log: EventLog, zone: str | None) -> list[str]:
    where = zone or log.zone
    time = [] if log.time is None else ["time" if where is None else f"time ({where})"]
    return [*time, *log.names, *log.numbers]


def _cells(log: EventLog, events: np.ndarray, zone: str | None) -> list[list[str | None]]:
    """Of each event, a text for each of `_columns`."""
    columns: list[list[str | None]] = []
    if log.time is not None and log.calendar:
        time = log.time[events]
        columns.append([*dates(time if zone is None else wall_clock(time, zone), "s")])
    elif log.time is not None:
        columns.append([_number(value) for value in log.time[events].tolist()])
    columns += [[_name(held, code) for code in held.codes[events]] for held in log.names.values()]
    columns += [[_number(value) for value in values[events].tolist()] for values in log.numbers.values()]
    return [list(cells) for cells in zip(*columns, strict=True)]


def _name(held: Names, code: int) -> str | None:
    return None if code < 0 else str(held.values[code])


def _number(value: float) -> str | None:
    if not np.isfinite(value):
        return None
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"


def _map(
    z: np.ndarray, scores: Scores, starts: list[str], raised: np.ndarray, seed: int
) -> dict[str, list[Any]] | None:
    """Two principal components of the units' embeddings; all alarms, and of many regular units some."""
    from sklearn.decomposition import PCA

    regular = np.flatnonzero(~raised)
    most = max(_DRAWN - int(raised.sum()), 0)
    drawn = np.random.default_rng(seed).choice(regular, most, replace=False) if len(regular) > most else regular
    rows = np.sort(np.concatenate([np.flatnonzero(raised), drawn]))
    if len(rows) < 2:
        return None
    places = PCA(2, svd_solver="full").fit_transform(z[rows].astype(np.float64))
    return {
        "x": [float(f"{value:.5g}") for value in places[:, 0]],
        "y": [float(f"{value:.5g}") for value in places[:, 1]],
        "user": [str(scores.user[n]) for n in rows],
        "start": [starts[n] for n in rows],
        "p_value": [float(scores.p_value[n]) for n in rows],
        "alarm": [bool(raised[n]) for n in rows],
    }
