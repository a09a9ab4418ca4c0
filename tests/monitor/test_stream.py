"""Events pushed one by one are judged as `Monitor.score` judges them; what cannot be judged changes nothing."""

import dataclasses

import jax
import numpy as np
import pytest
from small_monitor import LATER

from tsrl.behaviour import EventEmbedder
from tsrl.behaviour.embedder import event_front
from tsrl.config import options
from tsrl.data.events import EventFields, whole_events
from tsrl.encoders import CausalConv
from tsrl.errors import InputError
from tsrl.monitor import Monitor, MonitorStream, Settings, load_stream, save_stream
from tsrl.monitor.scores import RUNNING
from tsrl.types import as_batch

# Two that are known, one of them with few events; one that is not.
USERS = [2, 7, 58]


def events_of(log):
    """`(row, event)` of every row, all users by time; without times user by user."""
    order = np.arange(log.events) if log.time is None else np.argsort(log.time, kind="stable")
    for row in order.tolist():
        event = {"user": str(log.users[log.owner[row]])}
        for name, held in log.names.items():
            event[name] = str(held.values[held.codes[row]]) if held.codes[row] >= 0 else None
        for name, values in log.numbers.items():
            event[name] = None if np.isnan(values[row]) else float(values[row])
        if log.time is not None:
            event["time"] = np.datetime64(int(log.time[row]), "us") if log.calendar else float(log.time[row])
        yield row, event


def pushed(stream, log):
    """`[E, sums]` after each event in the order of the log, and the status of each."""
    sums, status = np.full((log.events, 3), np.nan), np.empty(log.events, object)
    for row, event in events_of(log):
        verdict = stream.push(event)
        assert list(verdict.running) == list(RUNNING)
        sums[row], status[row] = list(verdict.running.values()), verdict.status
    return sums, status


def held_against_scores(monitor, log, rate=0.2):
    """Pushes a log and compares with its scores; gives the statuses."""
    stream = MonitorStream(monitor, rate)
    found, status = pushed(stream, log)
    scores = monitor.score(log)
    np.testing.assert_array_equal(scores.units.events(), np.arange(log.events))
    wanted = np.stack([scores.running[name] for name in RUNNING], -1)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    limits = np.array([stream.thresholds[name] for name in RUNNING])
    np.testing.assert_array_equal(status == "alarm", (found > limits).any(1))
    assert set(status) <= {"alarm", "regular"}
    return status, scores


def test_weeks_are_judged_as_in_the_log(monitor, clean):
    log = clean.log.take(USERS).before("2026-02-16")
    assert log.lengths.max() > 2 * monitor.model.context
    held_against_scores(monitor, log)


def test_alarms_are_raised_while_misbehaviour_lasts(monitor, bad):
    """Of users with an incident who are found by a running sum."""
    scores = monitor.score(bad.log, LATER)
    caught = np.min([scores.p[name] for name in RUNNING], axis=0) <= 0.012
    guilty = [incident.user for incident in bad.incidents if caught[scores.units.user == incident.user].any()][:2]
    assert len(guilty) == 2
    status, scores = held_against_scores(monitor, bad.log.take(guilty).since(LATER), rate=0.05)
    rows = np.concatenate([np.arange(bad.log.starts[user], bad.log.starts[user + 1]) for user in guilty])
    kind = bad.kind[rows[bad.log.time[rows] >= bad.log.moment(LATER)]]
    assert (status[kind > 0] == "alarm").any()
    assert (status[kind == 0] == "alarm").mean() < 0.5


def test_units_of_events_and_sessions(monitor, clean):
    train = clean.log.take(np.arange(12)).before(LATER)
    for settings in (Settings(every=30), Settings(every=None, gap=6 * 3600.0)):
        made = Monitor.fit(train, monitor.model, settings)
        log = clean.log.take(USERS[1:]).heads(100)
        _, scores = held_against_scores(made, log)
        assert len(scores.user) > 4


def untimed(log):
    return dataclasses.replace(log, time=None, calendar=False, zone=None, numbers={})


def untrained_monitor(log, method):
    fields, encoder = EventFields.learn(log), CausalConv(width=8, features=8, depth=1)
    events = whole_events(log, fields, 4)
    built = method.build(encoder, None, event_front(encoder, fields))
    params, aux = built.init(jax.random.key(0), as_batch(events.fields, mask=events.mask))
    return Monitor.fit(log, EventEmbedder(method, encoder, fields, params, aux, 16), Settings(every=10))


