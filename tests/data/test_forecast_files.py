"""Formats of one long series besides csv, which test_forecasting reads."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tsrl.data.forecasting import load_forecast
from tsrl.data.tables.settings import Table
from tsrl.errors import InputError

TIME = np.datetime64("2020-03-01", "s") + np.arange(6) * np.timedelta64(1800, "s")
AT = Table(time="at")
VALUES = np.arange(12, dtype=np.float32).reshape(6, 2)


def columns(date):
    return {"at": date, "a": VALUES[:, 0], "b": VALUES[:, 1]}


def check(data, names=("a", "b")):
    np.testing.assert_array_equal(data.values, VALUES)
    np.testing.assert_array_equal(data.time, TIME)
    assert data.columns == names
    assert data.name == "mine"


@pytest.mark.parametrize("kind", ["seconds", "nanoseconds", "text", "offset"])
def test_parquet(tmp_path, kind):
    stamps = {
        "seconds": pa.array(TIME),
        "nanoseconds": pa.array(TIME.astype("datetime64[ns]")),
        "text": pa.array([str(stamp).replace("T", " ") for stamp in TIME]),
        "offset": pa.array(TIME).cast(pa.timestamp("s", "Europe/Berlin")),
    }[kind]
    pa.parquet.write_table(pa.table(columns(stamps)), tmp_path / "mine.parquet")
    check(load_forecast(tmp_path / "mine.parquet", table=AT))
    assert load_forecast("mine", tmp_path, Table(time="at", values=("b",))).columns == ("b",)


def test_compressed_csv(tmp_path):
    with pa.CompressedOutputStream(str(tmp_path / "mine.csv.gz"), "gzip") as file:
        pa.csv.write_csv(pa.table(columns(pa.array(TIME))), file)
    data = load_forecast("mine", tmp_path, AT)
    check(data)
    assert data.source == "csv file mine.csv.gz"


@pytest.mark.parametrize("time", [TIME, TIME.astype(str)])
def test_npz(tmp_path, time):
    np.savez(tmp_path / "mine.npz", values=VALUES, time=time)
    check(load_forecast("mine", tmp_path), ("0", "1"))
    np.savez(tmp_path / "mine.npz", values=VALUES, time=time, columns=["p", "q"])
    assert load_forecast(tmp_path / "mine.npz", table=Table(values=("q",))).columns == ("q",)


def tsf(path, frequency="half_hourly", start="2020-03-01 00-00-00", second="1,3,5,7,9,11"):
    path.write_text(
        "# made for a test\n@relation mine\n@attribute series_name string\n@attribute start_timestamp date\n"
        f"@frequency {frequency}\n@horizon 2\n@missing false\n@equallength true\n@data\n"
        f"a:2020-03-01 00-00-00:0,2,4,6,8,10\nb:{start}:{second}\n"
    )
    return path


def test_tsf(tmp_path):
    check(load_forecast(tsf(tmp_path / "mine.tsf")))
    monthly = load_forecast(tsf(tmp_path / "mine.tsf", "quarterly"))
    assert monthly.time.astype("datetime64[D]").astype(str).tolist()[:3] == ["2020-03-01", "2020-06-01", "2020-09-01"]


WRONG_TSF = {
    "frequency": ({"frequency": "fortnightly"}, "found the frequency 'fortnightly', want one of"),
    "start": ({"start": "2020-03-02 00-00-00"}, "found no common start_timestamp"),
    "length": ({"second": "1,3"}, "found series of unequal length"),
    "value": ({"second": "1,3,5,7,9,x"}, "found no readable .tsf file"),
    "missing": ({"second": "1,3,5,7,9,?"}, "column 'b': found 1 missing or infinite values, the first in row 5"),
}


@pytest.mark.parametrize("case", WRONG_TSF)
def test_wrong_tsf(tmp_path, case):
    change, message = WRONG_TSF[case]
    with pytest.raises(InputError, match="^tsf file mine.tsf: " + re.escape(message)):
        load_forecast(tsf(tmp_path / "mine.tsf", **change))


WRONG_NPZ = {
    "time": ({"time": np.arange(6)}, "time: found int64 values, want datetime64 or ISO text"),
    "short": ({"time": TIME[:5]}, "time: found shape (5,), want (6,)"),
    "text": ({"time": ["yesterday"] * 6}, "time: found text that is no date"),
    "finer": (
        {"time": TIME + np.timedelta64(5, "ms")},
        "time: found 2020-03-01T00:00:00.005 in step 0, want whole sec",
    ),
    "finer text": (
        {"time": np.char.add(TIME.astype(str), ".25")},
        "time: found 2020-03-01T00:00:00.250000 in step 0, want whole seconds",
    ),
    "rank": ({"values": VALUES[:, 0]}, "values: found float32 of shape (6,), want numbers [T, C]"),
    "names": ({"columns": ["a"]}, "columns: found 1 names, want 2"),
    "key": ({"time": None}, "found no time, want values [T, C] and time [T]"),
    "objects": ({"values": np.array([[None, 1.0]] * 6)}, "found no readable arrays"),
}


@pytest.mark.parametrize("case", WRONG_NPZ)
def test_wrong_npz(tmp_path, case):
    change, message = WRONG_NPZ[case]
    arrays = {name: a for name, a in ({"values": VALUES, "time": TIME} | change).items() if a is not None}
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(InputError, match="^npz file mine.npz: " + re.escape(message)):
        load_forecast(tmp_path / "mine.npz")


WRONG_TABLE = {
    "numbers": (columns(np.arange(6)), "column 'at' (time): found numbers, such as 0, want dates"),
    "words": (columns(["soon"] * 6), "column 'at' (time): found 'soon' in row 0, want one kind in all rows"),
    "no date": ({"a": VALUES[:, 0]}, "time: found no column 'at'; did you mean a?"),
    "text": ({"at": TIME, "a": ["x"] * 6}, "values: found no column of numbers beside ['at'], want at least one"),
    "mixed": (columns(TIME) | {"a": ["1"] * 5 + ["x"]}, "column 'a': found 'x' in row 5, want numbers"),
    "empty": (columns([None, *TIME[1:].tolist()]), "column 'at' (time): found no value in row 0, want a time stamp"),
    "twice": (
        columns([*TIME[:5], TIME[4]]),
        ", as one series (no id): column 'at' (time): found the series and time of",
    ),
    "gap": (columns([*TIME[:5], TIME[5] + 1800]), "found a step of another length than 30min before row 5, 1 of them"),
    "finer": (
        columns(TIME.astype("datetime64[ms]") + 500),
        "time: found 2020-03-01T00:00:00.500000 in step 0, want whole seconds (in a table irregular=resample with",
    ),
}


@pytest.mark.parametrize("case", WRONG_TABLE)
def test_wrong_tables(tmp_path, case):
    found, message = WRONG_TABLE[case]
    pa.parquet.write_table(pa.table(found), tmp_path / "mine.parquet")
    with pytest.raises(InputError, match="^parquet file mine.parquet.*" + re.escape(message)):
        load_forecast(tmp_path / "mine.parquet", table=AT)


def test_an_unknown_column_gets_the_nearest(tmp_path):
    pa.parquet.write_table(pa.table(columns(TIME)), tmp_path / "mine.parquet")
    with pytest.raises(InputError, match="found no column 'aa'; did you mean a"):
        load_forecast(tmp_path / "mine.parquet", table=Table(time="at", values=("aa",)))


@pytest.mark.parametrize("name", ["mine", "ETTh1"])
@pytest.mark.parametrize("suffix", ["parquet", "csv", "csv.gz", "npz", "tsf"])
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(junk=st.binary(max_size=200), at=st.integers(0, 400), whole=st.booleans())
def test_damaged_files_only_ever_raise_input_errors(tmp_path, name, suffix, junk, at, whole):
    path = tmp_path / f"{name}.{suffix}"
    good = tmp_path / f"good.{suffix}"
    if not good.exists():
        table = pa.table(columns(pa.array(TIME))).rename_columns(["date", "a", "b"])
        {
            "parquet": lambda: pa.parquet.write_table(table, good),
            "csv": lambda: pa.csv.write_csv(table, good),
            "csv.gz": lambda: good.write_bytes(b"\x1f\x8b" + bytes(40)),
            "npz": lambda: np.savez(good, values=VALUES, time=TIME),
            "tsf": lambda: tsf(good),
        }[suffix]()
    content = good.read_bytes()
    path.write_bytes(junk if whole else content[:at] + junk + content[at + len(junk) :])
    try:
        load_forecast(path)
    except InputError as error:
        assert path.name in str(error)  # noqa: PT017


def write(path, text, encoding="utf-8"):
    path.write_text(text, encoding=encoding)
    return path


SHOPS = "date,shop,x\n2024-01-01,1,5\n2024-01-01,2,6\n2024-01-02,1,7\n2024-01-02,2,8\n2024-01-03,1,9\n2024-01-03,2,9\n"

REFUSED = {
    "two shops": (
        {"id": "shop"},
        "column 'shop' (id): found 2 series (1, 2), want one: a file for each series, or",
    ),
    "spliced": (
        {},
        ", as one series (no id): column 'date' (time): found the series and time of another row in rows 1, ",
    ),
    "label": ({"label": "shop"}, "label: found 'shop', want none: no forecast uses it"),
    "group": ({"group": "shop"}, "group: found 'shop', want none: no forecast uses it"),
    "split": ({"split": "shop"}, "split: found 'shop', want none: no forecast uses it"),
    "wide": ({"layout": "wide"}, "layout: found 'wide', want long: a row for each time step"),
    "delta": ({"time": "date", "irregular": "delta"}, "irregular: found 'delta', want error, resample or keep"),
    "delimiter": ({"delimiter": ";"}, "time: found no column 'date'"),
    "numbers": ({"time": "x", "on_duplicate": "first"}, "column 'x' (time): found numbers, such as 5, want dates"),
    "encoding": ({"encoding": "latin-0"}, "encoding: found 'latin-0', want one such as"),
    "format": ({"time": "date", "time_format": "%d.%m.%Y"}, "found '2024-01-01' in row 0, want the time_format"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_setting_of_a_table_is_passed_over(tmp_path, case):
    chosen, message = REFUSED[case]
    with pytest.raises(InputError, match=re.escape(message)):
        load_forecast(write(tmp_path / "shops.csv", SHOPS), table=Table(**chosen))


def test_every_setting_of_a_table_is_applied(tmp_path):
    rows = [
        ("2.1.24 0:00", "1,5"),
        ("1.1.24 0:00", "1"),
        ("2.1.24 0:00", "3"),
        ("5.1.24 0:00", "2"),
        ("6.1.24 0:00", "9"),
    ]
    text = "Tag;Größe;Filiale\n" + "".join(f"{day};{size.replace(',', '.')};a\n" for day, size in rows)
    path = write(tmp_path / "mine.csv", text, "latin-1")
    settings = {"id": "Filiale", "time": "Tag", "time_format": "%d.%m.%y %H:%M", "timezone": "Europe/Berlin"}
    settings |= {"encoding": "latin-1", "delimiter": ";", "on_duplicate": "sum", "on_unsorted": "sort"}
    data = load_forecast(path, table=Table(**settings, irregular="keep"))
    assert (data.columns, data.values[:, 0].tolist()) == (("Größe",), [1, 4.5, 2, 9])
    days = ["2023-12-31T23:00:00", "2024-01-01T23:00:00", "2024-01-04T23:00:00", "2024-01-05T23:00:00"]
    assert data.time.astype(str).tolist() == days
    assert "kept: steps of unequal length, as if they were equal" in data.notes[-1]
    settings |= {"irregular": "resample", "every": "3d", "aggregate": "max"}
    assert load_forecast(path, table=Table(**settings)).values[:, 0].tolist() == [4.5, 2, 9]
    settings |= {"every": "1d"}
    with pytest.raises(InputError, match="column 'Größe': found 2 missing or infinite values, the first in row 2"):
        load_forecast(path, table=Table(**settings))


@pytest.mark.parametrize("name", ["mine", "ETTh1"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_utf8_offsets_and_an_index(tmp_path, name, start):
    rows = "".join(f"{row},2020-01-01 0{row}:00:00+01:00,{row + 5}\n" for row in range(4))
    data = load_forecast(write(tmp_path / f"{name}.csv", f"{start},date,größe\n{rows}"))
    assert (data.columns, data.values[:, 0].tolist()) == (("größe",), [5, 6, 7, 8])
    assert data.time[0] == np.datetime64("2019-12-31T23:00:00")
    again = "2020-01-01,1,0\n2020-01-02,2,1\n2020-01-03,3,2\n"
    data = load_forecast(write(tmp_path / f"{name}.csv", f"{start}date,größe,Unnamed: 0\n{again}"))
    assert data.columns == ("größe",)
    assert load_forecast(tmp_path / f"{name}.csv", table=Table(values=("Unnamed: 0",))).columns == ("Unnamed: 0",)


@pytest.mark.parametrize("name", ["mine", "ETTh1"])
def test_years_of_two_digits_are_refused(tmp_path, name):
    path = write(tmp_path / f"{name}.csv", "date,a\n16/7/1 0:00,1\n16/7/1 1:00,2\n16/7/1 2:00,3\n")
    with pytest.raises(InputError, match=r"column 'date' \(time\): found '16/7/1 0:00' in rows 0, 1, 2, a year of two"):
        load_forecast(path)


def test_a_published_name_with_settings_is_read_like_any_table(tmp_path):
    path = write(tmp_path / "ETTh1.csv", "date,a,OT\n2020-01-01,1,2\n2020-01-01,1,2\n2020-01-03,1,2\n")
    assert load_forecast(path).time.astype("datetime64[D]").astype(str).tolist()[:2] == ["2020-01-01", "2020-01-01"]
    assert load_forecast(path, table=Table(values=("OT",))).columns == ("OT",)
    with pytest.raises(InputError, match="found the series and time of another row in row 1"):
        load_forecast(path, table=Table(time="date"))
    with pytest.raises(InputError, match="found no column 'OT '; did you mean OT"):
        load_forecast(path, table=Table(values=("OT ",)))


@pytest.mark.parametrize("name", ["mine.npz", "mine.tsf"])
@pytest.mark.parametrize("chosen", [{"id": "a"}, {"time": "a"}, {"delimiter": ";"}, {"layout": "wide"}])
def test_settings_of_a_table_are_refused_for_other_formats(tmp_path, name, chosen):
    np.savez(tmp_path / "mine.npz", values=VALUES, time=TIME, columns=["a", "b"])
    tsf(tmp_path / "mine.tsf")
    with pytest.raises(InputError, match=rf"^table.{next(iter(chosen))}: found '.*' for a .*, which is no table"):
        load_forecast(tmp_path / name, table=Table(**chosen))
    assert load_forecast(tmp_path / name, table=Table(values=("b",))).values[:, 0].tolist() == [1, 3, 5, 7, 9, 11]
    with pytest.raises(InputError, match=r"file mine.*: values: found no column 'c'; known: a, b"):
        load_forecast(tmp_path / name, table=Table(values=("c",)))
