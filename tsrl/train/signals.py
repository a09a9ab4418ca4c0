"""SIGTERM and Ctrl-C ask the loop to stop after the step in progress instead of killing it."""

import signal
import threading
from types import FrameType
from typing import Any


class StopRequest:
    """While entered, notes the first SIGTERM or SIGINT in `signal`; a second SIGINT interrupts as usual.

    Outside the main thread Python allows no handlers: `signal` then stays None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def requested(self) -> bool:
        """Whether one has come."""
        return self.signal is not None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
