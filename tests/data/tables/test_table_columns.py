"""Columns as numbers and keys."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsrl.data.tables.columns import first_failing, is_numeric, keys, numbers, row_list
from tsrl.data.tables.source import Source
from tsrl.errors import InputError


def column(cells, kind=None, from_text=False):
    return Source("t", "t", pa.table({"c": pa.array(cells, kind)}), from_text=from_text)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([1, None, 3], pa.int8()),
        ([1, None, 3], pa.uint64()),
        ([1, float("nan"), 3], pa.float32()),
        ([Decimal("1.00"), None, Decimal("3.00")], pa.decimal128(5, 2)),
        ([" 1", "NA", "3e0 "], pa.string()),
        (["1", "", "+3."], pa.string()),
    ],
)
def test_numbers(cells, kind):
    source = column(cells, kind)
    np.testing.assert_array_equal(numbers(source, "c"), [1, np.nan, 3])
    assert is_numeric(source.table["c"])


def test_kinds_that_have_to_be_named():
    assert numbers(column([True, False, None]), "c")[:2].tolist() == [1, 0]
    assert np.isnan(numbers(column([None, None]), "c")).all()
    for cells in ([True, False], [None], ["a", "b", "1"], ["", None], [b"1"]):
        assert not is_numeric(column(cells).table["c"])
    with pytest.raises(InputError, match=r"t: column 'c': found binary values, b'1' in row 0, want numbers"):
        numbers(column([b"1"]), "c")


def test_half_of_the_cells_make_a_column_of_numbers():
    assert is_numeric(column(["1", "a", None]).table["c"])
    assert not is_numeric(column(["1", "a", "b"]).table["c"])


def test_mostly_numbers_are_not_left_out_silently():
    source = column(["1", "2", "three", None])
    assert is_numeric(source.table["c"])
    with pytest.raises(InputError, match="t: column 'c': found 'three' in row 2, want numbers"):
        numbers(source, "c")


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["b", "a", "b"], pa.string(), ["b", "a"]),
        ([7, -1, 7], pa.int16(), [7, -1]),
        ([7.0, -1.0, 7.0], pa.float64(), [7, -1]),
        ([True, False, True], pa.bool_(), [1, 0]),
        ([1, 0, 1], pa.date32(), ["1970-01-02", "1970-01-01"]),
    ],
)
def test_keys(cells, kind, values):
    found = keys(column(cells, kind), "c", "id")
    assert (found.codes.tolist(), found.values.tolist()) == ([0, 1, 0], values)


def test_broken_numbers_are_labels_only():
    assert keys(column([0.5, 2.0]), "c", "label").values.tolist() == [0.5, 2.0]
    for wrong in (0.5, np.inf):
        with pytest.raises(InputError, match=rf"t: column 'c' \(id\): found {wrong} in row 1, want text or whole"):
            keys(column([2.0, wrong]), "c", "id")
    with pytest.raises(InputError, match=r"t: column 'c' \(label\): found no value in rows 0, 2, want one in every"):
        keys(column([np.nan, 1.0, None]), "c", "label")
    with pytest.raises(
        InputError, match=r"t: column 'c' \(id\): found values that cannot be read \(Integer value 922337"
    ):
        keys(column([2**63], pa.uint64()), "c", "id")
    with pytest.raises(InputError, match=r"t: column 'c' \(id\): found list<.*> values, want text or whole numbers"):
        keys(column([[1]]), "c", "id")


@given(st.lists(st.sampled_from(["", "1", "01", "-2", "x", "NA", "99999999999999999999"]), min_size=1, max_size=6))
def test_keys_of_text_files(cells):
    source = column(cells, pa.string(), from_text=True)
    if "" in cells:
        with pytest.raises(InputError, match="found no value in row"):
            keys(source, "c", "id")
        return
    found = keys(source, "c", "id")
    read = [found.values[code].item() for code in found.codes]
    assert read == ([int(cell) for cell in cells] if set(cells) <= {"1", "-2"} else cells)


@given(st.lists(st.sampled_from(["1", "x"]), max_size=40), st.integers(1, 5))
def test_first_failing(cells, chunks):
    column = pa.chunked_array([pa.array(cells[chunk::chunks], pa.string()) for chunk in range(chunks)])
    joined = column.to_pylist()
    assert first_failing(column, pa.float64()) == (joined.index("x") if "x" in joined else None)


def test_row_list():
    assert row_list(np.array([3])) == "row 3"
    assert row_list(np.arange(7)) == "rows 0, 1, 2, 3, 4 and 2 more"
