"""Series to forecast in text: the published formats, and every way to be wrong."""

import csv
import gzip
import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsrl.data.builders.csv_tables import read_dated_csv, read_jena_halves, read_lstnet_exchange
from tsrl.errors import InputError

COLUMNS = ("HUFL", "OT")


def write(path, text, newline="\n"):
    path.write_bytes(text.replace("\n", newline).encode("latin-1"))
    return path


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "dates",
    [
        ("2016-07-01 00:00:00", "2016-07-01 00:15:00"),  # ETT, WTH, Weather
        ("2016/7/1 0:00", "2016/7/1 0:15"),  # Exchange
    ],
)
def test_dated_csv(tmp_path, newline, dates):
    text = f"date,HUFL,OT\n{dates[0]},5.827000141143799,-1\n{dates[1]},1e-3,2\n"
    found = read_dated_csv([write(tmp_path / "ETTm1.csv", text, newline)], COLUMNS)
    np.testing.assert_array_equal(found.values, np.array([[5.827000141143799, -1], [1e-3, 2]], np.float32))
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.time, np.array(["2016-07-01T00:00", "2016-07-01T00:15"], "M8[s]"))
    assert found.columns == COLUMNS


def test_header_with_lost_characters_and_no_newline_at_the_end(tmp_path):
    path = write(tmp_path / "weather.csv", "date,SWDR (W/m\xef\xbf\xbd),OT\n2020-01-01 00:10:00,1,-9999.0")
    found = read_dated_csv([path], ("SWDR (W/m²)", "OT"))
    assert found.columns == ("SWDR (W/m²)", "OT")
    assert found.values.tolist() == [[1, -9999]]


def test_columns_in_another_order(tmp_path):
    found = read_dated_csv([write(tmp_path / "x.csv", "OT,date,HUFL\n1,2016-07-01,2\n")], COLUMNS)
    assert found.values.tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"x.csv: found the columns \[\], want"),
        ("date,HUFL,HULL\n", r"x.csv: found the columns .*'HUFL', 'HULL'.*want .*'HUFL', 'OT'"),
        ("date,HUFL\n", r"x.csv: found the columns"),
        ("date,HUFL,OT\n" + '"' + "2016-07-01,1,2\n" * 20_000, r"x.csv: found no CSV file \(field larger"),
        ("date,HUFL,HUFL,OT\n", r"x.csv: found the columns"),
        ("date,HUFL,OT\n2016-07-01,1,2\n2016-07-02,1\n", "x.csv: found 2 cells in row 2, want 3"),
        ("date,HUFL,OT\n2016-07-01,1,2\n2016-07-02,1,abc\n", "x.csv: column 'OT': found 'abc' in row 2, want numbers"),
        ("date,HUFL,OT\n2016-07-01,,2\n", "x.csv: column 'HUFL': found '' in row 1, want numbers"),
        ("date,HUFL,OT\nyesterday,1,2\n", "x.csv: column 'date': found 'yesterday' in row 1, want a date"),
        ("date,HUFL,OT\n2016-07-01 00:00:00+02:00,1,2\n", "found '2016-07-01 00:00:00.02:00' in row 1, want a date"),
        ("date,HUFL,OT\n2016/13/1 0:00,1,2\n", "x.csv: column 'date': found '2016/13/1 0:00' in row 1"),
    ],
)
def test_wrong_tables(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_dated_csv([write(tmp_path / "x.csv", text)], COLUMNS)


cells = st.floats(-1e6, 1e6, width=32)


@given(st.lists(st.tuples(cells, cells), max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_any_numbers_come_back(rows, newline):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=newline)
    writer.writerow(["date", *COLUMNS])
    writer.writerows([f"2016-07-{day:02} 00:00:00", *values] for day, values in enumerate(rows, 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.csv")
        path.write_bytes(text.getvalue().encode())
        found = read_dated_csv([path], COLUMNS)
    np.testing.assert_array_equal(found.values, np.array(rows, np.float32).reshape(-1, 2))
    assert found.time.tolist() == [np.datetime64(f"2016-07-{day:02}", "s").item() for day in range(1, len(rows) + 1)]


def jena(path, rows, header='"Date Time","p (mbar)","SWDR (W/m\xb2)","CO2 (ppm)"'):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(path.stem + ".csv", "\r\n".join([header, *rows]).encode("latin-1"))
    return path


def test_jena_halves(tmp_path):
    first = jena(tmp_path / "mpi_roof_2020a.zip", ["01.01.2020 00:10:00,1008.89,0.00,428.10"])
    second = jena(tmp_path / "mpi_roof_2020b.zip", ["02.07.2020 00:10:00,978.24,-9999.00,436.5"])
    found = read_jena_halves([first, second], ("p (mbar)", "SWDR (W/m²)", "OT"))
    np.testing.assert_array_equal(found.values, np.array([[1008.89, 0, 428.1], [978.24, -9999, 436.5]], np.float32))
    np.testing.assert_array_equal(found.time, np.array(["2020-01-01T00:10", "2020-07-02T00:10"], "M8[s]"))
    assert found.columns[-1] == "OT"
    wrong = jena(tmp_path / "other.zip", ["2020-01-01 00:10:00,1,2,3"])
    with pytest.raises(InputError, match=r"other.zip: column 'Date Time': found '2020-01-01 00:10:00' in row 1"):
        read_jena_halves([wrong], ("p (mbar)", "SWDR (W/m²)", "OT"))


@pytest.mark.parametrize("packed", [True, False])
def test_lstnet_exchange(tmp_path, packed):
    text = b"0.785500,1.611000\n0.781800,1.610000\n"
    path = tmp_path / ("exchange_rate.txt.gz" if packed else "exchange_rate.txt")
    path.write_bytes(gzip.compress(text) if packed else text)
    found = read_lstnet_exchange([path], COLUMNS)
    np.testing.assert_array_equal(found.values, np.array([[0.7855, 1.611], [0.7818, 1.61]], np.float32))
    np.testing.assert_array_equal(found.time, np.array(["1990-01-01", "1990-01-02"], "M8[s]"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"1,2\n3,x\n", mtime=0), "column 'OT': found 'x' in row 2, want numbers"),
        (gzip.compress(b"1,2\n3\n", mtime=0), "found 1 cells in row 2, want 2"),
        (gzip.compress(b"1,2\n" * 99, mtime=0)[:-20], "damaged archive"),
    ],
    # Workers that start in different seconds have to name the tests alike.
    ids=["no number", "a cell less", "cut off"],
)
def test_wrong_lstnet_files(tmp_path, content, message):
    (tmp_path / "exchange_rate.txt.gz").write_bytes(content)
    with pytest.raises(InputError, match=f"exchange_rate.txt.*{message}"):
        read_lstnet_exchange([tmp_path / "exchange_rate.txt.gz"], COLUMNS)
