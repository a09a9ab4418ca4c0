"""NAB's score by hand, with the published sigmoid's values: S(-1) = 0.98661, S(-0.5) = 0.84828, S(0) = 0."""

import math

import numpy as np
import pytest

from tsrl.evaluate.anomaly_nab import nab_score


def alarms(steps, *at):
    found = np.zeros(steps, bool)
    found[list(at)] = True
    return found


WINDOW = [(50, 59)]


@pytest.mark.parametrize(
    ("at", "raw"),
    [
        ((), -1.0),
        ((50,), 1.0),
        # Step 55 of 50 to 59: half of the window is left.
        ((55,), 0.84828 / 0.98661),
        # One of ten steps is left: S(-0.1) = 0.244919.
        ((59,), 0.244919 / 0.98661),
        ((50, 53, 57), 1.0),
        # Before any window an alarm costs 0.11; the window is missed.
        ((3,), -1 - 0.11),
        ((3, 4, 50), 1 - 0.22),
        # 9 steps behind the window's last are one length: S(1) = -0.98661.
        ((50, 68), 1 - 0.11 * 0.98661),
        # A third of a length: S(1/3) = -0.682364.
        ((50, 62), 1 - 0.11 * 0.682364),
        # Three lengths and more cost all.
        ((50, 86), 1 - 0.11),
        ((50, 99), 1 - 0.11),
    ],
)
def test_raw_score_of_one_window(at, raw):
    assert nab_score([WINDOW], [alarms(100, *at)]) == pytest.approx(100 * (raw + 1) / 2, abs=1e-3)


def test_pooled_over_series_with_and_without_windows():
    windows = [[(10, 19), (20, 24)], [], [(0, 0)]]
    # Found at once; the touching one missed; a false alarm in the quiet series; a window of one step found, and an
    # alarm ten of its lengths later.
    found = [alarms(40, 10), alarms(40, 7), alarms(40, 0, 10)]
    raw = (1 - 1) - 0.11 + (1 - 0.11)
    assert nab_score(windows, found) == pytest.approx(100 * (raw + 3) / 6)


def test_null_and_perfect_and_random_detectors():
    windows = [[(10, 19), (60, 79)], [(5, 9)]]
    null, perfect = [alarms(100)] * 2, [alarms(100, 10, 60), alarms(100, 5)]
    assert nab_score(windows, null) == 0
    assert nab_score(windows, perfect) == pytest.approx(100)
    # All steps alarmed: every window found, every other step paid for.
    assert nab_score(windows, [np.ones(100, bool)] * 2) < 0
    assert math.isnan(nab_score([[]], [alarms(10, 3)]))
