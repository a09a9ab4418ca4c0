"""Splits of the user's own series: nothing reaches from train into test."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.data.scaling import Scaler
from tsrl.data.tables.read import read_table
from tsrl.data.tables.split import leaks, split
from tsrl.errors import InputError


def table(lengths, seed=0, time=False, start=None, **static):
    """Random series of these lengths; `static` holds a value for each."""
    random = np.random.default_rng(seed)
    ids = np.repeat(np.arange(len(lengths)), lengths)
    columns = {"id": ids, "x": random.normal(size=len(ids)), "y": random.normal(size=len(ids))}
    columns |= {name: np.asarray(values)[ids] for name, values in static.items()}
    chosen = {"id": "id", "values": ("x", "y")} | {name: name for name in static}
    if time:
        first = np.zeros(len(lengths), int) if start is None else np.asarray(start)
        columns["t"] = np.concatenate([begin + np.arange(length) for begin, length in zip(first, lengths, strict=True)])
        chosen["time"] = "t"
    return read_table(columns, **chosen)


def rows_of(series):
    """All steps, each as one tuple."""
    return [tuple(row) for row in series.x[series.steps()].tolist()]


LENGTHS = st.lists(st.integers(1, 6), min_size=2, max_size=20)


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.floats(0.05, 0.95), st.integers(0, 3), st.data())
def test_whole_series_and_groups(lengths, share, seed, data):
    groups = data.draw(st.lists(st.integers(0, 4), min_size=len(lengths), max_size=len(lengths)))
    whole = table(lengths, group=groups)
    for by in ("series", "group"):
        if by == "group" and len(set(groups)) == 1:
            with pytest.raises(InputError, match="by: found 0 of"):
                split(whole, by, share, seed)
            continue
        train, test = split(whole, by, share, seed)
        assert sorted([*train.ids, *test.ids]) == list(range(len(lengths)))
        assert sorted(rows_of(train) + rows_of(test)) == sorted(rows_of(whole))
        assert train.ids.tolist() == sorted(train.ids)
        if by == "group":
            assert not set(train.groups) & set(test.groups)
            assert leaks(train, test) == ()
        else:
            assert abs(len(test) - share * len(lengths)) <= 1
        again = split(whole, by, share, seed)
        assert again[1].ids.tolist() == test.ids.tolist()


def test_another_seed_draws_others():
    whole = table([2] * 40)
    assert split(whole, seed=0)[1].ids.tolist() != split(whole, seed=1)[1].ids.tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from("aab"), min_size=2, max_size=40), st.floats(0.05, 0.95), st.integers(0, 3))
def test_labels_are_stratified(labels, share, seed):
    train, test = split(table([2] * len(labels), label=labels), "series", share, seed)
    kinds = set(labels)
    assert len(train) + len(test) == len(labels)
    if len(kinds) <= share * len(labels):
        for kind in kinds:
            count = labels.count(kind)
            assert kind in train.labels
            assert abs((test.labels == kind).sum() - share * count) <= 1
    else:
        assert abs(len(test) - share * len(labels)) <= 1


def test_equal_series_of_different_labels():
    columns = {
        "id": np.repeat(np.arange(12), 2),
        "x": np.r_[1.0, 2, 1, 2, np.arange(20)],
        "y": [0] * 2 + [1] * 2 + [0] * 20,
    }
    for seed in range(5):
        train, test = split(read_table(columns, id="id", label="y"), seed=seed)
        assert leaks(train, test) == ()
        assert (len(train) + len(test), len(test) in (2, 3)) == (12, True)


def test_a_large_group_is_not_taken_for_a_small_test_part():
    whole = table([2] * 100, group=[0] * 90 + [1] * 5 + [2] * 5)
    assert all(len(split(whole, "group", 0.1, seed)[1]) in (5, 10) for seed in range(10))


def test_equal_series_stay_together():
    columns = {"id": np.repeat(np.arange(20), 2), "x": np.tile([1.0, 2, 3, 4, 5, 6], 7)[:40]}
    whole = read_table(columns, id="id")
    for seed in range(5):
        train, test = split(whole, seed=seed, test_share=0.3)
        assert leaks(train, test) == ()
    mixed = whole.take(np.arange(10)), whole.take(np.arange(10, 20))
    assert leaks(*mixed) == ("10 series of test are equal to one of train: 10, 11, 12, 13, 14",)


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.floats(0.05, 0.95), st.data())
def test_time_is_cut_once_for_all(lengths, share, data):
    start = data.draw(st.lists(st.integers(0, 9), min_size=len(lengths), max_size=len(lengths)))
    whole = table(lengths, time=True, start=start)
    try:
        train, test = split(whole, "time", share)
    except InputError:
        # Every step is at or after the cut.
        stamps = np.sort(whole.time[whole.steps()])
        assert stamps[-max(round(share * len(stamps)), 1)] == stamps[0]
        return
    assert train.time[train.steps()].max() < test.time[test.steps()].min()
    assert leaks(train, test) == ()
    # Every step is on one side, under its own stamp and id.
    found = [
        (id, stamp, *values)
        for part in (train, test)
        for id, stamps, series, length in zip(part.ids, part.time, part.x, part.lengths, strict=True)
        for stamp, values in zip(stamps[:length], series[:length], strict=True)
    ]
    wanted = [
        (id, stamp, *values)
        for id, stamps, series, length in zip(whole.ids, whole.time, whole.x, whole.lengths, strict=True)
        for stamp, values in zip(stamps[:length], series[:length], strict=True)
    ]
    assert sorted(found) == sorted(wanted)
    assert len(rows_of(test)) >= round(share * len(rows_of(whole)))


def test_dates_are_cut_too():
    stamps = np.datetime64("2024-01-01", "us") + np.arange(10) * np.timedelta64(1, "D")
    train, test = split(read_table({"t": stamps, "x": np.arange(10.0)}, time="t"), "time", 0.3)
    assert (train.lengths.tolist(), test.lengths.tolist()) == ([7], [3])
    assert test.time[0].tolist() == stamps[7:].tolist()
    assert test.x[0, :, 0].tolist() == [7, 8, 9]


def test_without_stamps_each_series_is_cut():
    whole = table([10, 5, 1])
    train, test = split(whole, "time", 0.2)
    assert (train.lengths.tolist(), test.lengths.tolist()) == ([8, 4, 1], [2, 1])
    np.testing.assert_array_equal(test.x[1, 0], whole.x[1, 4])
    assert np.isnan(test.x[1, 1]).all()
    assert np.isnan(train.x[1, 4:]).all()
    assert leaks(train, test) == ()


def test_statistics_come_from_train_alone():
    """Whatever stands in test, a scaler of train is the same."""
    random = np.random.default_rng(0)
    values = random.normal(size=30)
    for by in ("series", "group", "time", "column"):
        scalers = []
        for factor in (1, 1000):
            columns = {
                "id": np.repeat(np.arange(6), 5),
                "t": np.tile(np.arange(5), 6),
                "g": np.repeat([0, 0, 1, 1, 2, 2], 5),
                "s": np.repeat(["train", "test"] * 3, 5),
            }
            read = {"id": "id", "time": "t", "group": "g", "split": "s", "values": "x"}
            of_test = split(read_table({**columns, "x": values}, **read), by)[1]
            inside = np.isin(values.astype(np.float32), of_test.x[of_test.steps()])
            changed = np.where(inside, values * factor, values)
            train, test = split(read_table({**columns, "x": changed}, **read), by)
            scalers.append(Scaler.of(train.x))
            if factor > 1:
                assert np.nanstd(test.x) > 100
        assert scalers[0].mean == scalers[1].mean
        assert scalers[0].std == scalers[1].std


def test_windows_do_not_cross():
    """No window of test holds a step of train."""
    whole = table([8, 6, 7], time=True)
    train, test = split(whole, "time", 0.4)
    seen = set(rows_of(train))
    for series, length in zip(test.x, test.lengths, strict=True):
        for begin, width in itertools.product(range(length), range(1, length + 1)):
            assert not seen & {tuple(row) for row in series[begin : begin + width].tolist()}


def test_one_series_is_split_by_time_only():
    with pytest.raises(InputError, match=r"by: found 0 of 1 series for test when split by series, .* by='time' splits"):
        split(table([9]))
    assert [part.lengths.tolist() for part in split(table([9]), "time")] == [[7], [2]]


def test_labels_reach_across_a_cut_in_time():
    train, test = split(table([5, 5], time=True, label=["a", "b"]), "time")
    assert leaks(train, test) == ("2 series are in both with their labels",)


def test_column():
    whole = table([2, 3, 4], split=["train", "test", "train"])
    train, test = split(whole, "column")
    assert (train.ids.tolist(), test.ids.tolist()) == ([0, 2], [1])
    leaking = table([2, 3, 4], split=["train", "test", "train"], group=[1, 1, 2])
    assert leaks(*split(leaking, "column")) == ("1 groups are in both: 1",)


def test_leaks_in_time():
    earlier, later = (table([3], seed=seed, time=True, start=[seed]) for seed in (0, 2))
    assert leaks(earlier, later) == ("1 series are in both, and train ends at 2, test begins at 2",)
    whole = table([4, 4], time=True)
    assert leaks(whole, whole.take(np.array([0]))) == (
        "1 series of test are equal to one of train: 0",
        "1 series are in both, and train ends at 3, test begins at 0",
    )


@pytest.mark.parametrize(
    ("static", "by", "share", "message"),
    [
        ({}, "series", 1.0, "test_share: found 1.0, want between 0 and 1"),
        ({}, "serie", 0.2, r"by: found 'serie'; did you mean series\?"),
        ({}, "group", 0.2, "by: found 'group' in a table without groups"),
        ({}, "column", 0.2, "by: found 'column' in a table without that column"),
        ({"split": ["train", "valid"]}, "column", 0.2, "table: split: found 'valid' for series 1, want train or test"),
        ({"split": [1, 2]}, "column", 0.2, "table: split: found '1' for series 0, want train or test"),
        ({"split": ["test", "test"]}, "column", 0.2, "by: found 2 of 2 series for test when split by column"),
        ({}, "time", 0.01, "by: found no steps for test at its last steps, want another test_share"),
    ],
)
def test_wrong_splits(static, by, share, message):
    with pytest.raises(InputError, match=message):
        split(table([3, 3], **static), by, share)
