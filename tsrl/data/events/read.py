"""A log of events from a table."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tsrl.data.events.log import EventColumns, EventLog, Names
from tsrl.data.tables.columns import keys, numbers, row_list
from tsrl.data.tables.settings import Table
from tsrl.data.tables.source import Source, arrow_errors, check_columns, read_source
from tsrl.data.tables.time import Stamps, stamps
from tsrl.errors import InputError


def read_events(source: Any, columns: EventColumns | None = None, *, duplicates: str = "keep") -> EventLog:
    """Reads a log: one row for each event.

    Args:
      source: a .csv, .csv.gz, .parquet or .jsonl file, a data frame, an Arrow table or a mapping from names to arrays.
      columns: what they mean; default: user, action and time.
      duplicates: "keep", or "drop" rows that equal one before in every column that is read.

    Returns:
      The users in the order of their first row, the events of each by time; rows of one moment stay in their order.
      `notes` says what was not in order.

    Raises:
      InputError: no such file or column, a column in two roles, rows without user or action, times that cannot be read,
        cells that are no numbers.
    """
    columns = columns or EventColumns()
    if duplicates not in ("keep", "drop"):
        raise InputError(f"duplicates: found {duplicates!r}, want keep or drop")
    roles = _roles(columns)
    settings = Table(
        id=columns.user,
        time=columns.time,
        timezone=columns.timezone if columns.time is not None else None,
        time_format=columns.time_format if columns.time is not None else None,
        encoding=columns.encoding,
        delimiter=columns.delimiter,
        decimal=columns.decimal,  # type: ignore[arg-type]
        missing=columns.missing,
    )
    texts = [columns.user, *columns.names, *([] if columns.time is None else [columns.time])]
    read = read_source(source, texts, settings)
    check_columns(read, roles)
    user = keys(read, columns.user, "user")
    when = None if columns.time is None else stamps(read, settings)
    held = {name: _names(read, name, name == columns.action) for name in columns.names}
    values = {name: numbers(read, name) for name in columns.numeric}
    notes: list[str] = []
    rows = _in_order(user.codes, when, notes)
    same = _repeated(rows, user.codes, when, held, values)
    if same.any():
        done = {"keep": "kept", "drop": "dropped"}[duplicates]
        notes.append(f"{same.sum():,} events equal one before in every column, {done}")
    rows = rows[~same] if duplicates == "drop" else rows
    lengths = np.bincount(user.codes[rows], minlength=len(user.values))
    time = None if when is None else when.values[rows]
    return EventLog(
        users=user.values,
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        time=time if when is None or when.calendar else when.values[rows].astype(np.float64),
        names={name: own._replace(codes=own.codes[rows]) for name, own in held.items()},
        numbers={name: own[rows] for name, own in values.items()},
        calendar=when is not None and when.calendar,
        zone=None if when is None else when.zone,
        notes=tuple(notes),
    )


def _roles(columns: EventColumns) -> dict[str, str]:
    """Column -> the setting that names it."""
    named = [(columns.user, "user"), (columns.action, "action"), (columns.time, "time")]
    named += [(name, role) for role in ("categorical", "numeric") for name in getattr(columns, role)]
    roles: dict[str, str] = {}
    for name, role in named:
        if name is None:
            continue
        if name in roles:
            raise InputError(f"{role}: found column {name!r}, which is {roles[name]} already, want another")
        roles[name] = role
    return roles


def _names(read: Source, name: str, required: bool) -> Names:
    """A column of names; numbers become their text."""
    column = read.table[name]
    what = f"{read.source}: column {name!r}"
    with arrow_errors(what):
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), None, column)
        if not pa.types.is_string(column.type):
            column = column.cast(pa.string())
        encoded = pa.concat_arrays(column.chunks).dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int32)
    if required and (codes < 0).any():
        raise InputError(f"{what} (action): found no value in {row_list(np.flatnonzero(codes < 0))}, want one in all")
    return Names(codes, np.array(encoded.dictionary.to_pylist(), dtype=str))


def _in_order(user: np.ndarray, when: Stamps | None, notes: list[str]) -> np.ndarray:
    """The rows by user and time."""
    if when is None:
        return np.argsort(user, kind="stable")
    by_user = np.argsort(user, kind="stable")
    back = (np.diff(when.values[by_user]) < 0) & (np.diff(user[by_user]) == 0)
    if not back.any():
        return by_user
    notes.append(f"{back.sum():,} events were before the one above them, sorted by time")
    return np.lexsort((when.values, user))


def _repeated(
    rows: np.ndarray, user: np.ndarray, when: Stamps | None, held: dict[str, Names], values: dict[str, np.ndarray]
) -> np.ndarray:
    """`[E]` bool, in the order of `rows`: events that equal an earlier one; without times none do."""
    if when is None:
        return np.zeros(len(rows), bool)
    # Two NaN are the same here: their bits are compared.
    parts = [user, when.values, *(own.codes for own in held.values()), *values.values()]
    bits = [np.ascontiguousarray(part[rows]).astype(part.dtype).view(f"i{part.dtype.itemsize}") for part in parts]
    order = np.lexsort(bits)
    equal = np.ones(len(rows) - 1, bool)
    for part in bits:
        equal &= np.diff(part[order]) == 0
    found = np.zeros(len(rows), bool)
    # Sorting is stable: the first of equal events comes first.
    found[order[1:]] = equal
    return found
