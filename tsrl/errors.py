"""Errors that are shown without a traceback: wrong input (exit code 2) and a training run that diverged (1)."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Wrong input; the message names the argument, what was found and what is wanted."""


class TrainingDiverged(RuntimeError):
    """The loss or its gradient stopped being finite; the message names the step and the last good checkpoint."""


# More names than that are no help.
_MOST_LISTED = 40


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """The known names closest to `name`, as text to end an error message with; if none is close all or their number."""
    known = sorted(known)
    folded = {candidate.lower(): candidate for candidate in known}
    close = [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=count, cutoff=0.5)]
    if close:
        return f"did you mean {', '.join(close)}?"
    return f"known: {', '.join(known)}" if len(known) <= _MOST_LISTED else f"{len(known)} names are known, none like it"


def check_whole(name: str, value: object, least: int) -> None:
    """Refuses what is no whole number, or below `least`.

    Raises:
      InputError: names the argument and what was found.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"{name}: found {value!r}, want a whole number from {least} up")


def check_rate(name: str, value: float) -> None:
    """Refuses what is no probability below 1.

    Raises:
      InputError: names the argument and what was found.
    """
    if not 0 <= value < 1:
        raise InputError(f"{name}: found {value}, want 0 up to, but not, 1")
