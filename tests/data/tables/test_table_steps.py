"""Order, duplicates and steps, each against loops."""

import numpy as np
import pytest
import table_reference
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.data.tables.steps import Rows, aggregated, in_order, resampled, since_previous, stepping, without_duplicates
from tsrl.errors import InputError

CELL = st.none() | st.floats(-100, 100, width=16)


def rows(series, time, values=None):
    values = np.arange(len(series), dtype=float)[:, None] if values is None else values
    return Rows(np.arange(len(series)), np.array(series, np.int64), np.array(time), values)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=4), min_size=1, max_size=6))
def test_aggregated(runs):
    values = np.array([row for run in runs for row in run], np.float64)
    starts = np.cumsum([0, *map(len, runs)])[:-1]
    for how in table_reference.AGGREGATES:
        wanted = [[table_reference.aggregate(cells, how) for cells in zip(*run, strict=True)] for run in runs]
        np.testing.assert_allclose(aggregated(values, starts, how), np.array(wanted, np.float64), atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-5, 5)), min_size=1, max_size=20))
def test_order_is_stable(pairs):
    series, time = zip(*pairs, strict=True)
    changes = []
    ordered = in_order(rows(series, time), True, "t", changes)
    wanted = sorted(range(len(pairs)), key=lambda row: (series[row], time[row]))
    assert ordered.row.tolist() == ordered.values[:, 0].tolist() == wanted
    seen = {}
    backwards = [row for row, (id, now) in enumerate(pairs) if now < seen.get(id, now) or seen.update({id: now})]
    assert bool(changes) == bool(backwards)
    if backwards:
        with pytest.raises(InputError, match="t: found a time before that of the series' previous row in row"):
            in_order(rows(series, time), False, "t", [])
    else:
        assert in_order(rows(series, time), False, "t", []).row.tolist() == wanted


def test_duplicates_are_counted():
    values = np.array([[1, np.nan], [1, np.nan], [1, 2], [5, 5], [5, 6]])
    table = rows([0, 0, 0, 1, 1], [3, 3, 3, 3, 4], values)
    with pytest.raises(
        InputError,
        match=r"t: found the series and time of another row in rows 1, 2 \(1 of them repeat all values\), want",
    ):
        without_duplicates(table, "error", "t", [])
    for how, row, second in (("first", [0, 3, 4], np.nan), ("last", [2, 3, 4], 2)):
        kept = without_duplicates(table, how, "t", [])
        assert kept.row.tolist() == row
        np.testing.assert_array_equal(kept.values[0], [1, second])


def test_steps():
    grid = stepping(rows([0, 0, 0, 0, 1, 1, 2], [0, 10, 20, 50, 7, 18, 3]), None)
    assert (grid.step, grid.gaps.tolist(), grid.missing.tolist(), grid.irregular.tolist()) == (10, [3], [2], [3, 5])
    asked = stepping(rows([0, 0, 0], [0, 10, 20]), 5.0)
    assert (asked.step, asked.gaps.tolist(), asked.missing.tolist()) == (5, [1, 2], [1, 1])
    assert stepping(rows([0] * 4, [0, 30, 40, 60]), None).step == 20
    assert stepping(rows([0] * 5, [0, 30, 40, 60, 65]), None).step == 10
    assert stepping(rows([0, 1], [3, 4]), None).step is None
    assert stepping(rows([0, 1], [3, 4]), 2.0).step == 2


@settings(max_examples=100, deadline=None)
@given(st.integers(-10_000, 10_000), st.integers(2, 200), st.sampled_from([0.1, 0.02, 1 / 3, 1e-3, 7.7]), st.data())
def test_broken_numbers_on_a_grid(first, count, step, data):
    """Rounding of k * step makes no step irregular, and no bin empty or double."""
    places = np.arange(first, first + count)
    table = rows([0] * count, places * step)
    assert not len(stepping(table, None).irregular)
    gone = data.draw(st.integers(1, count - 1)) if count > 2 else 1
    kept = table.take(places != first + gone)
    filled, at = resampled(kept, step, "mean", [])
    assert (at - at[0]).tolist() == [place for place in range(count) if place != gone]
    np.testing.assert_allclose(filled.time, kept.time, rtol=1e-9, atol=1e-9)


def test_bins_begin_at_multiples():
    table = rows([0, 0, 0, 1], [-0.5, 0.1, 0.95, 2.0])
    binned, at = resampled(table, 0.5, "sum", [])
    assert (at.tolist(), binned.time.tolist()) == ([-1, 0, 1, 4], [-0.5, 0.0, 0.5, 2.0])
    binned, at = resampled(rows([0, 0, 0], [-1, 5, 19]), 10.0, "sum", [])
    assert (binned.time.tolist(), binned.time.dtype, binned.values[:, 0].tolist()) == (
        [-10, 0, 10],
        np.int64,
        [0, 1, 2],
    )


def test_time_since_the_step_before():
    assert since_previous(rows([0, 0, 1, 1], [0, 30, 5, 6]), 10)[:, 0].tolist() == [0, 3, 0, 0.1]
