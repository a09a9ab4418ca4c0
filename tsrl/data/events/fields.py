"""What is learned from a training log: a vocabulary for each column of names, a scale for each of numbers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tsrl.data.events.log import EventLog
from tsrl.data.tables.time import wall_clock
from tsrl.errors import InputError, check_whole
from tsrl.files import write_whole

PADDING, RARE, MISSING = 0, 1, 2
_FIRST = 3
_DAY, _WEEK = 86_400.0, 7 * 86_400.0
# 1970 began on a Thursday.
_MONDAY = 4 * _DAY
# Of a number that never changes.
_LEAST_SCALE = 1e-6


@dataclass(frozen=True)
class EventFields:
    """How events become numbers, as it was learned from a training log.

    Names become codes: 0 padding, 1 a value that is rare in training or was never seen there, 2 a missing one, and from
    3 on the values of the vocabulary, most frequent first. Numbers, which are heavy-tailed in logs, enter as
    sign(v) log(1 + |v|), standardised; a missing one is 0, and a column of its own says so. With times, the seconds
    since the sequence's previous event enter in the same way, and of dates the hour and the weekday on circles.

    Attributes:
      vocabularies: column -> its known values, most frequent first.
      scales: column of numbers, and "since previous" -> mean and standard deviation after the logarithm.
      calendar: whether the hour and the weekday are among the numbers.
      zone: whose clocks they are read from, when the times are in UTC.
    """

    vocabularies: Mapping[str, tuple[str, ...]]
    scales: Mapping[str, tuple[float, float]]
    calendar: bool
    zone: str | None = None

    @classmethod
    def learn(
        cls, log: EventLog, *, min_count: int = 2, most_values: int = 10_000, zone: str | None = None
    ) -> "EventFields":
        """Learns from a training log.

        Args:
          log: of training events only.
          min_count: values with fewer events are rare.
          most_values: of a vocabulary; the least frequent are rare.
          zone: such as Europe/Berlin, for hours and weekdays of times in UTC; default: as the times stand.

        Raises:
          InputError: a log without events, or settings out of range.
        """
        check_whole("min_count", min_count, 1)
        check_whole("most_values", most_values, 1)
        if not log.events:
            raise InputError("log: found no events, want at least one to learn from")
        if zone is not None and log.zone is None:
            raise InputError(f"zone: found {zone!r} for times that are not in UTC, want none")
        vocabularies = {}
        for name, held in log.names.items():
            counts = np.bincount(held.codes[held.codes >= 0], minlength=len(held.values))
            # Equally frequent ones by their text, so that the order of rows decides nothing.
            order = np.lexsort((held.values, -counts))
            known = [str(held.values[code]) for code in order[:most_values] if counts[code] >= min_count]
            vocabularies[name] = tuple(known)
        scales = {}
        for name, values in _numbers(log).items():
            seen = values[np.isfinite(values)]
            scale = (float(seen.mean()), max(float(seen.std()), _LEAST_SCALE)) if len(seen) else (0.0, 1.0)
            scales[name] = scale
        return cls(vocabularies, scales, log.calendar, zone)

    def sizes(self) -> dict[str, int]:
        """Column of names -> the number of its codes, special ones included."""
        return {name: _FIRST + len(known) for name, known in self.vocabularies.items()}

    def width(self) -> int:
        """F, of `numbers`."""
        return 2 * len(self.scales) + 4 * self.calendar

    def codes(self, log: EventLog, name: str) -> np.ndarray:
        """The codes of a column of names, `[E]` int32."""
        held, place = self._column(log, name), self._places[name]
        # The last stands for -1, a missing value.
        table = np.array([*(place.get(str(value), RARE) for value in held.values), MISSING], np.int32)
        return table[held.codes]

    @cached_property
    def _places(self) -> dict[str, dict[str, int]]:
        """Column -> value -> code."""
        return {
            name: {value: code for code, value in enumerate(known, _FIRST)} for name, known in self.vocabularies.items()
        }

    def value(self, name: str, code: int) -> str | None:
        """What a code stands for; None for the special ones."""
        return self.vocabularies[name][code - _FIRST] if code >= _FIRST else None

    def numbers(self, log: EventLog) -> np.ndarray:
        """The numbers of each event, `[E, F]` float32: of each column the scaled value and whether there is one, the
        time since the previous event among them; then sine and cosine of hour and weekday.

        Raises:
          InputError: a log with other columns, or with times of another kind.
        """
        found = _numbers(log)
        if set(found) != set(self.scales) or log.calendar != self.calendar:
            raise InputError(
                f"log: found the numbers {sorted(found)} and {'dates' if log.calendar else 'no dates'}, want "
                f"{sorted(self.scales)} and {'dates' if self.calendar else 'no dates'} as in training"
            )
        columns = []
        for name, (mean, scale) in self.scales.items():
            known = np.isfinite(found[name])
            columns += [np.where(known, (found[name] - mean) / scale, 0.0), known]
        if self.calendar:
            assert log.time is not None
            seconds = (log.time if self.zone is None else wall_clock(log.time, self.zone)) / 1e6
            for period, offset in ((_DAY, 0.0), (_WEEK, _MONDAY)):
                angle = 2 * np.pi * ((seconds - offset) % period) / period
                columns += [np.sin(angle), np.cos(angle)]
        stacked = np.stack(columns, -1) if columns else np.zeros((log.events, 0))
        return stacked.astype(np.float32)

    def _column(self, log: EventLog, name: str) -> Any:
        for where in (self.vocabularies, log.names):
            if name not in where:
                raise InputError(f"column: found {name!r}, want one of {', '.join(where)}")
        return log.names[name]

    def as_json(self) -> dict[str, Any]:
        """JSON values, for `from_json`."""
        return {
            "vocabularies": {name: list(known) for name, known in self.vocabularies.items()},
            "scales": {name: list(scale) for name, scale in self.scales.items()},
            "calendar": self.calendar,
            "zone": self.zone,
        }

    @classmethod
    def from_json(cls, record: Any) -> "EventFields":
        """What `as_json` made.

        Raises:
          InputError: something else.
        """
        try:
            vocabularies = {str(name): tuple(map(str, known)) for name, known in record["vocabularies"].items()}
            scales = {str(name): (float(mean), float(scale)) for name, (mean, scale) in record["scales"].items()}
            calendar, zone = bool(record["calendar"]), record["zone"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"fields: found a record that cannot be read ({error!r}), want one of EventFields"
            ) from error
        finite = all(np.isfinite(scale).all() and scale[1] > 0 for scale in scales.values())
        if not finite or any(len(set(known)) < len(known) for known in vocabularies.values()):
            raise InputError("fields: found a value twice, or a scale that is none, want a record of EventFields")
        return cls(vocabularies, scales, calendar, zone)

    def save(self, path: Path | str) -> None:
        """Writes a JSON file."""
        write_whole(Path(path), json.dumps(self.as_json(), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> "EventFields":
        """Reads what `save` wrote.

        Raises:
          InputError: no such file, or another.
        """
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"fields: cannot read {path} ({error}), want a file that save() wrote") from error
        return cls.from_json(record)


def _numbers(log: EventLog) -> dict[str, np.ndarray]:
    """Column -> `[E]` after the logarithm; NaN = missing."""
    columns = dict(log.numbers)
    if log.time is not None:
        columns["since previous"] = log.since_previous()
    return {name: np.sign(values) * np.log1p(np.abs(values)) for name, values in columns.items()}
