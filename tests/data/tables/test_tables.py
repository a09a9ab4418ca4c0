"""Tables become series: against loops over rows, and what wrong tables are told."""

import math
from itertools import pairwise

import numpy as np
import pytest
import table_reference
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.data.forecasting import load_forecast
from tsrl.data.tables.read import Table, read_table
from tsrl.errors import InputError

LONG = {
    "who": np.array(["b", "a", "b", "a", "b"]),
    "when": np.array([0, 0, 1, 1, 2]),
    "x": np.array([1.0, 10, 2, 20, 3]),
    "y": np.array([0.0, np.nan, 1, 5, 2]),
}


def test_long():
    table = read_table(LONG, id="who", time="when")
    assert table.ids.tolist() == ["b", "a"]
    assert table.columns == ("x", "y")
    assert (table.x.dtype, table.lengths.tolist()) == (np.float32, [3, 2])
    nan = np.nan
    np.testing.assert_array_equal(table.x, [[[1, 0], [2, 1], [3, 2]], [[10, nan], [20, 5], [nan, nan]]])
    assert table.time.tolist() == [[0, 1, 2], [0, 1, np.iinfo(np.int64).min]]
    assert (table.labels, table.groups, table.split, table.zone) == (None, None, None, None)
    assert (table.name, table.source, table.id_name, table.time_name) == ("table", "table", "who", "when")
    assert table.report.missing == {"y": 1}


def test_without_id_the_table_is_one_series():
    table = read_table({"x": np.arange(4)})
    assert table.x[..., 0].tolist() == [[0, 1, 2, 3]]
    assert (table.ids.tolist(), table.time, table.report.time_range) == ([0], None, None)


def test_without_time_rows_are_in_order():
    table = read_table({**LONG, "x": LONG["x"][::-1]}, id="who", values="x")
    assert table.x[0, :, 0].tolist() == [3, 2, 1]
    assert table.report.unused == ("when", "y")


def test_wide():
    columns = {"s1": [1.0, np.nan, 7], "s0": [2.0, 5, 8], "s2": [np.nan, np.nan, 9]}
    table = read_table({"who": [7, 3, 5], "kind": ["u", "v", "u"], **columns}, layout="wide", id="who", label="kind")
    assert (table.ids.tolist(), table.labels.tolist(), table.columns) == ([7, 3, 5], ["u", "v", "u"], ("value",))
    nan = np.nan
    np.testing.assert_array_equal(table.x[..., 0], [[1, 2, nan], [nan, 5, nan], [7, 8, 9]])
    assert table.lengths.tolist() == [2, 2, 3]
    assert table.report.rows == 3
    ordered = read_table(columns, layout="wide", values=("s0", "s1"))
    np.testing.assert_array_equal(ordered.x[..., 0], [[2, 1], [5, nan], [8, 7]])
    assert ordered.ids.tolist() == [0, 1, 2]


def test_wide_with_an_id_twice():
    table = {"who": ["a", "b", "a"], "s0": [1.0, 2, 5], "s1": [np.nan, 3, 4]}
    with pytest.raises(
        InputError, match=r"column 'who' \(id\): found the series and time of another row in rows 2, 2 \(0 of them"
    ):
        read_table(table, layout="wide", id="who")
    merged = read_table(table, layout="wide", id="who", on_duplicate="mean")
    assert merged.x[..., 0].tolist() == [[3, 4], [2, 3]]


def test_labels_groups_and_splits_belong_to_series():
    table = {**LONG, "label": [1.5, 2, 1.5, 2, 1.5], "user": [9, 8, 9, 8, 9], "part": ["test", "train"] * 2 + ["test"]}
    read = read_table(table, id="who", time="when", label="label", group="user", split="part")
    assert read.labels.tolist() == [1.5, 2]
    assert read.groups.tolist() == [9, 8]
    assert read.split.tolist() == ["test", "train"]
    assert read.columns == ("x", "y")
    assert read_table(LONG, id="who", group="who", values="x").groups.tolist() == ["b", "a"]


