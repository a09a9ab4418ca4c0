"""Tables from files and frames: what arrives, and that damage only ever ends in an InputError."""

import gzip
import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv, parquet

from tsrl.data.tables.read import read_table
from tsrl.errors import InputError

CSV = "shop,day,sold,note\n007,2024-01-01,1.5,calm\n007,2024-01-02,NA,\n08,2024-01-01,3,rain\n"
COLUMNS = {"shop": ["007", "007", "08"], "day": np.array(["2024-01-01", "2024-01-02", "2024-01-01"], "datetime64[us]")}
COLUMNS["sold"] = np.array([1.5, np.nan, 3])


def check(table, source, name="sales"):
    assert (table.source, table.name) == (source, name)
    assert table.ids.tolist() == ["007", "08"]
    np.testing.assert_array_equal(table.x[..., 0], [[1.5, np.nan], [3, np.nan]])
    assert table.lengths.tolist() == [2, 1]
    assert table.time.astype(str).tolist() == [
        ["2024-01-01T00:00:00.000000", "2024-01-02T00:00:00.000000"],
        ["2024-01-01T00:00:00.000000", "NaT"],
    ]


def test_csv(tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text(CSV)
    table = read_table(path, id="shop", time="day")
    check(table, "csv file sales.csv")
    assert table.report.unused == ("note",)
    path.write_bytes(b"\xef\xbb\xbf" + CSV.encode())
    check(read_table(str(path), id="shop", time="day"), "csv file sales.csv")
    path.write_text(CSV.replace(",", ";"))
    check(read_table(path, id="shop", time="day", delimiter=";"), "csv file sales.csv")
    with pytest.raises(InputError, match="id: found no column 'shop'; known: shop;day;sold;note"):
        read_table(path, id="shop", time="day")


def test_gzipped_csv(tmp_path):
    (tmp_path / "sales.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    check(read_table(tmp_path / "sales.csv.gz", id="shop", time="day"), "csv file sales.csv.gz")


def test_parquet(tmp_path):
    parquet.write_table(pa.table(COLUMNS), tmp_path / "sales.parquet")
    check(read_table(tmp_path / "sales.parquet", id="shop", time="day"), "parquet file sales.parquet")


def test_arrow_and_arrays():
    check(read_table(COLUMNS, id="shop", time="day"), "table", "table")
    check(read_table(pa.table(COLUMNS), id="shop", time="day"), "table", "table")
    check(read_table(pa.table(COLUMNS).to_batches()[0], id="shop", time="day"), "table", "table")
    text = pa.array(COLUMNS["shop"])
    for shops in (text.dictionary_encode(), text.cast(pa.large_string()), text.cast(pa.string_view())):
        check(read_table(pa.table({**COLUMNS, "shop": shops}), id="shop", time="day"), "table", "table")
    sold = pa.array(["1.5", None, "3"]).dictionary_encode()
    check(read_table(pa.table({**COLUMNS, "sold": sold}), id="shop", time="day"), "table", "table")


def test_ids_of_a_csv_file_are_numbers_where_all_are_written_as_such(tmp_path):
    path = tmp_path / "ids.csv"
    for text, ids in [("1\n-20\n0", [1, -20, 0]), ("1\n01\n0", ["1", "01", "0"]), ('"NA"\n1\nx', ["NA", "1", "x"])]:
        path.write_text("id\n" + text)
        cells = path.read_text().split("\n")
        path.write_text("\n".join(f"{cell},{'x' if cell == 'id' else 2}" for cell in cells))
        assert read_table(path, id="id").ids.tolist() == ids


@pytest.mark.parametrize("role", ["id", "label", "group", "split", "time"])
def test_spellings_of_nothing_are_missing_unless_quoted(tmp_path, role):
    path = tmp_path / "t.csv"
    path.write_text('k,x\na,1\nNA,2\nnull,3\n"None",4\n')
    with pytest.raises(InputError, match=rf"column 'k' \({role}\): found no value in rows 1, 2[, ]"):
        read_table(path, **{role: "k"})


def test_quoted_numbers_may_miss(tmp_path):
    (tmp_path / "t.csv").write_text('"k","x"\n"a","1.5"\n"a",""\n"b","NA"\n"b","2"\n')
    table = read_table(tmp_path / "t.csv", id="k")
    np.testing.assert_array_equal(table.x[..., 0], [[1.5, np.nan], [np.nan, 2]])


@pytest.mark.parametrize("index", ["", "Unnamed: 0", "Unnamed: 0.1"])
def test_an_index_in_a_file_is_no_channel(tmp_path, index):
    (tmp_path / "t.csv").write_text(f"{index},x\n0,5\n1,6\n")
    table = read_table(tmp_path / "t.csv")
    assert (table.columns, table.report.unused) == (("x",), (index,))
    assert f"columns not read: 1 ({index or 'one without a name'})" in str(table.report)
    assert read_table(tmp_path / "t.csv", values=(index, "x")).columns == (index, "x")
    assert read_table(pa.table({index: [0, 1], "x": [5, 6]})).columns == ("x",)


def test_pandas_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({**COLUMNS, "shop": pandas.Categorical(COLUMNS["shop"])})
    check(read_table(frame, id="shop", time="day"), "DataFrame", "table")
    check(read_table(frame.set_index("day"), id="shop", time="day"), "DataFrame", "table")
    check(read_table(frame.set_index(["shop", "day"]), id="shop", time="day"), "DataFrame", "table")
    unnamed = frame.set_index(pandas.DatetimeIndex(COLUMNS["day"])).drop(columns="day")
    check(read_table(unnamed, id="shop", time="index").take(np.arange(2)), "DataFrame", "table")
    # Rows that are left over after filtering have an index of numbers, which is no channel.
    filtered = read_table(frame[frame["sold"] > 0], id="shop", time="day")
    assert filtered.columns == ("sold",)
    check(read_table(frame.astype({"sold": "Float32", "shop": "string"}), id="shop", time="day"), "DataFrame", "table")


def test_names_that_are_numbers():
    pandas = pytest.importorskip("pandas")
    table = read_table(pandas.DataFrame(np.arange(8.0).reshape(4, 2)), time=0, values=[1])
    assert (table.x[0, :, 0].tolist(), table.time.tolist()) == ([1, 3, 5, 7], [[0, 2, 4, 6]])


def test_a_pandas_column_that_mixes_kinds():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"t": [0, 1, 2], "x": [1, "two", None]})
    with pytest.raises(InputError, match="DataFrame: column 'x': found 'two' in row 1, want numbers"):
        read_table(frame, time="t", values=("x",))
    with pytest.raises(InputError, match="DataFrame: column 'x': found 'two' in row 1, want numbers"):
        read_table(frame.set_index("t"), time="t", values=("x",))
    with pytest.raises(InputError, match="DataFrame: column 'x': found 'two' in row 1, want numbers"):
        read_table(frame.set_index(pandas.Index([5, 6, 7])), time="index", values=("x",))
    unused = read_table(pandas.DataFrame({"x": ["one", "two", 3], "y": [1.0, 2, 3]}, index=[5, 7, 8]))
    assert (unused.columns, unused.report.unused) == (("y",), ("index", "x"))
    with pytest.raises(InputError, match="DataFrame: found columns that Arrow cannot read"):
        read_table(pandas.DataFrame([[1, 2]], columns=["x", "x"]))
    with pytest.raises(InputError, match="table: column 'x': found 'two' in row 1"):
        read_table({"x": np.array([1, "two", None], object)}, values="x")


