"""Parquet files: every damage, and every column that holds no series, ends in an InputError."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parquet_files import F32, FLAT, TOLD, X, save

from tsrl.data.store import open_store, write_store
from tsrl.errors import InputError

LATE = [[1.0, 2.0, 3.0, 4.0]] * 5
WRONG = {
    "no list": ([1.0, 2.0], None, TOLD, "x.parquet: column 'x': found the type double, want lists of numbers"),
    "text": ([["a"]], None, TOLD, "x.parquet: column 'x': found the type list<element: string>, want lists of n"),
    "thrice nested": ([[[[1.0]]]], None, None, "want lists of numbers or lists of such lists"),
    "no channels": (FLAT, None, None, "found flat lists and no number of channels, want the argument channels"),
    "odd fixed": ([[1.0, 2.0, 3.0]], pa.list_(F32, 3), TOLD, "lists of 3 numbers, want a multiple of 2 channels"),
    "odd": ([*LATE, [1.0] * 3], None, TOLD, "x.parquet: row group 1: found 3 numbers in row 1, want a multiple of 2"),
    "null": ([*LATE, None], None, TOLD, "x.parquet: row group 1: found null in row 1, want a list of numbers"),
    "null step": ([[[1.0], None]], None, None, "x.parquet: row group 0: found null in step 1, want a list of num"),
    "widths": ([[[1.0, 2.0]], [[1.0, 2.0], [1.0]]], None, None, "row group 0: found 1 channels in row 1, want 2"),
    "no steps": (
        [[[]], [[]]],
        pa.list_(pa.list_(F32)),
        None,
        "x.parquet: row group 0: found 0 channels in row 0, want 1 in every step",
    ),
    "empty": ([[], []], pa.list_(F32), TOLD, "found 0 time steps in the longest series, want at least 2"),
    "one step": ([[1.0, 2.0]], None, TOLD, "found 1 time steps in the longest series, want at least 2"),
    "no rows": ([], pa.list_(F32), TOLD, "found 0 series, want 1 to 2,147,483,647"),
    "metadata": (FLAT, None, {b"tsrl": b"{"}, "x.parquet: found unreadable metadata b'{', want it as written by tsrl"),
    "metadata kind": (FLAT, None, {b"tsrl": b'{"channels": "2"}'}, "channels: found '2' in the metadata"),
    "channels disagree": ([[[1.0, 2.0]]], pa.list_(pa.list_(F32, 2)), {b"tsrl": b'{"channels": 3}'}, "found 3 and 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_columns_that_hold_no_series_are_refused(case, tmp_path):
    column, kind, metadata, message = WRONG[case]
    with pytest.raises(InputError, match=re.escape(message)):
        open_store(save(tmp_path / "x.parquet", column, kind, metadata))


def test_values_are_checked_when_they_are_read(tmp_path):
    bad = X.astype(float)
    bad[5, 2, 1] = 1e60
    bad[10, :, 0] = np.nan
    store = open_store(save(tmp_path / "x.parquet", [row.reshape(-1) for row in bad], None, TOLD))
    np.testing.assert_array_equal(store.take([1, 3]), X[[1, 3]])
    with pytest.raises(
        InputError, match=r"x.parquet: row group 1: found values infinite in float32 in row 1, want fin"
    ):
        store.take([0, 4])
    with pytest.raises(InputError, match=r"x.parquet: row group 2: found no step with all channels observed in row 2"):
        store.take([8])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_cut_or_changed_files_are_refused_or_read_right(tmp_path_factory, data):
    path = write_store(tmp_path_factory.mktemp("damage") / "x", [X], rows_per_group=4) / "part-00000.parquet"
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    message, found = "", X
    try:
        found = open_store(path).take(np.arange(len(X)))
    except InputError as error:
        message = str(error)
    assert not message or "part-00000.parquet" in message
    np.testing.assert_array_equal(found, X)
