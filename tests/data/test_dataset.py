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


def numbered(count, held=0, classes=1, groups=None, start=None):
    """Rows whose first value is their number; the last `held` are the test part."""
    x = np.arange(count, dtype=np.float32)[:, None, None] * np.ones((1, 4, 1), np.float32)
    rows = {"x": x, "y": np.arange(count) % classes, "id": np.array([f"row {i}" for i in range(count)])}
    rows |= {} if groups is None else {"group": np.asarray(groups)}
    rows |= {} if start is None else {"start": np.asarray(start)}
    kept = {f"{name}_train": values[: count - held] for name, values in rows.items()}
    kept |= {f"{name}_test": values[count - held :] for name, values in rows.items()} if held else {}
    return Dataset("toy", "words", classes=tuple(map(str, range(classes))), **kept)


def numbers(x):
    return x[:, 0, 0].astype(int)


def check_rows(split, count, classes=1):
    train, test = numbers(split.x_train), numbers(split.x_test)
    assert sorted([*train, *test]) == list(range(count))
    for rows, part in ((train, "train"), (test, "test")):
        np.testing.assert_array_equal(getattr(split, f"y_{part}"), rows % classes)
        assert getattr(split, f"id_{part}").tolist() == [f"row {i}" for i in rows]
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
        return
    train, test = check_rows(split, len(data.x_train), classes)
    assert len(test) == max(1, round(0.2 * len(data.x_train)))
    assert numbers(data.resplit("random", seed).x_train).tolist() == train.tolist()


def test_a_random_split_keeps_the_published_sizes_and_the_shares_of_classes():
    split = numbered(100, held=40, classes=4).resplit("random", 1)
    check_rows(split, 100, 4)
    assert np.bincount(split.y_train).tolist() == [15] * 4
    assert np.bincount(split.y_test).tolist() == [10] * 4
    assert split.source == "words, split at random with seed 1"


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=40).filter(lambda starts: len(set(starts)) > 1))
def test_a_split_by_time_has_no_test_row_that_begins_before_a_training_row(starts):
    data = numbered(len(starts), start=starts)
    try:
        split = data.resplit("time", 0)
    except InputError as error:
        assert "found too many series in words that begin at" in str(error)  # noqa: PT017
        held = max(1, round(0.2 * len(starts)))
        assert sorted(starts)[len(starts) - held] == min(starts)
        return
    check_rows(split, len(starts))
    assert split.start_train.max() < split.start_test.min()


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
    "no groups": ({}, "grouped", "found no groups in words, want group_train and group_test"),
    "no starts": ({}, "time", "found no starts in words, want start_train and start_test"),
    "one group": ({"groups": [1] * 6}, "grouped", "found one group in words"),
    "one start": ({"start": [1] * 6}, "time", "found too many series in words that begin at 1"),
    "text": ({"start": list("abcdef")}, "time", "found starts of <U1 in words, want times or numbers"),
    "missing": ({"start": [1.0, 2, 3, 4, 5, np.nan]}, "time", "want times or numbers, none missing"),
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


@pytest.mark.parametrize("name", ["group", "id", "start"])
def test_what_is_known_of_rows_fits_them(name):
    with pytest.raises(InputError, match=rf"words: {name}_train: found shape \(2,\), want one {name} for each series"):
        Dataset("toy", "words", np.ones((3, 4, 1)), **{f"{name}_train": np.arange(2)})


def test_an_npz_file_says_what_is_known_of_rows(tmp_path):
    about = {"id_train": ["a", "b", "c"], "id_test": ["d"], "start_train": [1, 2, 3], "start_test": [0]}
    np.savez(tmp_path / "own.npz", x_train=np.ones((3, 4, 1)), x_test=np.ones((1, 4, 1)), **about)
    data = load(tmp_path / "own.npz")
    assert data.id_train.tolist() == ["a", "b", "c"]
    assert data.start_test.tolist() == [0]
    assert data.group_train is None
    np.savez(tmp_path / "whole.npz", x=np.ones((3, 4, 1)), id=["a", "b", "c"], recording=[1, 1, 2])
    data = load(tmp_path / "whole.npz")
    assert (data.id_train.tolist(), data.group_train.tolist(), data.x_test) == (["a", "b", "c"], [1, 1, 2], None)
