"""Training examples: windows against slicing, sections and repeated rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.config import Config, Train, options
from tsrl.encoders import DilatedConv
from tsrl.errors import InputError
from tsrl.examples import whole_series, windows
from tsrl.pretraining import prepare


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_windows_are_all_slices_with_an_observed_step(data):
    count, steps = data.draw(st.integers(1, 3)), data.draw(st.integers(4, 14))
    length, step = data.draw(st.integers(2, steps)), data.draw(st.integers(1, 5))
    horizon = data.draw(st.integers(0, steps - length))
    x = np.arange(count * steps * 2, dtype=np.float32).reshape(count, steps, 2) + 1
    if not horizon:
        x[:, data.draw(st.integers(0, steps)) :] = np.nan
        x[0, :1] = 1.0
    wanted = [
        (row, start)
        for row in range(count)
        for start in range(0, steps - length - horizon + 1, step)
        if not np.isnan(x[row, start : start + length]).any(-1).all()
    ]
    rows = windows(x, Train(window=length, window_step=step), horizon)
    assert rows.count == len(wanted)
    asked = np.array(data.draw(st.lists(st.integers(0, len(wanted) - 1), min_size=1, max_size=5)))
    batch = rows.take(asked)
    np.testing.assert_array_equal(batch.index, asked)
    for place, row in enumerate(asked):
        series, start = wanted[row]
        np.testing.assert_array_equal(batch.x[place], np.nan_to_num(x[series, start : start + length]))
        np.testing.assert_array_equal(batch.mask[place], ~np.isnan(x[series, start : start + length]).any(-1))
        if horizon:
            np.testing.assert_array_equal(batch.target[place], x[series, start + length :][:horizon])
    order = rows.order(3, 1, 1)
    assert sorted(order[:, 0]) == list(range(rows.count))
    np.testing.assert_array_equal(order, rows.order(3, 1, 1))


@pytest.mark.parametrize(
    ("train", "horizon", "message"),
    [
        (Train(window=1), 0, "found 1, 1, want at least 2 and 1"),
        (Train(window=21), 0, "train.window: found 21 for series of 20 steps; want at most 20"),
        (Train(window=15), 6, "found 15 and 6 steps to forecast for series of 20 steps; want at most 14"),
    ],
)
def test_windows_that_do_not_fit_are_refused(train, horizon, message):
    with pytest.raises(InputError, match=message):
        windows(np.zeros((1, 20, 1), np.float32), train, horizon)


def test_targets_with_missing_values_are_refused():
    x = np.zeros((1, 20, 1), np.float32)
    x[0, 3] = np.nan
    with pytest.raises(InputError, match="x: found missing values for a method"):
        windows(x, Train(window=5), 2)


def test_rows_are_repeated_until_a_batch_is_full():
    x = np.random.default_rng(0).normal(size=(3, 10, 1)).astype(np.float32)
    data = whole_series(x, Train(batch_size=8, fill_batch=True))
    np.testing.assert_array_equal(data.x, np.tile(x, (3, 1, 1)))
    assert len(set(data.index.tolist())) == 9
    assert len(whole_series(x, Train(batch_size=8)).index) == 3
    assert len(whole_series(x, Train(batch_size=3, fill_batch=True)).index) == 3


def job(**train):
    config = Config(method=options("ts2vec"), encoder=DilatedConv(width=4, features=4, depth=1), train=Train(**train))
    return prepare(config, np.random.default_rng(0).normal(size=(2, 20, 1)), None)


def test_epochs_are_passes_over_all_windows():
    made = job(window=8, epochs=3, batch_size=4, checkpoint_every=0)
    # 2 x 13 windows are six whole batches.
    assert (made.length, made.steps_per_epoch, made.steps, made.checkpoint_every) == (8, 6, 18, 6)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"epochs": 2, "steps": 3}, "train.epochs: found 2 beside train.steps 3"),
        ({"epochs": 0}, "train.epochs: found 0"),
        ({"momentum": -1.0}, "train.momentum: found -1.0"),
        ({"window": -3}, "train.window: found -3"),
        ({"window": 21}, "train.window: found 21 for series of 20 steps"),
    ],
)
def test_wrong_settings_are_refused_before_training(train, message):
    with pytest.raises(InputError, match=message):
        job(**train)
