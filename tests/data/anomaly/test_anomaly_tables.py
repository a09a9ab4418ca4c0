"""A table with a label in each row: what merged, missing and split steps become."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv, parquet

from tsrl.data.anomaly import load_anomaly
from tsrl.data.tables.settings import Table
from tsrl.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


def loaded(folder, columns, **table):
    path = folder / "pump.csv"
    csv.write_csv(pa.table(columns), path)
    return load_anomaly(path, table=Table(label="odd", **table)).series


@pytest.mark.parametrize("irregular", ["error", "resample"])
@pytest.mark.parametrize("on_duplicate", ["error", "mean"])
def test_a_step_without_a_label_is_not_normal(folder, irregular, on_duplicate):
    """Merged steps too: nobody said what they are."""
    columns = {"at": [0, 1, 2, 3], "v": [1.0, 2.0, 3.0, 4.0], "odd": [0, 0, None, 0]}
    with pytest.raises(InputError, match=r"csv file pump\.csv: column 'odd' \(label\): found no value in row 2"):
        loaded(folder, columns, time="at", irregular=irregular, on_duplicate=on_duplicate)
    # Without a value in it the row is there all the same.
    with pytest.raises(InputError, match="found no value in row 2"):
        loaded(folder, columns | {"v": [1.0, 2.0, None, 4.0]}, time="at", irregular=irregular)


@pytest.mark.parametrize("aggregate", ["mean", "last", "sum", "max", "min"])
def test_no_aggregate_changes_an_event(folder, aggregate):
    """Two rows a step and three in one of them: sums would make ranges of different numbers, last would lose some."""
    at = [0, 5, 10, 15, 20, 22, 25, 30, 35, 50]
    odd = [0, 0, 1, 1, 1, 1, 0, 1, 0, 0]
    columns = {"at": at, "v": np.arange(10.0), "odd": odd}
    (series,) = loaded(folder, columns, time="at", irregular="resample", every="10", aggregate=aggregate)
    assert series.windows == ((1, 3),)
    assert np.isnan(series.values[4]).all()


@pytest.mark.parametrize(("how", "values"), [("first", [0, 1, 3]), ("last", [0, 2, 4]), ("sum", [0, 3, 7])])
def test_no_rule_for_duplicates_changes_an_event(folder, how, values):
    columns = {"at": [0, 1, 1, 2, 2], "v": np.arange(5.0), "odd": [0, 1, 0, 0, 1]}
    (series,) = loaded(folder, columns, time="at", on_duplicate=how)
    assert series.windows == ((1, 2),)
    assert series.values[:, 0].tolist() == values


ROWS = st.lists(
    st.tuples(st.sampled_from(["1", "b", "07"]), st.integers(0, 8), st.integers(0, 3)), min_size=1, max_size=20
)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, how=st.sampled_from(["first", "last", "mean", "sum"]), resample=st.booleans())
def test_the_largest_label_of_a_step_counts(folder, rows, how, resample):
    # Every series begins at step 0 and has a second one, so that there is something to train and to test on.
    names = list(dict.fromkeys(name for name, _, _ in rows))
    rows = rows + [(name, at, 0) for name in names for at in (0, 4, 7)]
    name, at, odd = map(list, zip(*rows, strict=True))
    columns = {"id": name, "at": at, "v": np.arange(len(rows)), "odd": odd}
    rules = {"irregular": "resample", "every": "2", "aggregate": "min"} if resample else {"irregular": "keep"}
    found = loaded(folder, columns, id="id", time="at", on_unsorted="sort", on_duplicate=how, **rules)
    assert [series.name for series in found] == names
    width = 2 if resample and any(step % 2 for step in at) else 1
    for series in found:
        own = [(step // width, label) for one, step, label in rows if one == series.name]
        places = sorted({step for step, _ in own})
        if resample:
            places = range(places[0], places[-1] + 1)
        wanted = [max((label for step, label in own if step == place), default=0) for place in places]
        events = [i for i, label in enumerate(wanted) if label]
        assert np.flatnonzero(series.numbered).tolist() == events
        assert [series.numbered[i] == series.numbered[i - 1] for i in events if i - 1 in events] == [
            wanted[i] == wanted[i - 1] for i in events if i - 1 in events
        ]


def test_a_split_by_step_says_what_to_train_on(folder):
    columns = {
        "id": list("aaabbbb"), "v": np.arange(7.0), "odd": [0, 0, 1, 0, 0, 0, 2],
        "part": ["train", "test", "test", "train", "train", "train", "test"],
    }  # fmt: skip
    found = loaded(folder, columns, id="id", split="part")
    assert [(one.train_stop, one.windows) for one in found] == [(1, ((2, 2),)), (3, ((3, 3),))]
    assert found[0].values.shape == (3, 1)


def test_a_merged_step_of_both_parts_is_tested(folder):
    columns = {"at": [0, 10, 14, 16, 30, 50], "v": np.arange(6.0), "odd": [0, 0, 0, 0, 0, 1]}
    columns["part"] = ["train", "train", "train", "test", "test", "test"]
    (series,) = loaded(folder, columns, time="at", split="part", irregular="resample", every="10")
    assert (len(series.values), series.train_stop) == (6, 1)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["train", "test", "train", "test"], "series 0: found train at step 2 after test at step 1, want the training"),
        (["train"] * 4, r"column 'part' \(split\): series 0: found no step of test, want both"),
        (["test"] * 4, "found no step of train, want both"),
        (["train", "train", "valid", "test"], "found 'valid' in row 2, want train or test"),
        (["train", None, "test", "test"], "found no value in row 1"),
    ],
)
def test_wrong_splits(folder, parts, message):
    with pytest.raises(InputError, match=message):
        loaded(folder, {"v": np.arange(4.0), "odd": [0, 0, 0, 1], "part": parts}, split="part")


def test_settings_without_a_meaning_are_refused(folder):
    columns = {"id": list("ab"), "v": [1.0, 2.0], "odd": [0, 1], "site": list("xy")}
    with pytest.raises(InputError, match="group: found 'site', but series with anomalies are not grouped"):
        loaded(folder, columns, id="id", group="site")
    with pytest.raises(InputError, match="found no column for label in a long table"):
        loaded(folder, columns, id="id", layout="wide")
    with pytest.raises(InputError, match=r"column 'odd'.*found 16777217\.0 in row 1, want whole numbers"):
        loaded(folder, columns | {"odd": [0, 2**24 + 1]}, id="id")


def test_labels_that_are_true_or_false(tmp_path):
    table = pa.table({"v": [1.0, 2, 3, 4], "odd": [False, True, True, False]})
    parquet.write_table(table, tmp_path / "pump.parquet")
    (series,) = load_anomaly(tmp_path / "pump.parquet", table=Table(label="odd")).series
    assert series.windows == ((1, 2),)
    (tmp_path / "pump.csv").write_text("v,odd\n1,false\n2,true\n3,true\n4,false\n")
    data = load_anomaly(tmp_path / "pump.csv", table=Table(label="odd"))
    assert data.series[0].windows == ((1, 2),)
    assert data.about["columns"] == ["v"]
    assert data.about["validation"]["rows"] == 4


@pytest.mark.parametrize("name", ["NAB", "pump.npz"])
def test_settings_of_a_table_are_refused_elsewhere(tmp_path, name):
    np.savez(tmp_path / "pump.npz", values=np.zeros((9, 1)), labels=np.arange(9) // 8)
    with pytest.raises(InputError, match=r"table.label: found 'odd' for .*, which is no table"):
        load_anomaly(tmp_path / name if name.endswith("npz") else name, tmp_path, table=Table(label="odd"))
