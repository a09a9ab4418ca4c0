"""The loader: the order of training, the same batch for a step wherever one begins, slices of processes."""

import itertools
import re

import numpy as np
import pytest

from tsrl.data.store import open_store, write_store
from tsrl.data.store.loader import Loader
from tsrl.data.store.order import shuffled_order
from tsrl.errors import InputError

X = np.random.default_rng(0).normal(size=(23, 5, 2)).astype(np.float32)
SMALL = {"cache_bytes": 2 * 4 * 40}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """X in row groups of four."""
    return write_store(tmp_path_factory.mktemp("store") / "x", [X], rows_per_group=4)


def first(loader, count, step=0):
    with loader.at(step) as batches:
        return list(itertools.islice(batches, count))


def test_batches_are_those_of_training_over_several_epochs():
    batches = first(Loader(X, 4, seed=7), 12)
    order = np.concatenate([shuffled_order(7, epoch, 23, 4) for epoch in range(3)])
    assert [batch.step for batch in batches] == list(range(12))
    for batch, rows in zip(batches, order, strict=False):
        np.testing.assert_array_equal(batch.rows, rows)
        np.testing.assert_array_equal(batch.x, X[rows])


def test_a_store_has_blocks_of_its_own_or_the_order_of_the_array(folder):
    for settings, window in [({}, 6), (SMALL, 2)]:
        store = open_store(folder, **settings)
        assert store.window == window
        found, expected = first(Loader(store, 4, seed=7), 12), first(Loader(X, 4, seed=7), 12)
        assert all(np.array_equal(batch.x, X[batch.rows]) for batch in found)
        same = [np.array_equal(a.rows, b.rows) for a, b in zip(found, expected, strict=True)]
        assert all(same) if window == 6 else not any(same)
        with Loader(store, 4, seed=7).at(0) as batches:
            order = np.concatenate([store.order(7, epoch, 4) for epoch in range(2)])
            for rows in order:
                np.testing.assert_array_equal(next(batches).rows, rows)


@pytest.mark.parametrize("step", [0, 1, 4, 5, 13])
def test_it_starts_at_any_step(folder, step):
    for source in (X, open_store(folder, **SMALL)):
        whole, part = first(Loader(source, 4, seed=1), 16), first(Loader(source, 4, seed=1), 16 - step, step)
        for a, b in zip(whole[step:], part, strict=True):
            assert a.step == b.step
            np.testing.assert_array_equal(a.rows, b.rows)
            np.testing.assert_array_equal(a.x, b.x)


def test_processes_share_the_batches_of_one(folder):
    store = open_store(folder, **SMALL)
    whole = first(Loader(store, 6, seed=2), 7)
    parts = [first(Loader(store, 6, 2, index, 3), 7) for index in range(3)]
    for step, batch in enumerate(whole):
        np.testing.assert_array_equal(np.concatenate([part[step].x for part in parts]), batch.x)
        np.testing.assert_array_equal(np.concatenate([part[step].rows for part in parts]), batch.rows)


def test_it_iterates_and_is_a_new_iteration_each_time():
    loader = Loader(X, 4, seed=3)
    for step, rows, x in loader:
        np.testing.assert_array_equal(x, X[rows])
        if step == 7:
            break
    assert next(iter(loader)).step == 0


def test_damage_is_told_where_the_batch_is_asked_for(tmp_path):
    folder = write_store(tmp_path / "x", [X], rows_per_group=4, groups_per_file=3)
    loader = Loader(open_store(folder, **SMALL), 4, seed=0)
    (folder / "part-00001.parquet").unlink()
    with pytest.raises(InputError, match=r"part-00001.parquet: row group \d: found damaged"):
        first(loader, 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size: found 0, want 1 to 23, the rows of the data set"),
        ({"batch_size": 24}, "batch_size: found 24, want 1 to 23"),
        ({"seed": -1}, "seed: found -1, want a number from 0 up"),
        ({"process_count": 3}, "process_count: found 3 for batches of 4 rows"),
        ({"process_count": 2, "process_index": 2}, "process_index: found 2, want 0 to 1"),
        ({"source": X[..., 0]}, "source: found shape (23, 5), want [N, T, C]"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Loader(**{"source": X, "batch_size": 4, "seed": 0} | arguments)


def test_negative_steps_are_refused():
    with pytest.raises(InputError, match="step: found -1"):
        Loader(X, 4, seed=0).at(-1)
