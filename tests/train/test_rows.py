"""Training from rows that are read as they are needed: bit-equal to an array, exact resume, bounded memory."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from test_contract import Killed, assert_equal
from toy_methods import ENCODER, TOYS

from tsrl.config import Config, Train, options
from tsrl.data.scaling import Scaler
from tsrl.data.store import open_store, write_store
from tsrl.errors import InputError
from tsrl.parallel import AXIS
from tsrl.pretraining import prepare, pretrain, run, untrained
from tsrl.train import loop
from tsrl.train.checkpoints import Checkpoints
from tsrl.train.feed import Rows
from tsrl.train.loop import fit
from tsrl.types import as_batch

X = np.random.default_rng(0).normal(size=(26, 16, 2)).astype(np.float32).cumsum(1)
X[3, 11:] = np.nan
X[8, :5] = np.nan
# Two of seven row groups at a time.
SMALL = {"cache_bytes": 2 * 4 * 128}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """X in row groups of four."""
    return write_store(tmp_path_factory.mktemp("store") / "x", [X], rows_per_group=4)


def config(steps=9, **further):
    train = Train(steps=steps, batch_size=4, checkpoint_every=2, max_train_length=3000, **further)
    return Config(method=options("ts2vec"), encoder=ENCODER, train=train)


def train(name, data, **further):
    devices = further.pop("devices", 1)
    settings = {"steps": 11, "batch_size": 4, "devices": jax.local_devices()[:devices], "axis_name": AXIS, **further}
    return fit(TOYS[name][0](axis_name=AXIS), data, optax.adam(1e-2), **settings)


def rows_of(folder, **settings):
    return prepare(config(), open_store(folder, **settings), None).data


def no_thread_is_left():
    return all(thread.name != "tsrl ahead" for thread in threading.enumerate())


def test_a_store_that_fits_its_cache_trains_as_the_array(folder):
    scaler = Scaler.of(X)
    for own in (None, scaler):
        of_array, of_store = prepare(config(), X, own), prepare(config(), open_store(folder), own)
        assert isinstance(of_store.data, Rows)
        assert (of_store.length, of_store.channels, of_store.steps) == (16, 2, 9)
        one, other = run(of_array), run(of_store)
        assert_equal(one.state, other.state)
        assert one.history == other.history
        assert "effective_rank" in other.history[-1]["health"]
        assert_equal(untrained(of_array, 0).params, untrained(of_store, 0).params)
    assert no_thread_is_left()


@pytest.mark.parametrize("settings", [{}, {"at_once": 4}, {"devices": 2, "at_once": 3, "report_every": 4}])
@pytest.mark.parametrize("name", ["teacher", "queue"])
def test_a_store_trains_as_the_array_in_the_same_order(name, settings, folder, monkeypatch):
    # Several steps in a call, however slow the machine.
    monkeypatch.setattr(loop, "_in_a_second", lambda speed: 100)
    store = open_store(folder, **SMALL)
    assert store.window == 2
    array = as_batch(prepare(config(), X, None).data.x, mask=prepare(config(), X, None).data.mask, on_host=True)
    from_array = train(name, Rows(len(X), array.take, store.order), **settings)
    from_store = train(name, rows_of(folder, **SMALL), **settings)
    assert_equal(from_array.state, from_store.state)
    assert from_array.history == from_store.history
    assert [row["step"] for row in from_store.history] == list(range(1, 12))


@pytest.mark.parametrize("saved_at", [2, 6, 8])
def test_resume_in_the_middle_of_an_epoch_and_of_a_block_is_bit_equal(saved_at, folder, tmp_path):
    whole = train("teacher", rows_of(folder, **SMALL))

    def kill(step, row, speed):
        if row is not None and step > saved_at + 1:
            raise Killed

    checkpoints = Checkpoints(tmp_path / "run")
    with pytest.raises(Killed):
        train(
            "teacher",
            rows_of(folder, **SMALL),
            checkpoints=checkpoints,
            checkpoint_every=saved_at,
            report=kill,
            report_every=1,
        )
    assert no_thread_is_left()
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path / "run")
    resumed = train("teacher", rows_of(folder, **SMALL), checkpoints=checkpoints)
    checkpoints.close()
    assert resumed.history[0]["step"] == saved_at + 1
    assert_equal(resumed.state, whole.state)
    assert resumed.history == whole.history[saved_at:]


def test_rows_are_read_before_they_are_needed_and_no_more_than_allowed(folder):
    store, taken, ready = open_store(folder), [], threading.Event()
    data = rows_of(folder)

    def take(rows):
        taken.append(len(rows))
        if taken.count(4) == 5:
            ready.set()
        return data.take(rows)

    def look(step, row, speed):
        if step == 1:
            # One step done, one sent ahead, and three more that nothing but the limit holds up.
            assert ready.wait(30)
            assert taken.count(4) <= 6
            raise Killed

    row = sum(leaf.nbytes for leaf in jax.tree.leaves(data.take(np.arange(1))))
    with pytest.raises(Killed):
        train("teacher", Rows(len(X), take, store.order, ahead_bytes=3 * 4 * row), report=look, report_every=1)


def test_a_file_lost_while_training_is_named(tmp_path):
    folder = write_store(tmp_path / "x", [X], rows_per_group=4, groups_per_file=3)
    job = prepare(config(steps=30), open_store(folder, **SMALL), None)
    (folder / "part-00001.parquet").unlink()
    with pytest.raises(InputError, match=r"part-00001.parquet: row group \d: found damaged data \(FileNotFoundError"):
        run(job)
    assert no_thread_is_left()


def test_methods_that_plan_and_several_seeds_are_refused(folder):
    data = rows_of(folder)
    with pytest.raises(InputError, match="data: found a store for a method that plans its epochs on all rows"):
        train("clusters", data)
    with pytest.raises(InputError, match="seeds: found 2 for a store, want 1: run its seeds in sequence"):
        train("teacher", data, seeds=(0, 1))


def test_a_draw_from_other_rows_is_refused(folder):
    def with_negative(key, data, index):
        other = jax.random.randint(key, (len(index),), 0, data.mask.shape[0])
        return data.take(index).replace(target=data.take(other).x)

    method = TOYS["teacher"][0](axis_name=AXIS)._replace(draw=with_negative)
    settings = {"steps": 1, "batch_size": 4, "devices": jax.local_devices()[:1], "axis_name": AXIS}
    with pytest.raises(InputError, match=r"data: found .* several rows of the data set"):
        fit(method, rows_of(folder), optax.sgd(0.1), **settings)


def test_pretrain_takes_a_store_of_long_series(tmp_path):
    x = np.concatenate([X, X, X], 1)
    folder = write_store(tmp_path / "x", [np.nan_to_num(x)], rows_per_group=4)
    model = pretrain(open_store(folder), steps=3, batch_size=4, encoder=ENCODER, max_train_length=12, scale=True)
    assert (model.length, model.channels) == (48, 2)
    np.testing.assert_allclose(model.scaler.mean, Scaler.of(np.nan_to_num(x)).mean, rtol=1e-5)
    assert np.isfinite(model.embed(x)).all()


IN_CHILD = """
import sys
import numpy as np
import tsrl
from tsrl.data.store import open_store
from tsrl.encoders import DilatedConv

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

def train(folder):
    settings = {"steps": 250, "batch_size": 8, "max_train_length": 20, "scale": True}
    encoder = DilatedConv(width=4, features=4, depth=1)
    tsrl.pretrain(open_store(folder, cache_bytes=4_000_000), encoder=encoder, **settings)
    return peak()

small, large = sys.argv[1:]
# What is compiled in every run stays in memory a few times.
train(small)
print(train(small), train(large))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read off Linux's /proc")
def test_memory_does_not_grow_with_the_store(tmp_path):
    """A whole epoch of 120 MB, in which every row is read, beside 4 MB; both in one process, which compiles first."""
    random = np.random.default_rng(0)
    for name, groups in [("small", 4), ("large", 125)]:
        batches = (random.standard_normal((16, 3000, 5), np.float32) for _ in range(groups))
        write_store(tmp_path / name, batches, rows_per_group=16)
    command = [sys.executable, "-c", IN_CHILD, str(tmp_path / "small"), str(tmp_path / "large")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(root)}, stdout=subprocess.PIPE, check=True)
    small, large = map(int, done.stdout.split())
    assert large - small < 60e6
