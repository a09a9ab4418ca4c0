"""The scaler of a store: that of the array, whatever the row groups."""

import numpy as np
import pytest

from tsrl.data.scaling import Scaler
from tsrl.data.store import open_store, store_scaler, write_store

X = np.random.default_rng(0).normal(size=(11, 6, 2)).astype(np.float32)


@pytest.mark.parametrize("rows_per_group", [1, 4, 11])
def test_row_groups_that_differ_in_mean_and_count_are_put_together(rows_per_group, tmp_path):
    x = (X + 1000 * np.arange(11)[:, None, None]).astype(np.float32)
    x[:7, 1:, 0] = np.nan
    found = store_scaler(open_store(write_store(tmp_path / "x", [x], rows_per_group=rows_per_group)))
    np.testing.assert_allclose(found.mean, np.nanmean(x.astype(float), (0, 1)), rtol=1e-6)
    np.testing.assert_allclose(found.std, np.nanstd(x.astype(float), (0, 1)), rtol=1e-6)
    assert found.mean.dtype == found.std.dtype == np.float32


def test_a_constant_channel_of_a_store_is_only_centred(tmp_path):
    x = X.copy()
    x[..., 1] = 0.1
    found = store_scaler(open_store(write_store(tmp_path / "x", [x], rows_per_group=3)))
    assert found.std[1] == 1
    np.testing.assert_array_equal(found.mean, Scaler.of(x).mean)
