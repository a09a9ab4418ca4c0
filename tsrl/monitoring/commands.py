"""The commands of `tsrl monitor`: each checks, computes, and then writes its output, whole or not at all.

Each prints sentences about it and returns the same as JSON values.
"""

from importlib.metadata import version
from typing import Any

import numpy as np

import tsrl
from tsrl.data.events import EventColumns, user_base
from tsrl.errors import InputError
from tsrl.files import whole_folder, write_whole
from tsrl.monitor import Monitor, Settings, save
from tsrl.monitor.conformal import alarm_interval
from tsrl.monitor.over_time import start_texts
from tsrl.monitor.record import page_record
from tsrl.monitoring.asked import Demo, Fit, Report, Score, Update
from tsrl.monitoring.files import (
    check_file,
    check_folder,
    check_rate,
    moment,
    opened,
    read,
    since_of,
    stamps,
    table_bytes,
)
from tsrl.report import behaviour_page


def fit(asked: Fit) -> dict[str, Any]:
    """Fits a monitor and saves it with the meaning of the columns."""
    check_folder(asked.out)
    columns = EventColumns(
        user=asked.user,
        action=asked.action,
        time=asked.time or None,
        categorical=asked.categorical,
        numeric=asked.numeric,
        timezone=asked.timezone,
        time_format=asked.time_format,
        encoding=asked.encoding,
        delimiter=asked.delimiter,
        decimal=asked.decimal,
        missing=asked.missing,
    )
    log = read(asked.log, columns, asked.duplicates)
    if asked.until is not None:
        log = log.before(moment("until", log, asked.until))
        if not log.events:
            raise InputError(f"until: found {asked.until}, before all events, want a later one")
        # Of users without an earlier event nothing is known.
        log = log.take(log.lengths > 0)
    every = "week" if asked.every is None and asked.gap is None else asked.every
    settings = Settings(every, asked.gap, asked.calibrate, asked.seed)
    training: dict[str, Any] = {"steps": asked.steps, "length": asked.length, "quiet": asked.quiet}
    monitor = Monitor.fit(log, settings=settings, zone=asked.timezone, **training)
    with whole_folder(asked.out) as fresh:
        save(monitor, fresh, columns)
    count = len(monitor.calibration)
    calibrating = count + len(next(iter(monitor.scale.values())))
    print(f"{asked.out}: {log.events:,} events of {len(log):,} users")
    print(f"{len(monitor.labels):,} units to learn from, {calibrating:,} that calibrate")
    print(f"the smallest p-value is {1 / (count + 1):.2g}: alarms are possible at rates from there on")
    return {
        "out": str(asked.out),
        "events": log.events,
        "users": len(log),
        "units": len(monitor.labels),
        "calibrating": calibrating,
        "smallest_p_value": 1 / (count + 1),
    }


def score(asked: Score) -> dict[str, Any]:
    """Writes a row for each unit, and prints how many alarms there are and how many were to be expected."""
    ending = check_file(asked.out, (".csv", ".parquet", ".jsonl"))
    check_rate(asked.rate)
    monitor, log, _ = opened(asked)
    scores = monitor.score(log, since_of(monitor, log, asked.since))
    raised = scores.discoveries(asked.rate) if asked.fdr else scores.alarms(asked.rate)
    columns: dict[str, Any] = {
        "user": scores.user.astype(str).tolist(),
        "start": start_texts(log, scores.units, monitor.settings),
        "events": (scores.units.end - scores.units.first).tolist(),
        "p_value": scores.p_value.tolist(),
        "alarm": raised.tolist(),
        **{f"p_{name}": values.tolist() for name, values in scores.p.items()},
    }
    write_whole(asked.out, table_bytes(columns, ending))
    units, calibrated = len(raised), len(monitor.calibration)
    users = len(np.unique(scores.units.user))
    print(f"{asked.out}: {units:,} units of {users:,} users, {int(raised.sum()):,} alarms")
    told = {"out": str(asked.out), "units": units, "users": users, "alarms": int(raised.sum()), "rate": asked.rate}
    told |= {"fdr": asked.fdr, "smallest_p_value": 1 / (calibrated + 1)}
    if asked.fdr:
        print(f"of these alarms a share of at most {asked.rate:g} is expected to be regular")
        return told
    low, high = (share * units for share in alarm_interval(calibrated, units, asked.rate))
    print(f"{asked.rate * units:.3g} alarms are expected if all are regular, {low:.0f} to {high:.0f} at 99 %")
    if asked.rate * (calibrated + 1) < 1:
        print(f"no unit can be an alarm: the smallest p-value of {calibrated:,} units is {1 / (calibrated + 1):.2g}")
    return told | {"expected": asked.rate * units, "expected_99": [float(low), float(high)]}


