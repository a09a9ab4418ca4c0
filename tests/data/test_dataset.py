"""Other splits of a set's rows: nothing is lost, and what belongs together stays together."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.data.dataset import Dataset
from tsrl.data.named import load
from tsrl.errors import InputError


def numbered(count, held=0, classes=1, groups=None, start=None, end=None):
    """Rows whose first value is their number; the last `held` are the test part."""
    x = np.arange(count, dtype=np.float32)[:, None, None] * np.ones((1, 4, 1), np.float32)
    rows = {"x": x, "y": np.arange(count) % classes, "id": np.array([f"row {i}" for i in range(count)])}
    rows |= {} if groups is None else {"group": np.asarray(groups)}
    rows |= {} if start is None else {"start": np.asarray(start), "end": np.asarray(start if end is None else end)}
    kept = {f"{name}_train": values[: count - held] for name, values in rows.items()}
    kept |= {f"{name}_test": values[count - held :] for name, values in rows.items()} if held else {}
    arrays = {name: kept.pop(name) for name in list(kept) if name[0] in "xy"}
    return Dataset("toy", "words", classes=tuple(map(str, range(classes))), rows=kept, **arrays)


def numbers(x):
    return x[:, 0, 0].astype(int)


def check_rows(split, count, classes=1):
    train, test = numbers(split.x_train), numbers(split.x_test)
    assert sorted([*train, *test]) == list(range(count))
    for rows, part in ((train, "train"), (test, "test")):
        np.testing.assert_array_equal(getattr(split, f"y_{part}"), rows % classes)
        assert split.rows[f"id_{part}"].tolist() == [f"row {i}" for i in rows]
    return train, test


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(0, 2**31), st.integers(1, 4))
def test_a_random_split_keeps_every_row_once(count, seed, classes):
    data = numbered(max(count, 2 * classes + 2), classes=classes)
    try:
        split = data.resplit("random", seed)
    except InputError as error:
        # With very few rows a class can fall into the test part alone.
        assert "found no training rows of" in str(error)  # noqa: PT017
        assert classes > 1
        return
    train, test = check_rows(split, len(data.x_train), classes)
    assert abs(len(test) - 0.2 * len(data.x_train)) <= classes
    assert numbers(data.resplit("random", seed).x_train).tolist() == train.tolist()


def test_a_random_split_keeps_the_published_sizes_and_the_shares_of_classes():
    split = numbered(100, held=40, classes=4).resplit("random", 1)
    check_rows(split, 100, 4)
    assert np.bincount(split.y_train).tolist() == [15] * 4
    assert np.bincount(split.y_test).tolist() == [10] * 4
    assert split.source == "words, split at random with seed 1"


def test_equal_series_stay_together():
    data = numbered(12)
    x = data.x_train.copy()
    x[6:] = x[:6]
    split = replace(data, x_train=x).resplit("random", 0)
    assert not set(numbers(split.x_train)) & set(numbers(split.x_test))


@pytest.mark.parametrize("seed", range(8))
def test_groups_of_unequal_sizes_give_a_test_part_of_the_size_asked_for(seed):
    """Two groups of 100 rows, 18 of 5."""
    groups = np.repeat(np.arange(20), [100, 100, *[5] * 18])
    split = numbered(290, groups=groups).resplit("grouped", seed)
    assert not set(split.rows["group_train"]) & set(split.rows["group_test"])
    assert 0.14 < len(split.x_test) / 290 < 0.36


def test_a_published_validation_split_is_drawn_from_too():
    data = numbered(10, held=3)
    whole = replace(data, x_val=data.x_test + 10, y_val=data.y_test, rows={})
    split = whole.resplit("random", 0)
    assert sorted([*numbers(split.x_train), *numbers(split.x_test)]) == [*range(10), 17, 18, 19]
    assert split.x_val is None


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=40).filter(lambda starts: len(set(starts)) > 1))
def test_a_split_by_time_has_no_test_row_that_begins_before_a_training_row_ends(starts):
    length = 2
    data = numbered(len(starts), start=starts, end=np.array(starts) + length)
    border = sorted(starts)[len(starts) - max(1, round(0.2 * len(starts)))]
    try:
        split = data.resplit("time", 0)
    except InputError as error:
        assert f"that ends before {border}" in str(error)  # noqa: PT017
        assert min(starts) + length >= border
        return
    train, test = numbers(split.x_train), numbers(split.x_test)
    assert [i for i, start in enumerate(starts) if start + length < border] == train.tolist()
    assert [i for i, start in enumerate(starts) if start >= border] == test.tolist()
    assert split.rows["end_train"].max() < split.rows["start_test"].min()
    left_out = len(starts) - len(train) - len(test)
    assert (f"{left_out} series across the border left out" in split.source) == bool(left_out)


def test_a_split_by_time_takes_dates():
    start = np.array(["2020-01-05", "2020-01-01", "2020-01-04", "2020-01-02", "2020-01-03"], "datetime64[s]")
    split = numbered(5, held=2, start=start).resplit("time", 7)
    assert numbers(split.x_test).tolist() == [0, 2]
    assert split.source == "words, split by time"


def test_the_published_split_is_the_set_itself():
    data = numbered(5, held=2)
    assert data.resplit("published", 3) is data


def test_series_of_both_parts_are_padded_to_one_length():
    data = replace(numbered(6, held=3), x_test=np.ones((3, 9, 1), np.float32))
    split = data.resplit("random", 0)
    assert split.x_train.shape[1] == split.x_test.shape[1] == 9
    assert np.isnan(np.concatenate([split.x_train, split.x_test])).sum() == 3 * 5


WRONG = {
    "no groups": ({}, "grouped", "found no group_train in words, want them to split by group, or another split"),
    "no starts": ({}, "time", "found no start_train and no end_train in words, want them to split by time"),
    "one group": ({"groups": [1] * 6}, "grouped", "found one group or equal series only in words"),
    "one start": ({"start": [1] * 6}, "time", "found no series in words that ends before 1"),
    "text": ({"start": list("abcdef")}, "time", "found starts of <U1 in words, want times or numbers"),
    "missing": ({"start": [1.0, 2, 3, 4, 5, np.nan]}, "time", "want times or numbers, none missing"),
    "ends": ({"start": [1.0] * 6, "end": [np.nan] * 6}, "time", "found ends of float64 in words, want times"),
}


@pytest.mark.parametrize("case", WRONG)
def test_splits_that_cannot_be(case):
    settings, by, message = WRONG[case]
    with pytest.raises(InputError, match=re.escape(message)):
        numbered(6, **settings).resplit(by, 0)


def test_one_row_cannot_be_split():
    with pytest.raises(InputError, match="found 1 series in words, want at least two"):
        numbered(1).resplit("random", 0)


def test_a_class_of_the_test_part_alone_is_refused():
    data = numbered(6, start=range(6))
    data = replace(data, y_train=np.array([0, 0, 0, 0, 0, 1]), classes=("a", "b"))
    with pytest.raises(InputError, match=r"found no training rows of \['b'\]"):
        data.resplit("time", 0)


@pytest.mark.parametrize("key", ["group_train", "id_train", "end_train", "group_test", "colour_train"])
def test_what_is_known_of_rows_fits_them(key):
    name = key.partition("_")[0]
    with pytest.raises(InputError, match=rf"words: {key}: found shape \(2,\), want one {name} for each series"):
        Dataset("toy", "words", np.ones((3, 4, 1)), rows={key: np.arange(2)})


def test_the_fingerprint_sees_everything():
    data = numbered(6, held=2, classes=2)
    others = [
        replace(data, classes=("a", "b")),
        replace(data, rows=data.rows | {"id_test": data.rows["id_test"][::-1]}),
        replace(data, x_val=data.x_test),
        replace(data, y_test=1 - data.y_test),
    ]
    assert len({one.fingerprint() for one in (data, *others)}) == 5
    assert replace(data).fingerprint() == data.fingerprint()


def test_an_npz_file_says_what_is_known_of_rows(tmp_path):
    about = {"id_train": ["a", "b", "c"], "id_test": ["d"], "start_train": [1, 2, 3], "start_test": [0]}
    np.savez(
        tmp_path / "own.npz", x_train=np.ones((3, 4, 1)), x_test=np.ones((1, 4, 1)), group_train=[1, 1, 2], **about
    )
    data = load(tmp_path / "own.npz")
    # Groups are not known of all parts.
    assert {key: values.tolist() for key, values in data.rows.items()} == about
    np.savez(tmp_path / "whole.npz", x=np.ones((3, 4, 1)), id=["a", "b", "c"], recording=[1, 1, 2])
    data = load(tmp_path / "whole.npz")
    assert {key: values.tolist() for key, values in data.rows.items()} == {
        "id_train": ["a", "b", "c"], "group_train": [1, 1, 2]
    }  # fmt: skip
    assert data.x_test is None


def test_an_npz_file_has_a_validation_split(tmp_path):
    arrays = {f"x_{part}": np.full((2, 4, 1), i) for i, part in enumerate(("train", "val", "test"))}
    labels = {f"y_{part}": ["b", "a"] for part in ("train", "val", "test")}
    np.savez(tmp_path / "own.npz", **arrays, **labels)
    data = load(tmp_path / "own.npz")
    assert (data.x_val[0, 0, 0], data.y_val.tolist()) == (1, [1, 0])
    np.savez(tmp_path / "bad.npz", **arrays, **labels | {"y_val": ["c", "a"]})
    with pytest.raises(InputError, match="y_val: found the label 'c', want one that y_train has"):
        load(tmp_path / "bad.npz")


WRONG_KINDS = {
    "start and end": {"start_train": np.array(["2020", "2021"], "datetime64[s]"), "end_train": [1, 2]},
    "group": {"group_train": np.array(["a", None], object)},
    "id": {"id_train": [1, 2], "id_test": ["a", "b"]},
}


@pytest.mark.parametrize("name", WRONG_KINDS)
def test_what_is_known_of_rows_is_of_one_kind(name):
    with pytest.raises(InputError, match=rf"words: {name}: found .*, want numbers, text or times in all parts"):
        Dataset("toy", "words", np.ones((2, 4, 1)), x_test=np.ones((2, 4, 1)), rows=WRONG_KINDS[name])
