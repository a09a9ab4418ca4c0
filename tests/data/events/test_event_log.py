"""Logs against plain loops over rows."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.data.events import EventColumns, read_events
from tsrl.errors import InputError

COLUMNS = EventColumns(categorical=("shop",), numeric=("amount",))
TABLE = {
    "user": ["b", "a", "b", "a", "b", "b"],
    "action": ["buy", "look", "look", "look", "buy", "buy"],
    "time": ["2026-01-02", "2026-01-01", "2026-01-01T12:00", "2026-01-05", "2026-01-02", "2026-01-09"],
    "shop": ["x", None, "y", "x", "x", None],
    "amount": [3.5, None, 0.0, 1.0, 3.5, -2.0],
}


def rows_of(log):
    """Each sequence as a list of its events."""
    found = []
    for user, first, end in zip(log.users, log.starts[:-1], log.starts[1:], strict=True):
        events = []
        for row in range(first, end):
            names = [None if c.codes[row] < 0 else str(c.values[c.codes[row]]) for c in log.names.values()]
            numbers = [None if np.isnan(v[row]) else float(v[row]) for v in log.numbers.values()]
            events.append((None if log.time is None else log.time[row].item(), *names, *numbers))
        found.append((user.item(), events))
    return found


def microseconds(text):
    return int(np.datetime64(text, "us").astype(np.int64))


def test_events_stand_by_user_and_time():
    log = read_events(TABLE, COLUMNS)
    day = microseconds
    assert rows_of(log) == [
        (
            "b",
            [
                (day("2026-01-01T12:00"), "look", "y", 0.0),
                (day("2026-01-02"), "buy", "x", 3.5),
                (day("2026-01-02"), "buy", "x", 3.5),
                (day("2026-01-09"), "buy", None, -2.0),
            ],
        ),
        ("a", [(day("2026-01-01"), "look", None, None), (day("2026-01-05"), "look", "x", 1.0)]),
    ]
    assert log.action == "action"
    assert (len(log), log.events, log.calendar, log.zone) == (2, 6, True, None)
    assert log.notes == (
        "1 events were before the one above them, sorted by time",
        "1 events equal one before in every column, kept",
    )
    assert read_events(TABLE, COLUMNS, duplicates="drop").lengths.tolist() == [3, 2]


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet", ".jsonl", ".ndjson.gz"])
def test_every_format_reads_alike(ending, tmp_path):
    path = tmp_path / f"log{ending}"
    if ending == ".parquet":
        pq.write_table(pa.table(TABLE), path)
    elif "json" in ending:
        lines = [dict(zip(TABLE, row, strict=True)) for row in zip(*TABLE.values(), strict=True)]
        text = "".join(json.dumps(line) + "\n" for line in lines).encode()
        path.write_bytes(gzip.compress(text) if ending.endswith(".gz") else text)
    else:
        cells = [",".join(TABLE)] + [
            ",".join("" if cell is None else str(cell) for cell in row) for row in zip(*TABLE.values(), strict=True)
        ]
        text = "\n".join(cells).encode()
        path.write_bytes(gzip.compress(text) if ending.endswith(".gz") else text)
    assert rows_of(read_events(path, COLUMNS)) == rows_of(read_events(TABLE, COLUMNS))


event = st.tuples(st.sampled_from("abc"), st.integers(0, 6), st.sampled_from("pqr"), st.sampled_from([None, 1.0, 2.5]))


def made(rows):
    user, time, action, amount = zip(*rows, strict=True)
    table = {"user": user, "time": time, "action": action, "amount": pa.array(amount, pa.float64())}
    return {name: column if isinstance(column, pa.Array) else list(column) for name, column in table.items()}


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(event, min_size=1, max_size=25),
    count=st.integers(1, 4),
    gap=st.integers(1, 3),
    moment=st.integers(0, 6),
)
def test_cuts_against_loops(rows, count, gap, moment):
    log = read_events(made(rows), EventColumns(numeric=("amount",)))
    users = list(dict.fromkeys(row[0] for row in rows))
    by_user = {}
    for user in users:
        own = [(float(time), action, amount) for who, time, action, amount in rows if who == user]
        by_user[user] = sorted(own, key=lambda event: event[0])
    wanted = list(by_user.items())
    assert rows_of(log) == wanted
    assert rows_of(log.heads(count)) == [(user, own[:count]) for user, own in wanted]
    assert rows_of(log.before(moment)) == [(user, [e for e in own if e[0] < moment]) for user, own in wanted]
    assert rows_of(log.since(moment)) == [(user, [e for e in own if e[0] >= moment]) for user, own in wanted]
    assert rows_of(log.take(range(len(log))[::-1])) == wanted[::-1]
    sessions = []
    for user, own in wanted:
        for place, event in enumerate(own):
            if place == 0 or event[0] - own[place - 1][0] > gap:
                sessions.append((user, []))
            sessions[-1][1].append(event)
    assert rows_of(log.sessions(gap)) == sessions
    since = [None if i == 0 else own[i][0] - own[i - 1][0] for _, own in wanted for i in range(len(own))]
    np.testing.assert_array_equal(log.since_previous(), np.array(since, float))
    dropped = read_events(made(rows), EventColumns(numeric=("amount",)), duplicates="drop")
    assert dropped.events == len(set(rows))
    # A cut of a cut: users without events stay.
    empty = log.before(moment)
    assert len(empty.heads(1)) == len(log)
    assert len(empty.sessions(gap)) == len(log.before(moment).take(empty.lengths > 0).sessions(gap))


def test_without_the_events_that_are_to_be_predicted():
    log = read_events(TABLE, COLUMNS)
    assert log.without(["buy"]).lengths.tolist() == [1, 2]
    assert log.without(["x"], "shop").lengths.tolist() == [2, 1]
    with pytest.raises(InputError, match="values: found 'by', which action never is; did you mean buy"):
        log.without(["by"])
    with pytest.raises(InputError, match="column: found 'shp'; did you mean shop"):
        log.without(["x"], "shp")


def test_a_log_without_times_keeps_the_order_of_rows():
    log = read_events({name: TABLE[name] for name in ("user", "action")}, EventColumns(time=None))
    assert [len(own) for _, own in rows_of(log)] == [4, 2]
    assert [event[1] for event in rows_of(log)[0][1]] == ["buy", "look", "buy", "buy"]
    for call in (log.seconds, log.since_previous, lambda: log.sessions(1.0), lambda: log.before(0)):
        with pytest.raises(InputError, match="time: found a log without times"):
            call()


BAD = {
    "no user": ({"user": ["a", None]}, {}, r"column 'user' \(user\): found no value in row 1"),
    "no action": ({"action": [None, "b"]}, {}, r"column 'action' \(action\): found no value in row 0"),
    "no time": ({"time": [1, None]}, {}, r"column 'time' \(time\): found no value in row 1"),
    "no column": ({}, {"categorical": ("shop",)}, "categorical: found no column 'shop'"),
    "two roles": ({}, {"numeric": ("time",)}, "numeric: found column 'time', which is time already"),
    "no number": ({"n": ["1", "x"]}, {"numeric": ("n",)}, "column 'n': found 'x' in row 1, want numbers"),
    "infinite": ({"n": [1.0, np.inf]}, {"numeric": ("n",)}, "column 'n': found inf in row 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    changed, columns, message = BAD[case]
    table = {"user": ["a", "b"], "action": ["p", "q"], "time": [1, 2], **changed}
    with pytest.raises(InputError, match=message):
        read_events(table, EventColumns(**columns))


def test_bad_settings():
    log = read_events(TABLE, COLUMNS)
    with pytest.raises(InputError, match="duplicates: found 'first', want keep or drop"):
        read_events(TABLE, COLUMNS, duplicates="first")
    with pytest.raises(InputError, match="gap: found 0, want more than 0"):
        log.sessions(0)
    with pytest.raises(InputError, match="gap: found nan"):
        log.sessions(float("nan"))
    with pytest.raises(InputError, match="moment: found 'soon', want a date such as"):
        log.before("soon")
    with pytest.raises(InputError, match="count: found 0"):
        log.heads(0)
