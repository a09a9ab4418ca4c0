"""Series to be forecast: reading, splits, covariates, bad files."""

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsrl.data.forecasting import ForecastSet, calendar_covariates, load_forecast
from tsrl.errors import InputError


def hours(count, start="2016-07-01"):
    return np.datetime64(start, "s") + np.arange(count) * np.timedelta64(3600, "s")


def write(path, rows, header="date,a,OT"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="latin-1")
    return path


def series(count=100, name="mine", columns=("a", "OT")):
    values = np.arange(count * len(columns), dtype=np.float32).reshape(count, -1)
    return ForecastSet(name, "test", values, hours(count), columns)


@given(st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1)))
def test_covariates_are_what_the_calendar_says(moment):
    moment = moment.replace(microsecond=0)
    found = calendar_covariates(np.array([np.datetime64(moment, "s")]))
    week = moment.isocalendar()[1]
    day_of_year = moment.timetuple().tm_yday
    expected = [moment.minute, moment.hour, moment.weekday(), moment.day, day_of_year, moment.month, week]
    np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize(
    "dates",
    [
        ["2016-07-01 00:00:00", "2016-07-01 01:00:00", "2016-07-01 01:00:00"],
        ["2016/7/1 0:00", "2016/7/1 1:00", "2016/7/1 01:00"],
        ["2016-07-01 00:00", "2016-07-01 01:00", "2016-07-01 01:00"],
    ],
)
def test_reads_the_published_formats(tmp_path, dates):
    """A repeated date stays, as in Weather's file."""
    rows = [f"{date},{i},{i + 0.5}" for i, date in enumerate(dates)]
    data = load_forecast(write(tmp_path / "weather.csv", rows, "date,p (W/m\xb2),OT"))
    assert data.name == "weather"
    assert data.columns == ("p (W/m²)", "OT")
    np.testing.assert_array_equal(data.values, np.array([[0, 0.5], [1, 1.5], [2, 2.5]], np.float32))
    assert data.time[1] == np.datetime64("2016-07-01T01:00:00")
    assert data.source == "csv file weather.csv"


def test_names_are_looked_up_in_the_data_folder(tmp_path):
    (tmp_path / "deep").mkdir()
    rows = [f"2016-07-01 0{i}:00:00,1,2" for i in range(4)]
    write(tmp_path / "deep" / "exchange_rate.csv", rows)
    assert load_forecast("Exchange", tmp_path).name == "Exchange"
    with pytest.raises(InputError, match="did you mean Exchange"):
        load_forecast("Exchang", tmp_path)
    write(tmp_path / "exchange_rate.csv", rows)
    with pytest.raises(InputError, match="more than once"):
        load_forecast("Exchange", tmp_path)


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["2016-07-01 00:00:00,1,2", "2016-07-01 00:00:00,,2"] * 2, "date,a,OT", "column 'a': found 2 missing.* row 1"),
        (["2016-07-01 00:00:00,1,2"] * 3 + ["2016-07-01 00:00:00,1,x"], "date,a,OT", "column 'OT': found 'x' in row 3"),
        (["2016-07-02 00:00:00,1,2", "2016-07-01 00:00:00,1,2"] * 2, "date,a,OT", "row 1 is before"),
        (["yesterday,1,2"] * 3, "date,a,OT", "ETTh1.csv"),
        (["5,1,2", "6,1,2", "7,1,2"], "date,a,OT", "ETTh1.csv: column 'date' .*found numbers, want dates"),
        (["1,2,3"] * 3, "day,a,OT", "time: found no column 'date'"),
        (["2016-07-01 00:00:00,1,2"] * 2, "date,a,OT", "at least 3 steps"),
        (["2016-07-01 00:00:00"] * 4, "date", "found no column of numbers beside"),
    ],
)
def test_wrong_published_files_are_refused(tmp_path, rows, header, message):
    with pytest.raises(InputError, match=message):
        load_forecast(write(tmp_path / "ETTh1.csv", rows, header))


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="found no file"):
        load_forecast(tmp_path / "none.csv")


def test_splits():
    assert series(1000).borders("60/20/20") == (600, 800, 1000)
    assert series(1003).borders("70/10/20") == (702, 803, 1003)
    assert series(17_420, "ETTh1").borders("70/10/20") == (8640, 11520, 14400)
    assert series(69_680, "ETTm2").borders() == (34_560, 46_080, 57_600)
    with pytest.raises(InputError, match="found 14399 rows, want at least 14400"):
        series(14_399, "ETTh1").borders()


def test_horizons_period_and_target():
    assert series(name="ETTm1").horizons == (24, 48, 96, 288, 672)
    assert series().horizons == (24, 48, 168, 336, 720)
    assert series().period == 24
    assert series(columns=("OT", "b")).univariate().columns == ("OT",)
    np.testing.assert_array_equal(series(4, columns=("a", "b")).univariate().values[:, 0], [1, 3, 5, 7])


@pytest.mark.parametrize(
    ("time", "period"),
    [
        (hours(60)[::2], 12),
        (np.arange("2020-01-01", "2020-03-06", dtype="M8[D]"), 7),
        (np.arange("2020-01-01", "2021-03-06", 7, dtype="M8[D]"), 52),
        (np.arange("2020-01", "2024-02", dtype="M8[M]"), 12),
        (np.arange("2020-01", "2020-05", dtype="M8[M]"), 12),
        (np.arange("2020-01", "2024-02", 3, dtype="M8[M]"), 4),
        (np.arange("2000", "2020", dtype="M8[Y]"), 1),
        (np.arange("2020", "2120", 10, dtype="M8[Y]"), 1),
        (np.repeat(hours(1), 5), 1),
    ],
)
def test_the_season_is_the_next_longer_unit_of_the_calendar(time, period):
    values = np.zeros((len(time), 1), np.float32)
    assert ForecastSet("a", "test", values, time.astype("M8[s]"), ("a",)).period == period


def test_the_fingerprint_sees_values_and_dates():
    one, other = series(), series()
    assert one.fingerprint() == other.fingerprint()
    other.values[3, 1] += 1
    assert one.fingerprint() != other.fingerprint()
    later = ForecastSet("mine", "test", one.values, hours(100, "2017-01-01"), one.columns)
    assert one.fingerprint() != later.fingerprint()


@pytest.mark.parametrize(
    ("name", "shape", "period"),
    [
        ("ETTh1", (17_420, 7), 24),
        ("ETTm2", (69_680, 7), 96),
        ("Exchange", (7588, 8), 7),
        ("Weather", (52_696, 21), 144),
    ],
)
def test_real_files(real_data, name, shape, period):
    data = load_forecast(name)
    assert (data.values.shape, data.period) == (shape, period)
    assert data.columns[-1] == "OT"
