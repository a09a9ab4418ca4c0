"""Delay-adjusted F1 against the rule written out on a whole grid, and numbers worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsrl.errors import InputError
from tsrl.evaluate.anomaly_delay import delay_adjusted, delay_scores, on_grid


def on_whole_grid(labels, alarms, grid, delay):
    """The rule on an array that has every step of the grid: segment by segment, step by step."""
    label, alarm = np.zeros(max(grid) + 1, bool), np.zeros(max(grid) + 1, bool)
    label[grid], alarm[grid] = labels, alarms
    adjusted = alarm.copy()
    step = 0
    while step < len(label):
        stop = step
        while stop < len(label) and label[stop]:
            stop += 1
        if stop > step:
            adjusted[step:stop] = alarm[step : min(stop, step + delay + 1)].any()
        step = max(stop, step + 1)
    return adjusted[grid]


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 3)), min_size=1, max_size=40),
    st.integers(0, 5),
    st.randoms(use_true_random=False),
)
def test_adjusted_equals_the_rule_on_the_whole_grid(steps, delay, random):
    grid = np.cumsum([gap for _, _, gap in steps])
    order = list(range(len(steps)))
    random.shuffle(order)
    labels, alarms = (np.array([step[i] for step in steps])[order] for i in (0, 1))
    expected = on_whole_grid(labels, alarms, grid[order], delay)
    np.testing.assert_array_equal(delay_adjusted(labels, alarms, grid[order], delay), expected)


def test_scores_by_hand():
    labels = np.array([0, 1, 1, 1, 1, 0, 1, 1, 0, 0], bool)
    alarms = np.array([0, 0, 1, 0, 0, 0, 0, 1, 0, 1], bool)
    # Delay 1: the first range is found by its second step, the second too: 6 right, 1 wrong.
    one = delay_scores([labels], [alarms], [np.arange(10)], 1)
    assert one == pytest.approx({"delay_f1": 12 / 13, "delay_precision": 6 / 7, "delay_recall": 1.0})
    # Delay 0: neither is found at its first step; only the false alarm is left.
    assert set(delay_scores([labels], [alarms], [np.arange(10)], 0).values()) == {0.0}
    # Pooled with a series whose only range (3 steps) is missed: 6 right, 1 wrong, 3 missed.
    other = np.array([1, 1, 1, 0], bool)
    pooled = delay_scores([labels, other], [alarms, np.zeros(4, bool)], [np.arange(10), np.arange(4)], 1)
    assert pooled == pytest.approx({"delay_f1": 12 / 16, "delay_precision": 6 / 7, "delay_recall": 6 / 9})


def test_undefined_without_anomaly_and_zero_without_alarm():
    none, some, time = np.zeros(5, bool), np.ones(5, bool), np.arange(5)
    assert all(math.isnan(value) for value in delay_scores([none], [some], [time], 7).values())
    assert set(delay_scores([some], [none], [time], 7).values()) == {0.0}
    assert set(delay_scores([some], [some], [time], 7).values()) == {1.0}


@pytest.mark.parametrize(
    ("timestamps", "grid"),
    [
        ([600, 0, 300, 1500], [2, 0, 1, 5]),  # unsorted, a gap of two steps
        ([7], [0]),
        ([0, 60, 60, 120], [0, 1, 2, 3]),  # the clock stood still: order counts
        ([0, 300, 600, 660, 960], [0, 1, 2, 3, 4]),  # one odd interval would make a step of 300 five steps
        ([0, 2, 4, 7, 9, 11], [0, 1, 2, 3, 4, 5]),  # no multiples of 2
        ([50, 40, 45, 45], [3, 0, 1, 2]),
    ],
)
def test_grid(timestamps, grid):
    assert on_grid(np.array(timestamps)).tolist() == grid


def test_irregular_stamps_do_not_tear_a_range_apart():
    labels, alarms = np.ones(6, bool), np.array([0, 1, 0, 0, 0, 0], bool)
    time = np.array([0, 600, 1200, 1260, 1860, 2460])
    assert delay_scores([labels], [alarms], [time], 1)["delay_recall"] == 1.0


@pytest.mark.parametrize(("shape", "delay"), [(4, 1), (5, -1)])
def test_wrong_input(shape, delay):
    with pytest.raises(InputError, match=r"labels, alarms, grid, delay: found \(5,\), "):
        delay_adjusted(np.ones(5, bool), np.ones(shape, bool), np.arange(5), delay)
