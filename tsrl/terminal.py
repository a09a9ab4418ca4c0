"""What commands print: tables and sentences for people, or JSON alone for machines."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import rich.console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

# A file or pipe has no width to keep to.
_PIPE_WIDTH = 1000


class Console(rich.console.Console):
    """Rich's console, but that a closed pipe is the caller's to handle; rich would end the process with code 1."""

    def on_broken_pipe(self) -> None:
        """Raises the BrokenPipeError that is being handled, see `tsrl.process.exit_codes`."""
        raise


def wide_console() -> Console:
    """A console for tables: of the terminal's width, or as wide as they need to be in a file or pipe."""
    return Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)


@contextmanager
def output(as_json: bool) -> Iterator[Callable[[Any], None]]:
    """Where a command prints its result.

    Args:
      as_json: nothing but the result reaches standard output; what else is printed meanwhile goes to standard error.

    Yields:
      A function that prints a value as one line of JSON; without `as_json` it prints nothing.
    """
    if not as_json:
        yield lambda value: None
        return
    out = sys.stdout

    def write(value: Any) -> None:
        out.write(json.dumps(value, allow_nan=False) + "\n")
        out.flush()

    with redirect_stdout(sys.stderr):
        yield write


@contextmanager
def working(what: str, quiet: bool = False) -> Iterator[None]:
    """Says on standard error what takes long: with a clock on a terminal, gone when it is done; else a line at the end.

    Args:
      what: that is done meanwhile.
      quiet: say nothing.
    """
    console = Console(stderr=True)
    if quiet:
        yield
    elif console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            progress.add_task(what, total=None)
            yield
    else:
        began = time.perf_counter()
        yield
        print(f"{what}: {time.perf_counter() - began:.1f} s", file=sys.stderr)