def test_a_log_without_times_repeats_events(clean):
    """The same action twice is two events there."""
    log = untimed(clean.log.take(np.arange(12)).heads(120))
    made = untrained_monitor(log, options("next_step"))
    short = log.take([3, 7]).heads(60)
    codes = np.stack([held.codes for held in short.names.values()], -1)
    assert ((np.diff(codes, axis=0) == 0).all(1)).any()
    held_against_scores(made, short)


@pytest.fixture
def running(monitor, clean):
    """A stream that has seen some events of a user, and the next one."""
    stream, log = MonitorStream(monitor, 0.05), clean.log.take([7]).heads(6)
    events = [event for _, event in events_of(log)]
    for event in events[:5]:
        last = stream.push(event)
    return stream, events, last


def kept(stream):
    """What a stream keeps: for each user the object itself, which is never changed, and copies of its arrays."""
    return {
        user: (id(one), np.concatenate(list(one.running.values())), one.seen, one.in_unit)
        for user, one in stream.users.items()
    }


def unchanged(stream, before):
    now = kept(stream)
    assert now.keys() == before.keys()
    for user, one in before.items():
        assert now[user][0] == one[0]
        np.testing.assert_array_equal(now[user][1], one[1])
        assert now[user][2:] == one[2:]


def test_late_and_duplicate_events_change_nothing(running, monitor, clean):
    stream, events, last = running
    before, objects = kept(stream), dict(stream.users)
    again = stream.push(dict(events[4]))
    assert (again.status, again.running) == ("duplicate", last.running)
    # The same in other words.
    other = {**events[4], "time": str(events[4]["time"]), "amount": events[4]["amount"] or float("nan")}
    assert stream.push(other).status == "duplicate"
    for early in (events[0], events[3], {**events[4], "time": events[4]["time"] - np.timedelta64(1, "us")}):
        late = stream.push(early)
        assert (late.status, late.running) == ("late", last.running)
    unchanged(stream, before)
    assert all(stream.users[user] is one for user, one in objects.items())
    # What follows is what it would have been.
    plain = MonitorStream(monitor, 0.05)
    for event in events:
        wanted = plain.push(event)
    assert stream.push(events[5]) == wanted
    # Another action at the same moment is another event, and so is that of another user.
    assert stream.push({**events[5], "device": "device 0"}).status in ("regular", "alarm")
    assert stream.push({**events[0], "user": "somebody"}).status in ("regular", "alarm")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"device": ...}, "event: found user, action, amount, time, want 'device' as well"),
        ({"amount": ...}, "want 'amount' as well"),
        ({"time": ...}, "want 'time' as well"),
        ({"user": ...}, "want 'user' as well"),
        ({"action": ...}, "want 'action' as well"),
        ({"action": None}, "event: found no action, want a value"),
        ({"user": None}, "event: found no user, want a value"),
        ({"amount": "much"}, "want a number or None for each of"),
        ({"amount": [1.0, 2.0]}, "want a number or None for each of"),
        ({"time": "soon"}, "moment: found 'soon', want a date"),
        ({"time": None}, "event: found time None, want a moment"),
        ({"time": np.datetime64("NaT")}, "want a moment"),
        ({"time": 3.5}, "moment: found 3.5, want a date"),
    ],
)
def test_events_that_cannot_be_judged_change_nothing(running, change, message):
    stream, events, _ = running
    before = kept(stream)
    event = {name: value for name, value in {**events[5], **change}.items() if value is not ...}
    with pytest.raises(InputError, match=message):
        stream.push(event)
    unchanged(stream, before)
    assert stream.push(events[5]).status in ("regular", "alarm")


def test_missing_values_are_judged_as_missing(running, monitor, clean):
    """None and NaN alike; of names None is what the log has as missing, and a new name is rare."""
    _, events, _ = running
    verdicts = []
    for amount in (None, float("nan"), np.float32("nan")):
        made = MonitorStream(monitor, 0.05)
        for event in events[:5]:
            made.push(event)
        verdicts.append(made.push({**events[5], "amount": amount, "device": None, "action": "action of no name"}))
    assert verdicts[0] == verdicts[1] == verdicts[2]
    log = clean.log.take([7]).heads(6)
    log.numbers["amount"][5] = np.nan
    log.names["device"].codes[5] = -1
    action = log.names["action"]
    codes = np.append(action.codes[:5], len(action.values)).astype(np.int32)
    new = action._replace(codes=codes, values=np.append(action.values, "action of no name"))
    log = dataclasses.replace(log, names={**log.names, "action": new})
    scores = monitor.score(log)
    for name, value in verdicts[0].running.items():
        assert value == pytest.approx(scores.running[name][-1], abs=1e-4)


