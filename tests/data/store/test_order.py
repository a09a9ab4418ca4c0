"""Orders: every row once an epoch, mixed, the same whenever they are asked for, shared between processes."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsrl.data.store.order import block_order, process_shard, shuffled_order, store_sample
from tsrl.errors import InputError


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 9), st.integers(1, 5), st.integers(0, 3))
def test_every_row_comes_at_most_once_and_only_an_incomplete_batch_is_missing(sizes, window, batch_size, epoch):
    starts = np.cumsum([0, *sizes])
    order = block_order(3, epoch, starts, window, batch_size)
    assert order.dtype == np.int32
    assert order.shape == (starts[-1] // batch_size, batch_size)
    assert len(set(order.ravel())) == order.size
    assert set(order.ravel()) <= set(range(starts[-1]))
    np.testing.assert_array_equal(order, block_order(3, epoch, starts, window, batch_size))


def test_a_block_has_the_rows_of_its_groups_and_no_others():
    starts = np.cumsum([0, 5, 3, 5, 4, 3, 4, 6])
    order = block_order(0, 0, starts, 2, 1).ravel()
    groups = np.searchsorted(starts, order, side="right") - 1
    at, seen = 0, []
    while at < len(order):
        members = set(groups[at:][:1])
        while at < len(order) and len(members | {groups[at]}) <= 2:
            members.add(groups[at])
            at += 1
        seen.append(members)
    assert [len(members) for members in seen] == [2, 2, 2, 1]
    assert sorted(group for members in seen for group in members) == list(range(7))


def test_a_window_of_all_groups_is_the_order_of_an_array():
    starts = np.array([0, 4, 10, 11])
    for window in (3, 9):
        np.testing.assert_array_equal(block_order(5, 2, starts, window, 2), shuffled_order(5, 2, 11, 2))


def test_blocks_mix_their_rows_and_epochs_differ():
    starts = np.arange(0, 4001, 50)
    orders = {(seed, epoch): block_order(seed, epoch, starts, 8, 8).ravel() for seed in (0, 1) for epoch in range(20)}
    firsts = [tuple(order[:8]) for order in orders.values()]
    assert len(set(firsts)) == len(firsts)
    for order in orders.values():
        # Of the pairs of neighbours in a block of 400 rows 12 % would share their group by chance, and 1 in 400 follow
        # each other in the file.
        group = order // 50
        assert 0.08 < np.mean(group[1:] == group[:-1]) < 0.17
        assert np.mean(np.diff(order) == 1) < 0.01
    # Where in the epoch a row comes is uniform: the mean of 40 places lies within 5 standard errors of the middle.
    places = np.stack([np.argsort(order) for order in orders.values()])
    spread = 4000 / np.sqrt(12 * len(places))
    assert np.abs(places.mean(0) - 2000).max() < 5 * spread


@pytest.mark.parametrize("processes", [1, 2, 3, 6])
def test_slices_of_the_processes_are_the_batches_of_one(processes):
    order = shuffled_order(0, 0, 40, 6)
    slices = [process_shard(order, index, processes) for index in range(processes)]
    assert {part.shape for part in slices} == {(6, 6 // processes)}
    np.testing.assert_array_equal(np.concatenate(slices, 1), order)


@pytest.mark.parametrize(
    ("index", "count", "message"),
    [
        (0, 4, "process_count: found 4 for batches of 6 rows, want a divisor of the batch"),
        (0, 0, "process_count: found 0 for batches of 6 rows, want a divisor of the batch"),
        (2, 2, "process_index: found 2, want 0 to 1"),
        (-1, 2, "process_index: found -1, want 0 to 1"),
    ],
)
def test_slices_that_do_not_exist_are_refused(index, count, message):
    with pytest.raises(InputError, match=re.escape(message)):
        process_shard(shuffled_order(0, 0, 40, 6), index, count)


@pytest.mark.parametrize("count", [1, 512, 513, 5_000, 10**6])
def test_the_sample_is_bounded_and_inside(count):
    rows = store_sample(count)
    assert len(rows) == len(set(rows.tolist())) == min(count, len(rows)) <= 512
    assert rows.min() == 0
    assert rows.max() == count - 1
    assert len(rows) == count or len(rows) > 448
