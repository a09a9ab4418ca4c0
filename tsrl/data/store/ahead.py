"""Items made in the background before they are asked for."""

import threading
import weakref
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class Ahead(Generic[Item]):
    """Makes the items of an iterator in a thread of its own while the caller uses those before.

    An exception of the iterator is raised where the item is asked for, after the items before it. `close`, leaving a
    `with` block or dropping the object ends the thread.

    Args:
      items: used by the thread alone.
      depth: most items that are made and not yet taken, the one being made included.
    """

    def __init__(self, items: Iterator[Item], depth: int):
        self._made: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        self._free, self._stop = threading.Semaphore(depth), threading.Event()
        self._end: BaseException | None = None
        # The thread knows nothing of this object, so that one which nobody holds any more is collected.
        arguments = (items, self._made, self._free, self._stop)
        self._thread = threading.Thread(target=_make, args=arguments, name="tsrl ahead", daemon=True)
        self._finish = weakref.finalize(self, _stop, self._free, self._stop)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._end is None:
            ended, found = self._made.get()
            if not ended:
                self._free.release()
                return found
            self._end = found
        raise self._end

    def close(self) -> None:
        """Ends the thread and waits for it, as long as it takes to make the item in progress; no item follows."""
        self._finish()
        self._thread.join()
        self._end = self._end or StopIteration()

    def __enter__(self) -> "Ahead[Item]":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _make(items: Iterator[Any], made: SimpleQueue[Any], free: threading.Semaphore, stop: threading.Event) -> None:
    try:
        while True:
            free.acquire()
            if stop.is_set():
                return
            made.put((False, next(items)))
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever takes the items
        made.put((True, error))


def _stop(free: threading.Semaphore, stop: threading.Event) -> None:
    stop.set()
    free.release()
