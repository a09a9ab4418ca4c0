"""Checks and preparation of series against slow loops and literal values."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.data.series import centre, check_series, pad_to, prepare_train, split_sections
from tsrl.errors import InputError

NAN = np.nan


def series(*rows):
    """One channel: `[N, T]` literals to `[N, T, 1]`."""
    return np.array(rows, np.float32)[..., None]


@st.composite
def gappy(draw, max_length=12):
    """`[N, T, C]` of distinct values with missing steps, runs of them at the ends and single missing values."""
    n, t, c = draw(st.integers(1, 4)), draw(st.integers(1, max_length)), draw(st.integers(1, 3))
    x = 1 + np.arange(n * t * c, dtype=np.float32).reshape(n, t, c)
    for row in x:
        row[: draw(st.integers(0, t))] = NAN
        row[t - draw(st.integers(0, t)) :] = NAN
    holes = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, t - 1), st.integers(0, c - 1)), max_size=4))
    for hole in holes:
        x[hole] = NAN
    return x


def trimmed(row):
    """The steps of `[T, C]` from the first to the last observed one, by a plain loop."""
    steps = [step for step in range(len(row)) if not all(np.isnan(value) for value in row[step])]
    return row[steps[0] : steps[-1] + 1] if steps else row[:0]


def test_centre_puts_the_odd_step_at_the_end():
    x = series([NAN, NAN, NAN, 1, 2], [1, NAN, 2, NAN, NAN], [1, 2, 3, 4, NAN], [NAN] * 5, [1, 2, 3, 4, 5])
    want = series([NAN, 1, 2, NAN, NAN], [NAN, 1, NAN, 2, NAN], [1, 2, 3, 4, NAN], [NAN] * 5, [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(centre(x), want)


def test_centre_counts_a_step_with_one_observed_channel_as_observed():
    x = np.array([[[NAN, NAN], [NAN, NAN], [NAN, 1], [2, 3], [NAN, NAN]]], np.float32)
    np.testing.assert_array_equal(centre(x), np.roll(x, -1, axis=1))


@settings(deadline=None)
@given(gappy())
def test_centre_keeps_the_observed_part_and_balances_the_margins(x):
    centred = centre(x)
    assert centred.shape == x.shape
    for before, after in zip(x, centred, strict=True):
        kept = trimmed(before)
        margin = len(before) - len(kept)
        if len(kept):
            start = margin // 2
            np.testing.assert_array_equal(after[start : start + len(kept)], kept)
        assert np.isnan(after).sum() == np.isnan(before).sum()
    np.testing.assert_array_equal(centre(centred), centred)


def test_pad_to_puts_the_odd_step_at_the_end():
    x = series([1, 2])
    np.testing.assert_array_equal(pad_to(x, 5), series([1, 2, NAN, NAN, NAN]))
    np.testing.assert_array_equal(pad_to(x, 5, both_sides=True), series([NAN, 1, 2, NAN, NAN]))
    with pytest.raises(InputError, match="length: found 1, want at least the 2 steps of x"):
        pad_to(x, 1)


@settings(deadline=None)
@given(gappy(), st.integers(0, 9), st.booleans())
def test_pad_to_round_trip(x, extra, both_sides):
    length = x.shape[1]
    padded = pad_to(x, length + extra, both_sides)
    start = extra // 2 if both_sides else 0
    np.testing.assert_array_equal(padded[:, start : start + length], x)
    assert padded.shape[1] == length + extra
    assert np.isnan(padded[:, :start]).all()
    assert np.isnan(padded[:, start + length :]).all()
    assert padded.dtype == x.dtype


def test_split_sections_are_of_near_equal_length():
    # 7 steps in 3 sections are 3 + 2 + 2, not 3 + 3 + 1; section by section, not series by series.
    x = series([1, 2, 3, 4, 5, 6, 7], [11, 12, 13, 14, 15, 16, 17])
    want = series([1, 2, 3], [11, 12, 13], [4, 5, NAN], [14, 15, NAN], [6, 7, NAN], [16, 17, NAN])
    np.testing.assert_array_equal(split_sections(x, 3), want)


@settings(deadline=None)
@given(gappy(), st.data())
def test_split_sections_round_trip(x, data):
    n, length, _ = x.shape
    sections = data.draw(st.integers(1, length))
    split = split_sections(x, sections)
    assert split.shape == (sections * n, -(-length // sections), x.shape[2])
    for row in range(n):
        parts = []
        for section in range(sections):
            own = length // sections + (section < length % sections)
            parts.append(split[section * n + row, :own])
            assert np.isnan(split[section * n + row, own:]).all()
        np.testing.assert_array_equal(np.concatenate(parts), x[row])


@pytest.mark.parametrize("sections", [0, 4])
def test_split_sections_out_of_range(sections):
    with pytest.raises(InputError, match=f"sections: found {sections}, want 1 to 3"):
        split_sections(series([1, 2, 3]), sections)


def test_prepare_train_leaves_complete_short_series_alone():
    x = series([1, 2, 3, 4, 5], [1, 2, NAN, 4, 5])
    np.testing.assert_array_equal(prepare_train(x, 3), x)


def test_prepare_train_splits_from_twice_the_length_on():
    x = series([1, 2, 3, 4, 5, 6, 7])
    np.testing.assert_array_equal(prepare_train(x, 4), x)
    np.testing.assert_array_equal(prepare_train(x, 3), series([1, 2, 3, 4], [5, 6, 7, NAN]))


def test_prepare_train_centres_when_a_margin_is_missing():
    x = series([NAN, NAN, 1, 2], [1, 2, 3, 4], [1, 2, 3, NAN])
    np.testing.assert_array_equal(prepare_train(x, 9), series([NAN, 1, 2, NAN], [1, 2, 3, 4], [1, 2, 3, NAN]))


def test_prepare_train_drops_sections_without_values():
    x = series([NAN, NAN, NAN, 1], [NAN, NAN, NAN, NAN], [1, 2, 3, 4])
    np.testing.assert_array_equal(prepare_train(x, 2), series([1, 2], [1, NAN], [3, 4]))


def test_prepare_train_length_out_of_range():
    with pytest.raises(InputError, match="max_train_length: found 0, want at least 1"):
        prepare_train(series([1, 2]), 0)


@settings(deadline=None)
@given(gappy(), st.integers(1, 12))
def test_prepare_train_keeps_every_value(x, max_train_length):
    prepared = prepare_train(x, max_train_length)
    assert not np.isnan(prepared).all((1, 2)).any()
    np.testing.assert_array_equal(np.sort(prepared[~np.isnan(prepared)]), np.sort(x[~np.isnan(x)]))


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8", "i1", "i8", "u2"])
def test_check_series_accepts_numbers(dtype):
    x = np.arange(12).reshape(2, 3, 2).astype(dtype)
    checked = check_series(x)
    assert checked.dtype == np.dtype(np.float32)
    np.testing.assert_array_equal(checked, np.arange(12).reshape(2, 3, 2))


def test_check_series_accepts_lists_and_missing_series():
    x = check_series([[[1.0], [NAN]], [[NAN], [NAN]]])
    np.testing.assert_array_equal(x, series([1, NAN], [NAN, NAN]))


ONE = np.ones((2, 3, 2))
WRONG = {
    "rank 2": (np.ones((40, 100)), "x: found shape (40, 100), want [N, T, C]; add the channel axis: x[..., None]"),
    "rank 1": (np.ones(5), "x: found shape (5,), want [N, T, C]; add the series and channel axes: x[None, :, None]"),
    "rank 4": (np.ones((1, 1, 1, 1)), "x: found shape (1, 1, 1, 1), want [N, T, C]"),
    "no series": (np.ones((0, 3, 2)), "x: found 0 series in shape (0, 3, 2), want at least 1"),
    "one step": (np.ones((2, 1, 2)), "x: found 1 time steps in shape (2, 1, 2), want at least 2"),
    "no channel": (np.ones((2, 3, 0)), "x: found 0 channels in shape (2, 3, 0), want at least 1"),
    "all NaN": (NAN * ONE, "x: found NaN in every step of shape (2, 3, 2) (channels [0, 1] hold nothing else), want"),
    "one channel NaN": (ONE * [1, NAN], "x: found NaN in every step of shape (2, 3, 2) (channels [1] hold nothing"),
    "infinite": (
        ONE * [[[1]], [[-np.inf]]],
        "x: found values infinite in float32 in 1 of 2 series, first in series 1,",
    ),
    "too large": (ONE * 1e300, "x: found values infinite in float32 in 2 of 2 series, first in series 0, want finite"),
    "text": (np.full((2, 3, 2), "a"), "x: found dtype <U1 in shape (2, 3, 2), want [N, T, C] of numbers"),
    "objects": (ONE.astype(object), "x: found dtype object in shape (2, 3, 2), want [N, T, C] of numbers"),
    "complex": (ONE * 1j, "x: found dtype complex128 in shape (2, 3, 2), want [N, T, C] of numbers"),
    "mask": (ONE > 0, "x: found dtype bool in shape (2, 3, 2), want [N, T, C] of numbers"),
    "ragged": ([[[1.0], [2.0]], [[1.0]]], "x: found list that numpy cannot make an array of"),
    "None": (None, "x: found dtype object in shape (), want [N, T, C] of numbers"),
}


@pytest.mark.parametrize("case", WRONG)
def test_check_series_names_what_is_wrong(case):
    x, message = WRONG[case]
    with pytest.raises(InputError, match="^" + re.escape(message)):
        check_series(x)


def test_check_series_arguments():
    with pytest.raises(InputError, match=r"^x_test: found 0 time steps"):
        check_series(np.ones((2, 0, 1)), "x_test", min_length=1)
    assert check_series(np.ones((2, 1, 1)), min_length=1).shape == (2, 1, 1)


def test_a_table_is_not_its_series():
    class SeriesTable:
        x = np.ones((2, 3, 1))

    with pytest.raises(InputError, match=r"x: found SeriesTable, want .* of numbers: its attribute x"):
        check_series(SeriesTable())
