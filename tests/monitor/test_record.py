"""The record of a page: it is one, its counts are those of the scores, what it shows is what is in the log."""

import dataclasses

import numpy as np
import pytest
from small_monitor import LATER

from tsrl.data.events import EventColumns, read_events, user_base
from tsrl.data.events.log import Names
from tsrl.encoders import CausalConv
from tsrl.errors import InputError
from tsrl.monitor import Monitor, Settings, over_time, record
from tsrl.monitor.conformal import alarm_interval
from tsrl.monitor.record import page_record
from tsrl.report import behaviour_page

RATE = 0.05
EVIL = "</script><script>alert(1)</script>"
SMALL = {"encoder": CausalConv(width=8, features=8, depth=1), "length": 16, "steps": 5}


@pytest.fixture(scope="module")
def scored(monitor, bad):
    return monitor.score(bad.log, LATER)


@pytest.fixture(scope="module")
def made(monitor, bad, scored):
    return page_record(monitor, bad.log, scored, RATE, title="Weeks", made={"numpy": np.__version__})


def test_a_page_is_made_of_it(made):
    page = behaviour_page(made)
    assert "<h1>Weeks</h1>" in page
    assert made["unit"] == "week"
    assert made["columns"] == ["time (UTC)", "action", "device", "amount"]
    assert made["users"] == {"known": 57, "scored": 60}


def test_counts_are_those_of_the_scores(monitor, scored, made):
    raised = scored.alarms(RATE)
    assert raised.sum() > 3
    assert [alarm["p_value"] for alarm in made["alarms"]] == sorted(scored.p_value[raised].tolist())
    weeks = np.unique(scored.units.start)
    assert [period["start"] for period in made["periods"]] == weeks.astype("datetime64[us]").astype("M8[D]").astype(
        str
    ).tolist()
    for period, week in zip(made["periods"], weeks, strict=True):
        inside = scored.units.start == week
        assert (period["units"], period["alarms"]) == (inside.sum(), raised[inside].sum())
        ends = alarm_interval(len(monitor.calibration), int(inside.sum()), RATE)
        assert period["expected"] == pytest.approx([end * inside.sum() for end in ends])
    assert made["calibration_units"] == len(monitor.calibration)


def test_an_alarms_timeline_is_the_users_events_with_a_dozen_before(bad, scored, made):
    log = bad.log
    for alarm in made["alarms"]:
        (unit,) = np.flatnonzero(
            (scored.user == alarm["user"]) & (over_time.dates(scored.units.start, "D") == np.array(alarm["start"]))
        )
        first, end = scored.units.first[unit], scored.units.end[unit]
        shown = [event for event in alarm["events"] if not str(event["cells"][0]).startswith("…")]
        assert sum(not event["in_unit"] for event in shown) == min(12, first - log.starts[scored.units.user[unit]])
        if len(shown) == len(alarm["events"]):
            places = np.arange(first - 12, end)[-len(shown) :]
            held = log.names["action"]
            assert [event["cells"][1] for event in shown] == held.values[held.codes[places]].tolist()
            times = log.time[places].astype("datetime64[us]").astype("M8[s]").astype(str)
            assert [event["cells"][0].replace(" ", "T") for event in shown] == times.tolist()
        for cause in alarm["causes"]:
            event = alarm["events"][cause["event"]]
            assert event["in_unit"]
            assert event["contribution"] == pytest.approx(cause["contribution"], abs=1e-6)


def test_a_long_unit_is_shown_around_its_causes(monitor, bad, scored, monkeypatch):
    monkeypatch.setattr(record, "_LONGEST", 10)
    monkeypatch.setattr(record, "_AROUND", 1)
    made = page_record(monitor, bad.log, scored, RATE, most_alarms=3)
    behaviour_page(made)
    assert len(made["alarms"]) == 3
    for alarm in made["alarms"]:
        # Five causes and the first alarm, with one before and one after each, and gaps between.
        assert sum(event["in_unit"] for event in alarm["events"]) <= 3 * 6 + 7
    assert any(str(event["cells"][0]).startswith("…") for alarm in made["alarms"] for event in alarm["events"])


def test_all_alarms_and_some_regular_units_are_on_the_map(monitor, bad, scored, made, monkeypatch):
    assert len(made["map"]["x"]) == len(scored.p_value)
    raised = int(scored.alarms(RATE).sum())
    monkeypatch.setattr(record, "_DRAWN", raised + 7)
    few = page_record(monitor, bad.log, scored, RATE, most_alarms=0, seed=1)
    assert (len(few["map"]["x"]), sum(few["map"]["alarm"])) == (raised + 7, raised)
    assert few["alarms"] == []
    again = page_record(monitor, bad.log, scored, RATE, most_alarms=0, seed=1)
    assert few == again
    other = page_record(monitor, bad.log, scored, RATE, most_alarms=0, seed=2)
    assert few["map"]["user"] != other["map"]["user"]