NEVER = {"who": ["a"] * 4, "when": [0, 2, 1, 1], "x": [1.0, 2, 3, 4]}
TWICE = {"who": ["a"] * 4, "when": [0, 1, 1, 2], "x": [1.0, 2, 4, 8]}
JUMPS = {"who": ["a"] * 4, "when": [0, 1, 2, 5], "x": [1.0, 2, 3, 4]}
OFF = {"who": ["a"] * 4, "when": [0, 10, 25, 30], "x": [1.0, 2, 3, 4]}
WRONG = {
    "unsorted": (
        NEVER,
        {},
        r"table: column 'when' \(time\): found a time before .* in row 2, want rising time; on_uns",
    ),
    "duplicate": (
        TWICE,
        {},
        r"column 'when' \(time\): found the series and time of another row in row 2 \(0 of them",
    ),
    "gap": (
        JUMPS,
        {},
        r"found a step of another length than 1 before row 3, 1 of them gaps, want equal steps; irr",
    ),
    "off": (OFF, {}, r"found a step of another length than 10 before rows 2, 3, 0 of them gaps"),
    "every": (OFF, {"every": "5"}, r"found a step of another length than 5 before rows 1, 2, 2 of them gaps"),
    "no column": (LONG, {"id": "wo"}, r"table: id: found no column 'wo'; did you mean who\?"),
    "no value column": (LONG, {"values": ("z",)}, r"table: values: found no column 'z'; known: "),
    "no numbers": ({"who": ["a", "b"]}, {"time": None}, r"values: found no column of numbers beside \['who'\]"),
    "text": ({**LONG, "x": ["1", "2", "x", "3", "4"]}, {}, r"column 'x': found 'x' in row 2, want numbers"),
    "infinite": ({**LONG, "x": [1, 2, 3, -np.inf, 5]}, {}, r"column 'x': found -inf in row 3, want finite numbers"),
    "huge": ({**LONG, "x": [1, 2, 3, 1e39, 5]}, {}, r"column 'x': found 1e\+39 in row 3, want finite numbers"),
    "null id": (
        {**LONG, "who": ["a", None, "b", None, "a"]},
        {},
        r"'who' \(id\): found no value in rows 1, 3, want one",
    ),
    "null time": ({**LONG, "when": [0, 1, np.nan, 3, 4]}, {}, r"'when' \(time\): found no value in row 2, want a time"),
    "label": (
        {**LONG, "y": [1, 2, 1, 2, 3]},
        {"label": "y"},
        r"'y' \(label\): found another value .* in row 4 \(series b",
    ),
    "null label": (LONG, {"label": "y"}, r"column 'y' \(label\): found no value in row 1, want one in every row"),
    "group": (
        {**LONG, "y": [1, 2.5, 1, 2, 3]},
        {"group": "y"},
        r"'y' \(group\): found 2.5 in row 1, want text or whole",
    ),
    "empty series": (
        {**LONG, "x": [1, np.nan, 1, np.nan, 1]},
        {"values": "x"},
        r"found no value in 1 series \(a\), want",
    ),
    "empty channel": (
        {**LONG, "y": [np.nan] * 5},
        {},
        "table: column 'y': found no value in any row, want some, or other",
    ),
    "sums": ({**TWICE, "x": [0, 3e38, 3e38, 0]}, {"on_duplicate": "sum"}, "table: found sums that float32 cannot hold"),
    "far": ({**JUMPS, "when": [0.0, 1, 2, 4e18]}, {"irregular": "resample", "every": 1e-12}, "padded more than"),
    "empty": ({"who": [], "when": [], "x": []}, {}, "table: found no rows, want at least one"),
    "unequal": ({"who": ["a"], "when": [1, 2], "x": [1, 2]}, {}, "table: found columns of unequal length"),
    "two axes": ({**LONG, "x": np.ones((5, 1))}, {}, r"column 'x': found shape \(5, 1\), want one axis"),
    "setting": (LONG, {"irregluar": "keep"}, r"irregluar: not a setting of a table; did you mean irregular"),
    "choice": (LONG, {"irregular": "drop"}, r"irregular: found 'drop'; "),
    "source": ([1, 2], {}, "source: found list, want the path of a .csv"),
    "grid": (JUMPS, {"irregular": "resample", "every": "1e-9"}, r"every: found '1e-9', want a positive number"),
    "large": (JUMPS, {"irregular": "resample", "every": "0.000000001"}, r"padded more than 2147483648 values"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_tables(case):
    table, changed, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        read_table(table, Table(id="who", time="when"), **changed)


def test_settings_choose():
    def values(table, **chosen):
        read = read_table(table, id="who", time="when", **chosen)
        return read.x[0, :, 0].tolist(), read.time[0].tolist(), read.report.changes

    assert values(TWICE, on_duplicate="first")[0] == [1, 2, 8]
    assert values(TWICE, on_duplicate="last")[0] == [1, 4, 8]
    merged, time, (change,) = values(TWICE, on_duplicate="mean")
    assert (merged, time) == ([1, 3, 8], [0, 1, 2])
    assert change.startswith("merged to their mean: the series and time of another row in row 2 (0")
    assert values(NEVER, on_unsorted="sort", on_duplicate="last")[:2] == ([1, 4, 2], [0, 1, 2])
    assert values(OFF, irregular="keep") == (
        [1, 2, 3, 4],
        [0, 10, 25, 30],
        ("kept: steps of unequal length, as if they were equal",),
    )
    delta = read_table(OFF, id="who", time="when", irregular="delta")
    assert delta.columns == ("x", "when_delta")
    assert delta.x[0].tolist() == [[1, 0], [2, 10], [3, 15], [4, 5]]
    # Stamps on the grid keep their place, a gap becomes missing steps; other stamps are put into bins.
    filled, time, _ = values(JUMPS, irregular="resample")
    np.testing.assert_array_equal(filled, [1, 2, 3, np.nan, np.nan, 4])
    assert time == [0, 1, 2, 3, 4, 5]
    assert values({**JUMPS, "when": [3, 5, 7, 11]}, irregular="resample")[1] == [3, 5, 7, 9, 11]
    assert values({**JUMPS, "when": [4, 9, 14, 24]}, irregular="resample")[1] == [4, 9, 14, 19, 24]
    assert values(OFF, irregular="resample")[:2] == ([1, 2, 3, 4], [0, 10, 20, 30])
    assert values(OFF, irregular="resample", every=20, aggregate="sum")[:2] == ([3, 7], [0, 20])
    assert values({**OFF, "when": [0.1, 0.2, 0.3, 0.5]}, irregular="resample")[1] == pytest.approx(
        [0.1, 0.2, 0.3, 0.4, 0.5]
    )
    assert values(LONG, irregular="resample")[2] == ()


CELL = st.none() | st.integers(-8, 8).map(float)


@st.composite
def tables(draw):
    rows = draw(st.lists(st.tuples(st.sampled_from("cab"), st.integers(-9, 9), CELL, CELL), min_size=1, max_size=25))
    # Each series has a value.
    rows += [(id, draw(st.integers(-9, 9)), 1.0, 2.0) for id in sorted({row[0] for row in rows})]
    return [list(column) for column in zip(*draw(st.permutations(rows)), strict=True)]


@settings(max_examples=150, deadline=None)
@given(tables(), st.sampled_from(["first", "last", "mean", "sum"]), st.sampled_from([None, 1, 3, 4]), st.data())
def test_against_loops(table, on_duplicate, every, data):
    ids, times, *columns = table
    how = data.draw(st.sampled_from(sorted(table_reference.AGGREGATES)))
    arrays = {f"c{number}": np.array(column, np.float64) for number, column in enumerate(columns)}
    wanted = table_reference.read(ids, times, columns, on_duplicate)
    if any(all(cell is None for _, cells in steps for cell in cells) for steps in wanted.values()):
        return
    steps = {later - time for rows in wanted.values() for (time, _), (later, _) in pairwise(rows)}
    chosen = {"irregular": "keep"} if every is None else {"irregular": "resample", "every": every, "aggregate": how}
    # Where every stamp is whole steps from the first they stay; the reference always bins.
    whole = every and all((time - rows[0][0]) % every == 0 for rows in wanted.values() for time, _ in rows)
    if every and not (steps <= {every} or whole):
        wanted = table_reference.read(ids, times, columns, on_duplicate, every, how)
    elif every and not steps <= {every}:
        shifted = [time - wanted[id][0][0] for id, time in zip(ids, times, strict=True)]
        binned = table_reference.read(ids, shifted, columns, on_duplicate, every, how)
        wanted = {id: [(time + wanted[id][0][0], cells) for time, cells in rows] for id, rows in binned.items()}
    read = read_table(
        {"id": ids, "t": times, **arrays}, id="id", time="t", on_duplicate=on_duplicate, on_unsorted="sort", **chosen
    )
    assert read.ids.tolist() == list(wanted)
    assert read.lengths.tolist() == [len(rows) for rows in wanted.values()]
    for x, time, rows in zip(read.x, read.time, wanted.values(), strict=True):
        assert time[: len(rows)].tolist() == [stamp for stamp, _ in rows]
        cells = np.array([[math.nan if cell is None else cell for cell in cells] for _, cells in rows])
        np.testing.assert_allclose(x[: len(rows)], cells, rtol=1e-6)
        assert np.isnan(x[len(rows) :]).all()


def test_published_files(real_data):
    """ETTh1 and Exchange are read as the forecasting reader reads them; Weather's faults are found."""
    for name, found in (("ETTh1", 0), ("exchange_rate", 1)):
        table = read_table(f"{real_data}/forecasting/{name}.csv", time="date")
        published = load_forecast(name, real_data)
        np.testing.assert_array_equal(table.x[0], published.values)
        np.testing.assert_array_equal(table.time[0], published.time)
        assert (table.columns, table.report.jump_count) == (published.columns, found)
    weather = f"{real_data}/forecasting/weather.csv"
    with pytest.raises(InputError, match=r"found the series and time of another row in row 19044 \(1 of them repeat"):
        read_table(weather, time="date")
    report = read_table(weather, time="date", on_duplicate="first", irregular="resample").report
    assert report.gaps == ((0, "2020-05-29T09:30:00", "2020-05-29T11:10:00", 9),)
    assert set(report.missing.values()) == {9}


def test_purchases(real_data):
    table = read_table(
        f"{real_data}/events/CDNOW.csv.gz",
        id="customer",
        time="date",
        time_format="%Y%m%d",
        values="dollars",
        on_duplicate="sum",
        irregular="delta",
    )
    assert (len(table), table.report.rows, table.columns) == (23_570, 69_659, ("dollars", "date_delta"))
    # The second customer buys twice on one day.
    np.testing.assert_allclose(table.x[1, :1], [[89, 0]])
