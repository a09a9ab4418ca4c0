"""What a record of users' behaviour must hold to make a page of it, see `behaviour.behaviour_page`."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tsrl.errors import InputError


class _Leaf(NamedTuple):
    """A single value: what is wanted in words, and whether a value is that."""

    want: str
    test: Callable[[Any], bool]


class _Maybe(NamedTuple):
    """None, or what `of` says."""

    of: Any


class _Many(NamedTuple):
    """A list, each of its items as `of` says."""

    of: Any


class _Named(NamedTuple):
    """Any names, each with what `of` says."""

    of: Any


def _number(value: Any) -> bool:
    # Room for differences of two of them; NaN is refused too.
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300


_TEXT = _Leaf("text", lambda value: isinstance(value, str))
_FLAG = _Leaf("true or false", lambda value: isinstance(value, bool))
_NUMBER = _Leaf("a finite number", _number)
_COUNT = _Leaf(
    "a whole number from 0 up", lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0
)
_SHARE = _Leaf("a number from 0 to 1", lambda value: _number(value) and 0 <= value <= 1)
_START = _Maybe(_TEXT)
_SHARES = _Many((_TEXT, _SHARE))
_UNIT = _Leaf(
    "week, day, hour, session or a number of events such as '100 events'",
    lambda value: isinstance(value, str) and bool(re.fullmatch(r"week|day|hour|session|[1-9][0-9]* events?", value)),
)

_MAP = {
    "x": _Many(_NUMBER),
    "y": _Many(_NUMBER),
    "user": _Many(_TEXT),
    "start": _Many(_START),
    "p_value": _Many(_SHARE),
    "alarm": _Many(_FLAG),
}
# A dictionary: these keys; a tuple: a list of so many items.
_RECORD = {
    "title": _TEXT,
    "made": _Named(_TEXT),
    "unit": _UNIT,
    "rate": _Leaf("a number between 0 and 1", lambda value: _number(value) and 0 < value < 1),
    "calibration_units": _COUNT,
    "columns": _Many(_TEXT),
    "map": _Maybe(_MAP),
    "periods": _Many({"start": _START, "units": _COUNT, "alarms": _COUNT, "expected": (_NUMBER, _NUMBER)}),
    "drift": _Maybe({"auc": _SHARE, "p_value": _SHARE, "refit": _FLAG}),
    "drift_over_time": _Many({"start": _START, "auc": _SHARE, "p_value": _SHARE}),
    "alarms": _Many({
        "user": _TEXT, "start": _START, "p_value": _SHARE, "evidence": _Named(_SHARE),
        "nearest": _Many((_TEXT, _START)),
        "events": _Many({
            "cells": _Many(_Maybe(_TEXT)), "contribution": _NUMBER, "in_unit": _FLAG, "alarm_here": _FLAG,
        }),
        "causes": _Many({
            "event": _COUNT, "contribution": _NUMBER, "fields": _Named(_NUMBER), "surprise": _Named(_NUMBER),
            "embedding": _Maybe(_NUMBER), "expected": _SHARES, "own": _SHARES,
        }),
    }),
    "users": {"known": _COUNT, "scored": _COUNT},
}  # fmt: skip


def check_record(record: Any) -> None:
    """Refuses a record of which no page can be made.

    Raises:
      InputError: a key that is missing, a value of another kind, lists whose lengths do not fit, an event that is not
        there; the message names the place, such as `alarms[3].causes[0].event`.
    """
    _check("record", record, _RECORD)
    columns = len(record["columns"])
    if record["map"] is not None:
        lengths = {name: len(record["map"][name]) for name in _MAP}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise InputError(f"record.map: found lists of the lengths {told}, want one length")
    for n, period in enumerate(record["periods"]):
        low, high = period["expected"]
        if low > high:
            raise InputError(f"record.periods[{n}].expected: found {low} above {high}, want the lower end first")
    for n, alarm in enumerate(record["alarms"]):
        for k, event in enumerate(alarm["events"]):
            if len(event["cells"]) != columns:
                raise InputError(
                    f"record.alarms[{n}].events[{k}].cells: found {len(event['cells'])} texts, want {columns}, one for "
                    "each of the columns"
                )
        for k, cause in enumerate(alarm["causes"]):
            if cause["event"] >= len(alarm["events"]):
                raise InputError(
                    f"record.alarms[{n}].causes[{k}].event: found {cause['event']}, want the place of one of the "
                    f"{len(alarm['events'])} events, from 0"
                )


def _check(name: str, value: Any, want: Any) -> None:
    if isinstance(want, _Leaf):
        if not want.test(value):
            raise InputError(f"{name}: found {_told(value)}, want {want.want}")
    elif isinstance(want, _Maybe):
        if value is not None:
            _check(name, value, want.of)
    elif isinstance(want, _Many):
        for n, item in enumerate(_list(name, value)):
            _check(f"{name}[{n}]", item, want.of)
    elif isinstance(want, _Named):
        for key, item in _names(name, value).items():
            _check(f"a name in {name}", key, _TEXT)
            _check(f"{name}[{key!r}]", item, want.of)
    elif isinstance(want, dict):
        for key, part in want.items():
            if key not in _names(name, value):
                raise InputError(f"{name}.{key}: found nothing, want it beside {', '.join(map(str, value))}")
            _check(f"{name}.{key}", value[key], part)
    else:
        if len(_list(name, value)) != len(want):
            raise InputError(f"{name}: found {len(value)} values, want {len(want)}")
        for n, (item, part) in enumerate(zip(value, want, strict=True)):
            _check(f"{name}[{n}]", item, part)


def _list(name: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise InputError(f"{name}: found {_told(value)}, want a list")
    return value


def _names(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{name}: found {_told(value)}, want names with values")
    return value


def _told(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
