"""What a command does as a process: exit codes, signals, a closed pipe, how memory is shared among threads."""

import ctypes
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from tsrl.errors import InputError, TrainingDiverged

_M_ARENA_MAX = -8  # of glibc's malloc.h


def leave(message: str, code: int) -> NoReturn:
    """Ends the process with a message on standard error and an exit code."""
    print(message, file=sys.stderr)
    raise SystemExit(code)


@contextmanager
def exit_codes(resumes: str = "the same command resumes", terminated: int = 0) -> Iterator[None]:
    """Turns what a user can cause into a message and an exit code; `tsrl.commands.EXIT_CODES` lists them.

    Args:
      resumes: what the same command would do after a stop.
      terminated: the exit code after SIGTERM.
    """
    try:
        with _terminated_by_exception():
            yield
        # Here and not when Python ends, where nobody can tell a closed pipe from an error.
        sys.stdout.flush()
    except SystemExit:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _silence()
        raise
    except InputError as error:
        leave(f"error: {error}", 2)
    except TrainingDiverged as error:
        leave(f"stopped: {error}", 1)
    except KeyboardInterrupt:
        leave(f"stopped; {resumes}", 130)
    except _Terminated:
        leave(f"stopped; {resumes}", terminated)
    except BrokenPipeError:
        # Whoever read the output has enough.
        _silence()
        raise SystemExit(0) from None
    except OSError as error:
        # Of what a user can mend: a place that cannot be written to, a full disk.
        full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        if error.filename is None and not full:
            raise
        leave(f"error: {error.filename or 'writing'}: {error.strerror or error}", 2)


def _silence() -> None:
    """Standard output leads nowhere from here on: Python would complain once more when it closes it."""
    # One that is no file, as in a notebook, has no number.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Terminated(BaseException):
    """SIGTERM outside the training loop, which has its own way to stop."""


@contextmanager
def _terminated_by_exception() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def share_arenas() -> None:
    """Lets all threads allocate from two arenas, where the C library is glibc and the user has not said otherwise.

    It gives each thread an arena of its own, in which freed memory stays: compiling, which uses many threads, peaks a
    sixth higher then. Training takes as long with two.
    """
    if os.name != "posix" or "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)
