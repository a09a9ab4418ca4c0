"""Padded arrays of events, for any method and encoder whose front takes them."""

from typing import NamedTuple

import numpy as np

from tsrl.data.events.fields import EventFields
from tsrl.data.events.log import EventLog, ranges
from tsrl.errors import InputError, check_whole

NUMBERS = "numbers"


class EventArrays(NamedTuple):
    """Stretches of sequences, each from the left, padded at the end.

    Attributes:
      fields: column of names -> `[M, T]` int32 codes, 0 in the padding; "numbers" -> `[M, T, F]` float32.
      mask: `[M, T]` bool, where an event is.
      sequence: `[M]` int64, which sequence of the log each stretch is of.
      last: `[M]` int64, the place of its last event in the log's columns; -1 for an empty one.
    """

    fields: dict[str, np.ndarray]
    mask: np.ndarray
    sequence: np.ndarray
    last: np.ndarray


def event_windows(
    log: EventLog, fields: EventFields, sequence: np.ndarray, end: np.ndarray, length: int
) -> EventArrays:
    """Stretches that end at given events.

    Args:
      log: the events.
      fields: how they become numbers.
      sequence: `[M]` whose events they are.
      end: `[M]` events of the sequence up to the end of each stretch, 0 to its length.
      length: T, the most events of a stretch: the last ones before the end.

    Raises:
      InputError: a sequence or an end that is not there; a log with other columns than were learned from.
    """
    check_whole("length", length, 1)
    sequence, end = np.asarray(sequence, np.int64), np.asarray(end, np.int64)
    if sequence.shape != end.shape or sequence.ndim != 1:
        raise InputError(
            f"sequence, end: found shapes {sequence.shape} and {end.shape}, want one number for each stretch"
        )
    if len(sequence) and not (sequence.min() >= 0 and sequence.max() < len(log)):
        raise InputError(f"sequence: found {sequence.min()} to {sequence.max()}, want 0 to {len(log) - 1}")
    wrong = np.flatnonzero((end < 0) | (end > log.lengths[sequence]))
    if len(wrong):
        most = log.lengths[sequence[wrong[0]]]
        raise InputError(f"end: found {end[wrong[0]]} for sequence {sequence[wrong[0]]}, want 0 to {most}, its events")
    count = np.minimum(end, length)
    first = log.starts[:-1][sequence] + end - count
    made, mask = stretches(event_columns(log, fields), first, count, length)
    return EventArrays(made, mask, sequence, np.where(count > 0, first + count - 1, -1))


def event_columns(log: EventLog, fields: EventFields) -> dict[str, np.ndarray]:
    """All events as numbers: column of names -> `[E]` int32, "numbers" -> `[E, F]` float32.

    Raises:
      InputError: a log with other columns than were learned from.
    """
    columns = {name: fields.codes(log, name) for name in fields.vocabularies}
    return columns | ({NUMBERS: fields.numbers(log)} if fields.width() else {})


def stretches(
    columns: dict[str, np.ndarray], first: np.ndarray, count: np.ndarray, length: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """`count` events from `first` on, each from the left, zeros after them.

    Args:
      columns: from `event_columns`.
      first: `[M]` places in them.
      count: `[M]`, at most `length`.
      length: T.

    Returns:
      Column -> `[M, T, ...]`, and `[M, T]` bool, where an event is.
    """
    mask = np.arange(length) < count[:, None]
    rows = ranges(first, count)
    made = {}
    for name, values in columns.items():
        made[name] = np.zeros((*mask.shape, *values.shape[1:]), values.dtype)
        made[name][mask] = values[rows]
    return made, mask


def whole_events(log: EventLog, fields: EventFields, length: int | None = None) -> EventArrays:
    """Each sequence of a log, or its last `length` events; default: the longest one's."""
    longest = int(log.lengths.max(initial=1))
    return event_windows(log, fields, np.arange(len(log)), log.lengths, max(1, longest if length is None else length))


def next_events(
    log: EventLog, fields: EventFields, length: int, *, every: int = 1, least: int = 1
) -> tuple[EventArrays, np.ndarray]:
    """Histories and what came next.

    Args:
      log: the events.
      fields: how they become numbers.
      length: T, the most events of a history.
      every: from one history of a sequence to the next.
      least: events before the first that is to be predicted.

    Returns:
      The histories, and `[M]` int32 codes of the actions that follow them.
    """
    check_whole("every", every, 1)
    check_whole("least", least, 1)
    counts = np.maximum(0, -(-(log.lengths - least) // every))
    sequence = np.repeat(np.arange(len(log)), counts)
    end = least + every * (np.arange(len(sequence)) - np.repeat(np.cumsum(counts) - counts, counts))
    windows = event_windows(log, fields, sequence, end, length)
    return windows, fields.codes(log, log.action)[log.starts[:-1][sequence] + end]
