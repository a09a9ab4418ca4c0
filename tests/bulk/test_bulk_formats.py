"""Series out of Arrow lists and .npz members, against plain loops."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.bulk.arrays import _Member
from tsrl.bulk.encode import _rung
from tsrl.bulk.parquet import _series
from tsrl.bulk.source import likely_lengths

NUMBERS = st.one_of(st.none(), st.floats(-1e3, 1e3, width=32))
FLAT = st.lists(st.one_of(st.none(), st.lists(NUMBERS, max_size=7)), max_size=6)
STEPS = st.one_of(st.none(), st.lists(NUMBERS, min_size=1, max_size=3))
NESTED = st.lists(st.one_of(st.none(), st.lists(STEPS, max_size=4)), max_size=6)


def array(row):
    return np.array([np.nan if number is None else number for number in row], np.float32)


@settings(deadline=None)
@given(rows=FLAT, channels=st.integers(1, 3), cut=st.integers(0, 2), large=st.booleans())
def test_flat_lists(rows, channels, cut, large):
    kind = pa.large_list(pa.float32()) if large else pa.list_(pa.float32())
    series, reasons = _series(pa.array(rows, kind)[cut:], channels)
    rows = rows[cut:]
    assert set(reasons) == {i for i, row in enumerate(rows) if row is None or len(row) % channels}
    for i, row in enumerate(rows):
        want = np.zeros((0, channels)) if i in reasons else array(row).reshape(-1, channels)
        np.testing.assert_array_equal(series[i], want)


@settings(deadline=None)
@given(rows=NESTED, channels=st.integers(1, 3), cut=st.integers(0, 2))
def test_nested_lists(rows, channels, cut):
    series, reasons = _series(pa.array(rows, pa.list_(pa.list_(pa.float64())))[cut:], channels)
    rows = rows[cut:]
    wrong = {i for i, row in enumerate(rows) if row is None or any(s is None or len(s) != channels for s in row)}
    assert set(reasons) == wrong
    for i, row in enumerate(rows):
        kept = [] if i in wrong else [array(step) for step in row]
        np.testing.assert_array_equal(series[i], np.reshape(kept, (-1, channels)))


@pytest.mark.parametrize("inner", [pa.list_(pa.int32(), 2), pa.list_(pa.int32())])
def test_lists_of_a_fixed_size(inner):
    rows = [[[1, 2], [3, 4]], None, [[5, 6], [7, 8]]]
    series, reasons = _series(pa.array(rows, pa.list_(inner, 2)), 2)
    assert list(reasons) == [1]
    np.testing.assert_array_equal(np.concatenate(series), [[1, 2], [3, 4], [5, 6], [7, 8]])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_rows_of_a_member_in_any_order(save, tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 3, 2))
    save(tmp_path / "x.npz", x=x)
    member = _Member(tmp_path / "x.npz", "x")
    for first, count in [(0, 10), (10, 5), (40, 10), (3, 4), (0, 50)]:
        np.testing.assert_array_equal(member.take(first, count), x[first : first + count])
    member.close()


def test_the_ladder_has_few_steps_and_wastes_little():
    rungs = [_rung(steps) for steps in range(1, 20_000)]
    assert len(set(rungs)) < 40
    assert all(rung >= steps for steps, rung in enumerate(rungs, 1))
    assert all(b <= 1.5 * a for a, b in itertools.pairwise(sorted(set(rungs))))
    assert all(rung < 1.4 * steps for steps, rung in enumerate(rungs, 1) if steps > 40)
    # A rung is its own: padding to it changes nothing more.
    assert all(_rung(rung) == rung for rung in set(rungs))


def test_many_lengths_are_no_sign_of_one():
    assert likely_lengths([12, 0, 9, 12]) == (9, 12)
    assert likely_lengths(range(9)) == ()