def report(asked: Report) -> dict[str, Any]:
    """Writes the page."""
    check_file(asked.out, (".html",))
    check_rate(asked.rate)
    monitor, log, _ = opened(asked)
    scores = monitor.score(log, since_of(monitor, log, asked.since))
    made = {"tsrl": tsrl.__version__, **{name: version(name) for name in ("jax", "flax", "numpy", "scikit-learn")}}
    record = page_record(
        monitor, log, scores, asked.rate, title=asked.title, made=made, most_alarms=asked.most_alarms, seed=asked.seed
    )
    write_whole(asked.out, behaviour_page(record))
    raised = int(scores.alarms(asked.rate).sum())
    explained = len(record["alarms"])
    print(f"{asked.out}: {len(scores.p_value):,} units, {raised:,} alarms, {explained:,} explained")
    return {"out": str(asked.out), "units": len(scores.p_value), "alarms": raised, "explained": explained}


def update(asked: Update) -> dict[str, Any]:
    """Saves a monitor that knows later units too."""
    check_folder(asked.out)
    check_rate(asked.rate)
    monitor, log, columns = opened(asked)
    since = since_of(monitor, log, asked.since)
    units = len(monitor.units(log, since).user)
    later = monitor.update(log, since, asked.rate)
    with whole_folder(asked.out) as fresh:
        save(later, fresh, columns)
    added = len(later.labels) - len(monitor.labels)
    print(f"{asked.out}: {added:,} units added, {units - added:,} alarms left out")
    fresh_users = len(later.users) - len(monitor.users)
    print(f"{len(later.users):,} users known, {fresh_users:,} of them new")
    told = {"out": str(asked.out), "added": added, "left_out": units - added}
    return told | {"users": len(later.users), "new_users": fresh_users}


def demo(asked: Demo) -> dict[str, Any]:
    """Writes a made-up log and the truth about it."""
    check_folder(asked.out)
    base = user_base(
        asked.users,
        asked.weeks,
        asked.seed,
        misbehaving=asked.misbehaving,
        clean_weeks=asked.clean_weeks,
        population_drift=asked.population_drift,
    )
    log = base.log
    assert log.time is not None
    columns: dict[str, Any] = {"user": log.users[log.owner].tolist(), "time": stamps(log.time)}
    columns |= {name: held.values[held.codes].tolist() for name, held in log.names.items()}
    amount = log.numbers["amount"].tolist()
    columns["amount"] = [None if value != value else value for value in amount]
    # As a log is written: in the order of time, all users among each other.
    order = np.argsort(log.time, kind="stable")
    columns = {name: [values[row] for row in order] for name, values in columns.items()}
    truth: dict[str, list[Any]] = {
        "user": [str(log.users[one.user]) for one in base.incidents],
        "kind": [one.kind for one in base.incidents],
        "start": stamps(np.array([one.start for one in base.incidents], np.int64)),
        "end": stamps(np.array([one.end for one in base.incidents], np.int64)),
    }
    with whole_folder(asked.out) as fresh:
        write_whole(fresh / "log.csv", table_bytes(columns, ".csv"))
        write_whole(fresh / "truth.csv", table_bytes(truth, ".csv"))
    clean = np.datetime64("2026-01-05") + np.timedelta64(asked.clean_weeks, "W")
    print(f"{asked.out}: {log.events:,} events of {len(log):,} users, {len(base.incidents):,} of whom misbehave")
    print(f"regular until {clean}, which is what --until and --since of the next commands want")
    told = {"out": str(asked.out), "events": log.events, "users": len(log), "misbehaving": len(base.incidents)}
    return told | {"regular_until": str(clean)}
