"""The corpus: standardised, reproducible, balanced, without gaps."""

import numpy as np
import pytest

from tsrl.data.corpus import standardised, synthetic_corpus, training_slices
from tsrl.errors import InputError


def test_synthetic_series_are_standardised_and_their_first_rows_do_not_depend_on_the_count():
    x = synthetic_corpus(5, 40, seed=2)
    assert (x.shape, x.dtype) == ((5, 40, 1), np.float32)
    np.testing.assert_allclose(x.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(synthetic_corpus(3, 40, seed=2), x[:3])
    assert np.abs(synthetic_corpus(3, 40, seed=3) - x[:3]).max() > 0.1


def test_constant_series_are_zeros():
    np.testing.assert_array_equal(standardised(np.full((2, 8, 1), 5.0)), 0)


def saved(folder, name, x):
    np.savez(folder / f"{name}.npz", x_train=x.astype(np.float32), x_test=np.full_like(x, 1e6, np.float32))


def test_slices_are_channels_of_training_series_at_one_length(tmp_path):
    ramp = np.linspace(0, 1, 9)
    gap = ramp.copy()
    gap[[0, 4, 8]] = np.nan
    saved(tmp_path, "ramps", np.stack([np.stack([ramp, ramp**2], -1), np.stack([gap, ramp**2], -1)]))
    saved(tmp_path, "steps", (np.arange(12) > 5).astype(float).reshape(1, 12, 1))
    x = training_slices(["ramps", "steps"], 33, 8, data_dir=tmp_path)
    assert x.shape == (16, 33, 1)
    # Four channels, each twice: lines, one of them from a series with gaps, and parabolas.
    line, parabola = (standardised(np.linspace(0, 1, 33)[None, :, None] ** power)[0] for power in (1, 2))
    distance = [[float(np.abs(row - wanted).max()) for wanted in (line, parabola)] for row in x[:8]]
    assert sorted(int(np.argmin(pair)) for pair in distance) == [0] * 4 + [1] * 4
    # A parabola through nine points is not quite one through 33.
    assert max(min(pair) for pair in distance) < 0.02
    # One series of the other set stands for itself, as often as asked.
    np.testing.assert_array_equal(x[8:], np.broadcast_to(x[8], (8, 33, 1)))
    assert x.max() < 5
    # Draws of a set do not depend on the others.
    np.testing.assert_array_equal(training_slices(["steps", "ramps"], 33, 8, data_dir=tmp_path)[8:], x[:8])


def test_an_unknown_set_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        training_slices(["nowhere"], 32, 4, data_dir=tmp_path)