def test_a_forgotten_user_begins_anew(running):
    stream, events, _ = running
    stream.forget("user 7")
    stream.forget("nobody")
    assert not stream.users
    # An earlier event is no late one now.
    assert stream.push(events[0]).status in ("regular", "alarm")
    assert stream.users["user 7"].seen == 1


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0, float("nan")])
def test_rates_out_of_their_range(monitor, rate):
    with pytest.raises(InputError, match=f"rate: found {rate}, want a share between 0 and 1"):
        MonitorStream(monitor, rate)


def test_a_saved_stream_goes_on_as_the_first_would_have(monitor, clean, tmp_path):
    log, path = clean.log.take(USERS).before("2026-01-26"), tmp_path / "stream.npz"
    events = [event for _, event in events_of(log)]
    events[7] |= {"amount": None, "device": None}
    whole = MonitorStream(monitor, 0.2)
    wanted = [whole.push(event) for event in events]
    stream, found = MonitorStream(monitor, 0.2), []
    for place, event in enumerate(events):
        if place in (0, 8, 9, len(events) // 2):
            save_stream(stream, path)
            stream = load_stream(path, monitor)
        found.append(stream.push(event))
    assert found == wanted
    save_stream(stream, path)
    again = load_stream(path, monitor)
    assert (again.rate, again.thresholds) == (stream.rate, stream.thresholds)
    assert again.push(events[-1]).status == "duplicate"
    late = dict(events[-1]) | {"time": events[-1]["time"] - np.timedelta64(1, "s")}
    assert again.push(late).status == "late"


def test_a_saved_stream_of_a_log_without_times(clean, tmp_path):
    log = untimed(clean.log.take(np.arange(12)).heads(120))
    made = untrained_monitor(log, options("ts2vec"))
    whole, stream = MonitorStream(made), MonitorStream(made)
    for place, (_, event) in enumerate(events_of(log.take([3]).heads(30))):
        wanted = whole.push(event)
        if place == 13:
            save_stream(stream, tmp_path / "stream.npz")
            stream = load_stream(tmp_path / "stream.npz", made)
        assert stream.push(event) == wanted


def test_files_that_are_no_stream_of_this_monitor(running, monitor, clean, tmp_path):
    stream, _, _ = running
    path = tmp_path / "stream.npz"
    with pytest.raises(InputError, match="path: cannot read"):
        load_stream(path, monitor)
    save_stream(stream, path)
    assert [file.name for file in tmp_path.iterdir()] == ["stream.npz"]
    weights = dataclasses.replace(monitor.impostors, event_weight=monitor.impostors.event_weight + 1)
    edges = {name: values + 1 for name, values in monitor.bins.edges.items()}
    others = (
        {"calibration": monitor.calibration + 1},
        {"norms": monitor.norms._replace(own=monitor.norms.own + 1)},
        {"yardsticks": {name: tuple(reversed(tails)) for name, tails in monitor.yardsticks.items()}},
        {"impostors": weights},
        {"bins": monitor.bins._replace(edges=edges)},
        {"settings": dataclasses.replace(monitor.settings, seed=1)},
    )
    for other in others:
        with pytest.raises(InputError, match="monitor: found another than"):
            load_stream(path, dataclasses.replace(monitor, **other))
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    changed = tmp_path / "changed.npz"
    np.savez(changed, **arrays | {"seen": arrays["seen"] + 1})
    with pytest.raises(InputError, match=r"path: found .*changed.npz changed since it was saved"):
        load_stream(changed, monitor)
    old = str(arrays["record"]).replace('"format": 1', '"format": 0')
    np.savez(changed, **arrays | {"record": np.array(old)})
    with pytest.raises(InputError, match="path: found format 0"):
        load_stream(changed, monitor)
    slack = str(arrays["record"]).replace('"rate": 0.05', '"rate": 0.5')
    assert slack != str(arrays["record"])
    np.savez(changed, **arrays | {"record": np.array(slack)})
    with pytest.raises(InputError, match="changed since it was saved"):
        load_stream(changed, monitor)
    np.savez(changed, record=np.array("[1]"))
    with pytest.raises(InputError, match="path: cannot read"):
        load_stream(changed, monitor)
    array = tmp_path / "array.npy"
    np.save(array, np.zeros(3))
    with pytest.raises(InputError, match="path: cannot read"):
        load_stream(array, monitor)
    for content in (b"", path.read_bytes()[:-100], b"text"):
        changed.write_bytes(content)
        with pytest.raises(InputError, match="path: cannot read"):
            load_stream(changed, monitor)
