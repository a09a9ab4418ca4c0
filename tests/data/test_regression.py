"""Regression sets: the packaged one, .npz files, and what is refused."""

import numpy as np
import pytest

from tsrl.data.regression import load_regression
from tsrl.errors import InputError

ARRAYS = {
    "x_train": np.ones((3, 4, 2), np.float32),
    "y_train": np.array([0.5, 1.5, 2.5]),
    "x_test": np.zeros((2, 5, 2), np.float32),
    "y_test": np.array([1, 2]),
}


def test_the_packaged_set():
    data = load_regression("Covid3Month")
    assert (data.x_train.shape, data.x_test.shape) == ((140, 84, 1), (61, 84, 1))
    assert (data.y_train.dtype, data.y_test.shape) == (np.float64, (61,))
    assert data.y_train.max() < 1
    assert data.source.startswith("aeon ")


def test_a_file(tmp_path):
    np.savez(tmp_path / "mine.npz", **ARRAYS)
    data = load_regression("mine", tmp_path)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(getattr(data, name), array)
    assert data.fingerprint() == load_regression(tmp_path / "mine.npz").fingerprint()
    np.savez(tmp_path / "other.npz", **ARRAYS | {"y_test": np.array([1, 3])})
    assert data.fingerprint() != load_regression(tmp_path / "other.npz").fingerprint()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_train": np.array([1.0, 2.0])}, r"y_train: found shape \(2,\), want \(3,\)"),
        ({"y_test": np.array([1.0, np.nan])}, "y_test: found NaN or infinity in 1 of 2, the first 1"),
        ({"y_test": np.array(["a", "b"])}, "y_test: found <U1 values, want numbers"),
        ({"x_test": np.zeros((2, 5, 1), np.float32)}, "x_test: found 1 channels, want 2"),
        ({"x_train": np.zeros((3, 4), np.float32)}, "x_train: found shape"),
        ({"y_train": np.array([{}, None, 1], object)}, "damaged array"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, change, message):
    np.savez(tmp_path / "bad.npz", **ARRAYS | change)
    with pytest.raises(InputError, match=message):
        load_regression(tmp_path / "bad.npz")


def test_missing_arrays_and_names_are_refused(tmp_path):
    np.savez(tmp_path / "bad.npz", x_train=ARRAYS["x_train"])
    with pytest.raises(InputError, match="found no y_train, x_test, y_test"):
        load_regression(tmp_path / "bad.npz")
    with pytest.raises(InputError, match="found no file"):
        load_regression(tmp_path / "absent.npz")
    with pytest.raises(InputError, match="did you mean Covid3Month"):
        load_regression("Covid3Months", tmp_path)
