"""Units against Python's calendar and plain loops."""

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsrl.data.events import EventLog
from tsrl.data.events.log import Names
from tsrl.errors import InputError
from tsrl.monitor.periods import Units, period_of, units_of

EPOCH = datetime.datetime(1970, 1, 1)
HOUR = 3_600_000_000


def log_of(sequences, calendar=True, timed=True):
    """A log of one action at the given times of each sequence."""
    lengths = [len(times) for times in sequences]
    count = sum(lengths)
    time = np.array([moment for times in sequences for moment in times], np.int64 if calendar else np.float64)
    return EventLog(
        users=np.array([f"u{number}" for number in range(len(sequences))]),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        time=time if timed else None,
        names={"action": Names(np.zeros(count, np.int32), np.array(["act"]))},
        numbers={},
        calendar=calendar,
    )


def begin_of(microseconds, every):
    """The start of the period, by Python's calendar."""
    moment = EPOCH + datetime.timedelta(microseconds=microseconds)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    begin = {
        "hour": moment.replace(minute=0, second=0, microsecond=0),
        "day": day,
        "week": day - datetime.timedelta(days=day.weekday()),
    }[every]
    return (begin - EPOCH) // datetime.timedelta(microseconds=1)


def slow_units(sequences, every=None, gap=None):
    """`(sequence, first, end, start)` of each unit, event by event."""
    found, row = [], 0
    for number, times in enumerate(sequences):
        start = None
        for n, moment in enumerate(times):
            before = start
            if isinstance(every, str):
                start = begin_of(moment, every)
            elif every is not None:
                start = n // every
            elif n == 0:
                start = 0
            elif (moment - times[n - 1]) / 1e6 > gap:
                start = before + 1
            if start != before:
                found.append([number, row, row, start])
            row += 1
            found[-1][2] = row
    return [tuple(unit) for unit in found]


def rows_of(units):
    return list(zip(*(column.tolist() for column in units), strict=True))


# Around the epoch, and around a Monday and a new year of our days; sequences may be empty.
DAYS, NEW_YEAR = 9 * 24 * HOUR, int(np.datetime64("2026-01-01", "us").astype(int))
moments = st.one_of(st.integers(-DAYS, DAYS), st.integers(NEW_YEAR - DAYS, NEW_YEAR + DAYS))
logs = st.lists(st.lists(moments, max_size=12).map(sorted), max_size=4)


@pytest.mark.parametrize("every", ["hour", "day", "week", 1, 3])
@given(sequences=logs)
def test_units_are_those_of_the_calendar_or_of_a_count(every, sequences):
    assert rows_of(units_of(log_of(sequences), every)) == slow_units(sequences, every)


@given(sequences=logs, gap=st.sampled_from([1.0, 3600.0, 86_400.0]))
def test_sessions_end_at_a_gap(sequences, gap):
    assert rows_of(units_of(log_of(sequences), gap=gap)) == slow_units(sequences, gap=gap)


def test_a_gap_of_numbers_is_in_their_own_unit():
    sequences = [[0.0, 1.0, 3.5, 4.0], [], [10.0, 12.0, 12.0]]
    log = log_of(sequences, calendar=False)
    assert rows_of(units_of(log, gap=1.5)) == [(0, 0, 2, 0), (0, 2, 4, 1), (2, 4, 5, 0), (2, 5, 7, 1)]
    # So much is not more.
    assert len(units_of(log, gap=2.0).user) == 3


def test_weeks_begin_on_mondays():
    """The epoch was a Thursday; the fifth of January 2026 is a Monday."""
    monday = int(np.datetime64("2026-01-05", "us").astype(int))
    units = units_of(log_of([[monday - 1, monday, monday + 7 * 24 * HOUR - 1, monday + 7 * 24 * HOUR]]), "week")
    assert units.end.tolist() == [1, 3, 4]
    assert units.start.astype("datetime64[us]").astype(str).tolist() == [
        f"{day}T00:00:00.000000" for day in ("2025-12-29", "2026-01-05", "2026-01-12")
    ]
    assert np.diff(period_of(np.array([-1, 0, 4 * 24 * HOUR]), "week")).tolist() == [0, 1]


@given(sequences=logs, every=st.sampled_from(["hour", "week", 2]), data=st.data())
def test_units_cover_every_event_once(sequences, every, data):
    log = log_of(sequences)
    units = units_of(log, every)
    np.testing.assert_array_equal(units.events(), np.arange(log.events))
    np.testing.assert_array_equal(units.user[units.owner()], log.owner)
    assert (units.end > units.first).all()
    # Of some units, in any order, their events one unit after another.
    chosen = data.draw(st.lists(st.sampled_from(range(len(units.user))), max_size=5)) if len(units.user) else []
    some = units.take(np.array(chosen, int))
    wanted = [(place, row) for place, u in enumerate(chosen) for row in range(units.first[u], units.end[u])]
    assert list(zip(some.owner().tolist(), some.events().tolist(), strict=True)) == wanted


def test_logs_without_events_have_no_units():
    for sequences in ([], [[]], [[], []]):
        for given_ in ({"every": "week"}, {"every": 5}, {"gap": 1.0}):
            units = units_of(log_of(sequences), **given_)
            assert isinstance(units, Units)
            assert all(len(column) == 0 for column in units)
            assert len(units.events()) == len(units.owner()) == 0


@pytest.mark.parametrize(
    ("log", "given_", "message"),
    [
        ({}, {}, "every, gap: found None and None, want one of them"),
        ({}, {"every": "day", "gap": 3.0}, "every, gap: found 'day' and 3.0"),
        ({}, {"every": "month"}, "every: found 'month', want hour, day, week or a number"),
        ({}, {"every": 0}, "every: found 0"),
        ({}, {"every": 2.5}, "every: found 2.5"),
        ({}, {"gap": 0.0}, "gap: found 0.0, want more than 0"),
        ({}, {"gap": float("nan")}, "gap: found nan"),
        ({"calendar": False}, {"every": "week"}, "every: found 'week' for a log without dates"),
        ({"timed": False}, {"every": "week"}, "every: found 'week' for a log without dates"),
        ({"timed": False}, {"gap": 1.0}, "time: found a log without times"),
    ],
)
def test_bad_input(log, given_, message):
    with pytest.raises(InputError, match=message):
        units_of(log_of([[0, 1]], **log), **given_)
