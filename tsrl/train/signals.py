"""SIGTERM and Ctrl-C ask the loop to stop after the step in progress instead of killing it; all processes at once."""

import signal
import threading
from types import FrameType
from typing import Any

from tsrl.train import hosts


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


class SharedStop:
    """When to look for a signal, and what any process has seen: all of them stop at the same step.

    Args:
      own: what this process has seen.

    Attributes:
      signal: the one to stop for, or None.
    """

    def __init__(self, own: StopRequest) -> None:
        self._own, self._next = own, 0
        self.signal: int | None = None

    def look(self, step: int, ahead: int) -> bool:
        """Whether to stop at this step.

        Args:
          step: updates done.
          ahead: steps that last about a second, by the speed of this process; that of the first process counts.
        """
        # Alone it looks after every call; several would spend their time asking each other.
        if hosts.count() == 1 or step >= self._next:
            said = hosts.agree("stop", [self._own.signal, ahead])
            self.signal = next((number for number, _ in said if number is not None), None)
            self._next = step + said[0][1]
        return self.signal is not None

    def last(self) -> None:
        """Looks once more, whatever the step: a signal that came late counts for all."""
        self._next = 0
        self.look(0, 0)

    def until_next(self, step: int) -> int:
        """Steps until the next look; a call of more would make the others wait."""
        return self._next - step
