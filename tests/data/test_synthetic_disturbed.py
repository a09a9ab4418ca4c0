"""Disturbed waves: rows are functions of (seed, row), and the truth that is declared is the truth."""

import numpy as np
import pytest

from tsrl.data.synthetic_disturbed import LEVELS, WAVES, disturbed
from tsrl.data.synthetic_parts import change_points
from tsrl.errors import InputError

LENGTH = 96
DRAWN = disturbed(400, LENGTH, seed=3)


def test_a_slice_is_the_slice_of_the_whole_and_seeds_differ():
    part = disturbed(7, LENGTH, seed=3, start=5)
    for whole, cut in zip(DRAWN, part, strict=True):
        np.testing.assert_array_equal(cut, whole[5:12])
    other = disturbed(400, LENGTH, seed=4)
    assert len({row.tobytes() for row in np.concatenate([DRAWN.clean, other.clean])}) == 800


def test_shapes_and_types():
    assert DRAWN.clean.shape == DRAWN.shifted.shape == DRAWN.anomalous.shape == (400, LENGTH, 1)
    assert {x.dtype for x in DRAWN[:3]} == {np.dtype(np.float32)}
    assert DRAWN.level.shape == DRAWN.anomaly.shape == (400, LENGTH)
    assert np.bincount(DRAWN.wave).tolist() == [400 // len(WAVES)] * len(WAVES)


def test_a_disturbance_is_what_is_declared_and_no_more():
    level = np.asarray(LEVELS)[DRAWN.level]
    np.testing.assert_allclose((DRAWN.shifted - DRAWN.clean)[..., 0], level, atol=1e-5)
    added = (DRAWN.anomalous - DRAWN.clean)[..., 0]
    np.testing.assert_array_equal(added != 0, DRAWN.anomaly)
    assert added[DRAWN.anomaly].std() == pytest.approx(1.5, rel=0.05)


def test_levels_change_one_to_three_times_and_anomalies_are_short_and_apart():
    shifts = (np.diff(DRAWN.level) != 0).sum(1)
    assert set(shifts) == {1, 2, 3}
    edges = np.diff(np.pad(DRAWN.anomaly.astype(int), ((0, 0), (1, 1))))
    starts, ends = np.nonzero(edges == 1), np.nonzero(edges == -1)
    lengths = ends[1] - starts[1]
    assert set(lengths) == {4, 5, 6, 7, 8}
    assert set(np.bincount(starts[0])) == {1, 2, 3}
    assert ends[1].max() <= LENGTH


def test_neither_disturbance_tells_the_class():
    """Of 100 series a class: means over series of what is drawn for them."""
    for truth, deviation in ((DRAWN.level, 0.5), (DRAWN.anomaly, 0.1)):
        means = [truth[DRAWN.wave == wave].mean() for wave in range(len(WAVES))]
        assert np.ptp(means) < 6 * deviation / np.sqrt(100)
    assert DRAWN.level.mean() == pytest.approx(0.5, abs=0.06)


def test_every_wave_is_of_mean_0_and_unit_deviation_beside_the_noise():
    for wave in range(len(WAVES)):
        x = DRAWN.clean[DRAWN.wave == wave].astype(float)
        assert x.mean() == pytest.approx(0, abs=0.05)
        assert x.var() == pytest.approx(1 + 0.4**2, rel=0.05)


def test_the_class_is_in_the_form_of_the_wave():
    """A square wave spends no time near 0, pulses are skewed, a sawtooth rises more often than it falls."""
    x = [DRAWN.clean[DRAWN.wave == wave, :, 0] for wave in range(len(WAVES))]
    sine, square, sawtooth, pulses = x
    assert (abs(square) < 0.3).mean() < 0.6 * (abs(sine) < 0.3).mean()
    assert (pulses**3).mean() > 1
    assert abs((sine**3).mean()) < 0.1
    assert (np.diff(sawtooth) > 0).mean() > 0.53
    assert (np.diff(sine) > 0).mean() == pytest.approx(0.5, abs=0.02)


def test_change_points_are_apart_from_each_other_and_the_ends():
    found = [change_points(np.random.default_rng(seed), 64) for seed in range(300)]
    assert {len(steps) for steps in found} == {1, 2, 3}
    assert min(np.diff([0, *steps, 64]).min() for steps in found) >= 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count: found 0, want a whole number from 1 up"),
        ({"length": 63}, "length: found 63, want a whole number from 64 up"),
        ({"seed": -1}, "seed: found -1"),
        ({"start": 0.5}, r"start: found 0\.5"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        disturbed(**({"count": 1, "length": 64} | arguments))
