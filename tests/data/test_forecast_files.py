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
from tsrl.errors import InputError

TIME = np.datetime64("2020-03-01", "s") + np.arange(6) * np.timedelta64(1800, "s")
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
    check(load_forecast(tmp_path / "mine.parquet", date="at"))
    assert load_forecast("mine", tmp_path, "at", ["b"]).columns == ("b",)


def test_compressed_csv(tmp_path):
    with pa.CompressedOutputStream(str(tmp_path / "mine.csv.gz"), "gzip") as file:
        pa.csv.write_csv(pa.table(columns(pa.array(TIME))), file)
    data = load_forecast("mine", tmp_path, date="at")
    check(data)
    assert data.source == "csv.gz file mine.csv.gz"


@pytest.mark.parametrize("time", [TIME, TIME.astype(str)])
def test_npz(tmp_path, time):
    np.savez(tmp_path / "mine.npz", values=VALUES, time=time)
    check(load_forecast("mine", tmp_path), ("0", "1"))
    np.savez(tmp_path / "mine.npz", values=VALUES, time=time, columns=["p", "q"])
    assert load_forecast(tmp_path / "mine.npz", columns=["q"]).columns == ("q",)


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
    "numbers": (columns(np.arange(6)), "at: found int64 values such as 0, want dates"),
    "words": (columns(["soon"] * 6), "at: found string values such as soon, want dates"),
    "no date": ({"a": VALUES[:, 0]}, "found the columns ['a'], want at and at least one more"),
    "text": (columns(TIME) | {"a": ["x"] * 6}, "column 'a': found string values, want numbers"),
    "empty": (columns([None, *TIME[1:].tolist()]), "at: found 1 empty cells, want a date in every row"),
}


@pytest.mark.parametrize("case", WRONG_TABLE)
def test_wrong_tables(tmp_path, case):
    found, message = WRONG_TABLE[case]
    pa.parquet.write_table(pa.table(found), tmp_path / "mine.parquet")
    with pytest.raises(InputError, match="^parquet file mine.parquet: " + re.escape(message)):
        load_forecast(tmp_path / "mine.parquet", date="at")


def test_an_unknown_column_gets_the_nearest(tmp_path):
    pa.parquet.write_table(pa.table(columns(TIME)), tmp_path / "mine.parquet")
    with pytest.raises(InputError, match="found no column 'aa'; did you mean a"):
        load_forecast(tmp_path / "mine.parquet", date="at", columns=["aa"])


@pytest.mark.parametrize("suffix", ["parquet", "csv", "csv.gz", "npz", "tsf"])
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(junk=st.binary(max_size=200), at=st.integers(0, 400), whole=st.booleans())
def test_damaged_files_only_ever_raise_input_errors(tmp_path, suffix, junk, at, whole):
    path = tmp_path / f"mine.{suffix}"
    good = tmp_path / f"good.{suffix}"
    if not good.exists():
        table = pa.table(columns(pa.array(TIME)))
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
        load_forecast(path, date="at")
    except InputError as error:
        assert path.name in str(error)  # noqa: PT017