def test_polars_frames():
    polars = pytest.importorskip("polars")
    check(read_table(polars.DataFrame(COLUMNS, nan_to_null=True), id="shop", time="day"), "DataFrame", "table")


def test_encodings(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("t,°C,who\n0,1,é\n1,2,é\n".encode("latin-1"))
    for settings_ in ({"time": "t"}, {"time": "t", "id": "who"}):
        with pytest.raises(InputError, match=r"csv file t.csv: .*found text that is not utf-8, want another encoding"):
            read_table(path, **settings_)
    table = read_table(path, time="t", id="who", encoding="latin-1")
    assert (table.columns, table.ids.tolist()) == (("°C",), ["é"])
    with pytest.raises(InputError, match="encoding: found 'klingon', want one such as utf-8"):
        read_table(path, encoding="klingon")
    path.write_bytes("t,x,who\n0,1,é\n1,2,é\n".encode("latin-1"))
    for settings_ in ({"time": "t"}, {"time": "t", "id": "who"}):
        with pytest.raises(InputError, match=r"csv file t.csv: .*found text that is not utf-8, want another encoding"):
            read_table(path, **settings_)


WRONG = {
    "cell": ("a,b\n1,2\n1,x\n", r"csv file t.csv: column 'b': found 'x' in row 1, want numbers"),
    "missing cells are none": ("a,b\nNA,2\n1,x\n7,y\n8,\n,1\n", r"column 'b': found 'x' in row 1"),
    "row": ("a,b\n1,2\n1\n", r"csv file t.csv: found a damaged file .*Expected 2 columns, got 1"),
    "twice": ("a,b,a\n1,2,3\n", r"csv file t.csv: found column 'a' more than once"),
    "no row": ("a,b\n", r"csv file t.csv: found no rows, want at least one"),
    "empty": ("", r"csv file t.csv: found a damaged file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_text(tmp_path, case):
    text, message = WRONG[case]
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "t.csv", values=("a", "b"))


def test_wrong_files(tmp_path):
    with pytest.raises(InputError, match="source: found no file at"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(InputError, match="source: found no file at"):
        read_table(tmp_path / "a.parquet")
    (tmp_path / "a.xlsx").write_bytes(b"")
    with pytest.raises(InputError, match=r"source: found a\.xlsx, want a .csv, .csv.gz, .parquet or .jsonl file"):
        read_table(tmp_path / "a.xlsx")
    with pytest.raises(InputError, match="source: found dict_keys, want the path"):
        read_table({}.keys())


def whole_file(ending):
    table = pa.table({"id": ["a", "a", "b"], "t": [0, 1, 0], "x": [1.0, None, 3.0]})
    sink = io.BytesIO()
    (parquet.write_table if ending == "parquet" else csv.write_csv)(table, sink)
    return gzip.compress(sink.getvalue()) if ending == "csv.gz" else sink.getvalue()


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_damaged_bytes(tmp_path, ending):
    whole = whole_file(ending)
    path = tmp_path / f"t.{ending}"

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def damage(data):
        content = bytearray(whole)
        for _ in range(data.draw(st.integers(0, 4))):
            content[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]))
        try:
            table = read_table(path, id="id", time="t", irregular="keep", on_unsorted="sort", on_duplicate="first")
        except InputError:
            return
        assert not np.isinf(table.x).any()
        assert table.x.shape[:2] == (len(table.ids), table.lengths.max())

    damage()


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=60) | st.text("ab,\n\"'0123.-eNA ", max_size=60).map(str.encode))
def test_any_bytes(tmp_path_factory, content):
    for ending in ("csv", "csv.gz", "parquet"):
        path = tmp_path_factory.getbasetemp() / f"any.{ending}"
        path.write_bytes(content)
        try:
            table = read_table(path)
        except InputError:
            continue
        assert table.x.shape[0] == 1


def test_decimal_commas_and_further_spellings_of_nothing(tmp_path):
    (tmp_path / "eu.csv").write_text("a;b\n1,5;?\n-2,25;3\n")
    found = read_table(tmp_path / "eu.csv", delimiter=";", decimal=",", missing=("?",))
    np.testing.assert_array_equal(found.x[0], np.array([[1.5, np.nan], [-2.25, 3]], np.float32))
    with pytest.raises(InputError, match="decimal: found ',' for delimiter ',', want different ones"):
        read_table(tmp_path / "eu.csv", decimal=",")
