"""Time stamps: text, zones, clock changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.data.tables.read import read_table
from tsrl.errors import InputError

BERLIN = ZoneInfo("Europe/Berlin")


def read(stamps, **chosen):
    """Read as one series of zeros."""
    return read_table({"t": stamps, "x": np.zeros(len(stamps))}, time="t", **{"irregular": "keep", **chosen})


def texts(table):
    return np.datetime_as_string(table.time[0], "s").tolist()


@pytest.mark.parametrize(
    ("stamps", "chosen", "wanted", "zone"),
    [
        (["2024-01-31", "2024-02-01"], {}, ["2024-01-31T00:00:00", "2024-02-01T00:00:00"], None),
        (["2024-01-31 13:45", " 2024-01-31T14:00:00"], {}, ["2024-01-31T13:45:00", "2024-01-31T14:00:00"], None),
        (["2016/7/1 2:00", "2016/07/01 03:00"], {}, ["2016-07-01T02:00:00", "2016-07-01T03:00:00"], None),
        (["01.07.2016 02:00", "1.8.2016 3:00"], {}, ["2016-07-01T02:00:00", "2016-08-01T03:00:00"], None),
        (["2024-01-01 01:00+01:00", "2024-01-01 00:30Z"], {}, ["2024-01-01T00:00:00", "2024-01-01T00:30:00"], "UTC"),
        (["2/1/2024", "3/1/2024"], {"time_format": "%d/%m/%Y"}, ["2024-01-02T00:00:00", "2024-01-03T00:00:00"], None),
        (["1/7/16", "2/7/16"], {"time_format": "%d/%m/%y"}, ["2016-07-01T00:00:00", "2016-07-02T00:00:00"], None),
        (["1000-01-01", "1000-01-02"], {}, ["1000-01-01T00:00:00", "1000-01-02T00:00:00"], None),
        (["20240102", "20240103"], {"time_format": "%Y%m%d"}, ["2024-01-02T00:00:00", "2024-01-03T00:00:00"], None),
        (
            ["2024-01-01 12:00", "2024-07-01 12:00"],
            {"timezone": "Europe/Berlin"},
            ["2024-01-01T11:00:00", "2024-07-01T10:00:00"],
            "UTC",
        ),
        # What says its offset is not read in the zone of the settings.
        (["2024-01-01 12:00Z"], {"timezone": "Europe/Berlin"}, ["2024-01-01T12:00:00"], "UTC"),
    ],
)
def test_text(stamps, chosen, wanted, zone):
    table = read(stamps, **chosen)
    assert (texts(table), table.zone) == (wanted, zone)


def test_numbers_in_text(tmp_path):
    (tmp_path / "t.csv").write_text("t,x\n0.5,1\n1,2\n1.5,3\n")
    assert read_table(tmp_path / "t.csv", time="t").time.tolist() == [[0.5, 1, 1.5]]
    (tmp_path / "t.csv").write_text("t,x\n5,1\n6,2\n")
    assert read_table(tmp_path / "t.csv", time="t").time.tolist() == [[5, 6]]


def test_arrow_types():
    moment = datetime(2024, 1, 1, 12, tzinfo=UTC)
    for kind, zone in [("s", None), ("ns", None), ("ms", "Europe/Berlin")]:
        table = read(pa.array([moment], pa.timestamp(kind, zone)))
        assert (texts(table), table.zone) == (["2024-01-01T12:00:00"], zone and "UTC")
    assert texts(read(pa.array([moment.date()]))) == ["2024-01-01T00:00:00"]
    assert texts(read(pa.array(["2024-01-01"]).dictionary_encode())) == ["2024-01-01T00:00:00"]
    assert read(pa.array(["2024-01-01 00:00:00.000001"])).report.time_range[0] == "2024-01-01T00:00:00.000001"


WRONG = {
    "skipped": (
        ["2024-03-31 01:59", "2024-03-31 02:00", "2024-03-31 02:59", "2024-03-31 03:00"],
        {"timezone": "Europe/Berlin"},
        r"column 't' \(time\): found 2024-03-31 02:00:00 in rows 1, 2, a local time that the clock change in "
        r"Europe/Berlin skips, want stamps with an offset",
    ),
    "repeated": (
        ["2024-10-27 01:59", "2024-10-27 02:00", "2024-10-27 02:59", "2024-10-27 03:00"],
        {"timezone": "Europe/Berlin"},
        r"found 2024-10-27 02:00:00 in rows 1, 2, a local time that the clock change in Europe/Berlin repeats",
    ),
    "zone": (["2024-01-01"], {"timezone": "Europe/Brelin"}, "timezone: found 'Europe/Brelin', want a zone such as"),
    "zone of numbers": ([1, 2], {"timezone": "UTC"}, "timezone: found 'UTC', but the time stamps are numbers"),
    "text": (["2024-01-01", "soon"], {}, r"column 't' \(time\): found 'soon' in row 1, want one kind in all rows"),
    "both kinds": (["2024-01-01", "2024-01-01 00:00Z"], {}, "found '2024-01-01 00:00Z' in row 1, want one kind"),
    "both kinds, offset first": (["2024-01-01 00:00Z", "2024-01-01"], {}, "found '2024-01-01' in row 1, want one kind"),
    "month first": (["01/31/2024"], {}, "found '01/31/2024' in row 0, .*say its time_format"),
    "format": (["1/2/2024", "13-2-2024"], {"time_format": "%d/%m/%Y"}, "found '13-2-2024' in row 1, want the time_for"),
    "short year, slashes": (
        ["16/7/1", "16/7/2"],
        {},
        r"column 't' \(time\): found '16/7/1' in rows 0, 1, a year of two digits, want four, or a time_format",
    ),
    "short year, dots": (["01.07.2016 02:00", "01.07.16 03:00"], {}, "found '01.07.16 03:00' in row 1, a year of two"),
    "short year, hyphens": (["16-07-01", "16-07-02"], {}, "found '16-07-01' in rows 0, 1, a year of two digits"),
    "short year, %Y": (
        ["01.07.2016", "01.07.16"],
        {"time_format": "%d.%m.%Y"},
        "found 0016-07-01 in row 1, want years of four digits from 1000 on; time_format reads others: %y is",
    ),
    "early": (np.array(["0999-12-31", "2016-01-01"], "datetime64[s]"), {}, "found 0999-12-31 in row 0, want years"),
    "empty": (["2024-01-01", " "], {}, "found no value in row 1, want a time stamp"),
    "nanoseconds": (np.array([1], "datetime64[ns]"), {}, "found stamps finer than a microsecond"),
    "infinite": ([0.0, np.inf], {}, r"found inf in row 1, want numbers below 2\^62"),
    "large": ([-(2**63), 0], {}, r"found -9223372036854775808 in row 0, want numbers below 2\^62"),
    "bool": ([False, True], {}, "found bool values, want dates or numbers"),
    "every": (["2024-01-01"], {"every": "5"}, "every: found '5', want a duration such as 10min"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_stamps(case):
    stamps, chosen, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        read(stamps, **chosen)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 2 * 366 * 96), min_size=1, max_size=20, unique=True))
def test_local_times_against_zoneinfo(quarters):
    naive = [datetime(2023, 1, 1) + timedelta(minutes=15 * quarter) for quarter in sorted(quarters)]
    early, late = ([moment.replace(tzinfo=BERLIN, fold=fold).astimezone(UTC) for moment in naive] for fold in (0, 1))
    if early == late:
        found = read(np.array(naive, "datetime64[us]"), timezone="Europe/Berlin", on_unsorted="sort").time[0]
        assert found.tolist() == [moment.replace(tzinfo=None) for moment in early]
    else:
        with pytest.raises(InputError, match="a local time that the clock change"):
            read(np.array(naive, "datetime64[us]"), timezone="Europe/Berlin")


ZONES = ["Europe/Berlin", "America/Sao_Paulo", "America/St_Johns", "Asia/Kolkata", "UTC"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ZONES), st.integers(0, 20 * 366), st.integers(30, 200), st.sampled_from([1, 3, 7]))
def test_days_are_those_of_the_zone(zone, first, count, days):
    """Against zoneinfo, one row at a time; clocks jump over midnight in Sao Paulo, and back over it in St. John's."""
    start = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=first, minutes=17)
    moments = [start + timedelta(hours=hour) for hour in range(count)]
    stamps = pa.array(moments, pa.timestamp("us", "UTC"))
    bins = {}
    for value, moment in enumerate(moments):
        day = moment.astimezone(ZoneInfo(zone)).date().toordinal() - datetime(1970, 1, 1).toordinal()
        bins.setdefault(day // days, []).append(value)
    wanted = [sum(bins[place]) for place in range(min(bins), max(bins) + 1)]
    chosen = {"timezone": zone, "irregular": "resample", "every": f"{days}d", "aggregate": "sum"}
    table = read_table({"t": stamps, "x": np.arange(count)}, time="t", **chosen)
    assert table.x[0, :, 0].tolist() == wanted
    begins = [datetime.fromordinal(place * days + datetime(1970, 1, 1).toordinal()) for place in sorted(bins)]
    for found, begin in zip(table.time[0].tolist(), begins, strict=True):
        moment = found.replace(tzinfo=UTC)
        assert moment.astimezone(ZoneInfo(zone)).date() == begin.date()
        assert (moment - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date() < begin.date()


def test_a_day_of_a_clock_change_is_one_step():
    hours = np.datetime64("2024-03-29T23:00", "s") + np.arange(71) * np.timedelta64(3600, "s")
    utc = pa.array(hours).cast(pa.timestamp("s", "UTC"))
    chosen = {"time": "t", "timezone": "Europe/Berlin", "irregular": "resample", "every": "1d", "aggregate": "sum"}
    table = read_table({"t": utc, "x": np.ones(71)}, **chosen)
    assert table.x[0, :, 0].tolist() == [24, 23, 24]
    assert texts(table) == ["2024-03-29T23:00:00", "2024-03-30T23:00:00", "2024-03-31T22:00:00"]
    assert table.report.changes[-1] == "steps follow the clocks of Europe/Berlin"
    # Shorter steps are of UTC; without a zone days are those of the stamps.
    assert read_table({"t": utc, "x": np.ones(71)}, **(chosen | {"every": "6h"})).lengths[0] == 13
    assert read_table({"t": utc, "x": np.ones(71)}, **(chosen | {"timezone": None})).x[0, :, 0].tolist() == [
        1,
        24,
        24,
        22,
    ]
    with pytest.raises(InputError, match="timezone: found 'Europe/Brelin', want a zone such as"):
        read_table({"t": utc, "x": np.ones(71)}, **(chosen | {"timezone": "Europe/Brelin"}))


def test_hours_over_the_clock_change_are_regular_in_utc_only():
    hours = [datetime(2024, 3, 30, 12, tzinfo=UTC) + timedelta(hours=hour) for hour in range(24)]
    local = np.array([hour.astimezone(BERLIN).replace(tzinfo=None) for hour in hours], "datetime64[s]")
    with pytest.raises(InputError, match=r"found a step of another length than 1h before row 13, 1 of them gaps"):
        read(local, irregular="error")
    table = read(local, timezone="Europe/Berlin", irregular="error")
    assert table.time[0].tolist() == [hour.replace(tzinfo=None) for hour in hours]
    assert table.report.time_zone == "read in Europe/Berlin, turned into UTC"


@pytest.mark.parametrize(("day", "alike"), [(19970101, True), (19971301, False), (20240131, True), (7, False)])
def test_whole_numbers_that_look_like_dates_are_told(day, alike):
    table = {"at": [day, day + 1], "v": [1.0, 2.0]}
    assert ("time_format=%Y%m%d" in str(read_table(table, time="at").report)) == (alike and day % 100 < 31)