def test_texts_of_users_stay_texts(monitor, bad):
    log, held = bad.log, bad.log.names["action"]
    codes = held.codes.copy()
    codes[np.flatnonzero(bad.kind)] = len(held.values)
    names = {**log.names, "action": Names(codes, np.append(held.values, EVIL))}
    users = np.array([f"{EVIL} {number}" for number in range(len(log))])
    evil = dataclasses.replace(log, names=names, users=users)
    made = page_record(monitor, evil, monitor.score(evil, LATER), RATE, title=EVIL, most_alarms=5)
    assert made["users"] == {"known": 57, "scored": 60}
    assert any(EVIL in (event["cells"][1] or "") for alarm in made["alarms"] for event in alarm["events"])
    assert EVIL.lower() not in behaviour_page(made).lower()


def test_drift_is_tested_of_all_and_over_time(monitor, made):
    assert 0 <= made["drift"]["p_value"] <= 1
    # Four weeks are one block.
    assert [test["start"] for test in made["drift_over_time"]] == [LATER]


def test_too_few_users_to_test_a_drift(monitor, clean):
    log = clean.log.take(np.arange(3))
    made = page_record(monitor, log, monitor.score(log, LATER), RATE)
    assert made["drift"] is None
    assert made["drift_over_time"] == []
    behaviour_page(made)


def test_sessions_and_stretches_without_dates():
    base = user_base(users=12, weeks=6, seed=1)
    sessions = Monitor.fit(base.log, settings=Settings(every=None, gap=3600.0), **SMALL)
    made = page_record(sessions, base.log, sessions.score(base.log), RATE, most_alarms=2)
    behaviour_page(made)
    assert made["unit"] == "session"
    assert made["alarms"][0]["start"][:5] == "2026-"
    assert len(made["alarms"][0]["start"]) == len("2026-01-05 10:00")
    # Days, into which the sessions of six weeks fit.
    assert 30 < len(made["periods"]) <= 42
    action = base.log.names["action"]
    columns = {"who": base.log.users[base.log.owner], "did": action.values[action.codes]}
    log = read_events(columns, EventColumns(user="who", action="did", time=None))
    plain = Monitor.fit(log, settings=Settings(every=30), **SMALL)
    made = page_record(plain, log, plain.score(log), 0.5, most_alarms=2)
    behaviour_page(made)
    assert (made["unit"], made["periods"], made["columns"]) == ("30 events", [], ["did"])
    assert made["alarms"][0]["start"].startswith("no. ")


def test_times_are_by_the_clocks_that_hours_are_read_from(bad):
    log = bad.log.take(np.arange(20))
    monitor = Monitor.fit(log.before("2026-03-02"), zone="Asia/Tokyo", **SMALL)
    made = page_record(monitor, log, monitor.score(log, "2026-03-02"), 0.2, most_alarms=1)
    assert made["columns"][0] == "time (Asia/Tokyo)"
    times = [event["cells"][0].replace(" ", "T") for event in made["alarms"][0]["events"]]
    shown = {np.datetime64(time, "s") for time in times if not time.startswith("…")}
    assert len(shown) > 5
    assert shown <= set((log.time.astype("datetime64[us]") + np.timedelta64(9, "h")).astype("datetime64[s]"))


def test_periods_grow_until_they_are_few():
    base = user_base(users=12, weeks=6, seed=1)
    monitor = Monitor.fit(base.log, settings=Settings(every="hour"), **SMALL)
    scores = monitor.score(base.log)
    periods = over_time.periods_of(base.log, scores.units, monitor.settings)
    assert len(np.unique(scores.units.start)) > 200 >= len(periods.start)
    assert len(periods.start[0]) == len("2026-01-05")
    assert len(over_time.start_texts(base.log, scores.units, monitor.settings)[0]) == len("2026-01-05 10:00")


def test_wrong_settings(monitor, bad, scored):
    nothing = scored._replace(units=scored.units.take(np.zeros(0, int)), p_value=np.zeros(0))
    with pytest.raises(InputError, match="found no units"):
        page_record(monitor, bad.log, nothing)
    with pytest.raises(InputError, match="rate: found 1"):
        page_record(monitor, bad.log, scored, 1)
    with pytest.raises(InputError, match="most_alarms: found -1"):
        page_record(monitor, bad.log, scored, most_alarms=-1)
