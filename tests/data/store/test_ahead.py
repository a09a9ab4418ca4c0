"""Items made in the background: in order, bounded, with the exceptions of whoever makes them, and ended cleanly."""

import gc
import threading
import time

import pytest

from tsrl.data.store.ahead import Ahead


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "tsrl ahead"]


def until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def test_items_come_in_order_and_the_end_stays_the_end():
    with Ahead(iter(range(50)), 3) as items:
        assert list(items) == list(range(50))
        with pytest.raises(StopIteration):
            next(items)


def test_no_more_items_are_made_than_the_depth():
    made = []
    source = (made.append(number) or number for number in range(100))
    with Ahead(source, 4) as items:
        until(lambda: len(made) == 4)
        time.sleep(0.05)
        assert len(made) == 4
        assert next(items) == 0
        until(lambda: len(made) == 5)
        time.sleep(0.05)
        assert len(made) == 5


def test_an_exception_comes_out_after_the_items_before_it():
    def broken():
        yield 1
        raise OSError("gone")

    items = Ahead(broken(), 5)
    assert next(items) == 1
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            next(items)
    items.close()


def test_closing_ends_the_thread_and_the_items():
    items = Ahead(iter(range(100)), 2)
    assert next(items) == 0
    assert threads()
    items.close()
    items.close()
    assert not threads()
    assert len(list(items)) <= 2


def test_dropping_it_ends_the_thread():
    items = Ahead(iter(range(100)), 2)
    next(items)
    del items
    gc.collect()
    until(lambda: not threads())
