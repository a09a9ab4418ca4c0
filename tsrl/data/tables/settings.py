"""What the columns of a table mean, and what is done where its rows are not in order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, get_args, get_type_hints

from tsrl.errors import InputError, nearest

_MICROSECONDS = {"ms": 10**3, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86_400 * 10**6}
_MICROSECONDS["w"] = 7 * _MICROSECONDS["d"]


@dataclass(frozen=True)
class Table:
    """What the columns of a table mean, and what is done where its rows are not in order.

    Attributes:
      layout: "long" has a row for each time step; "wide" a row for each series, whose value columns are the steps.
      id: column that names the series; without one a long table is a single series, a wide one is numbered by row.
      time: column of time stamps: dates, or whole or broken numbers; without one the rows of a series are in order. To
        forecast, dates; by default the column date.
      values: columns of the channels (wide: the steps, in this order); by default all columns of numbers that are not
        named elsewhere, but for a data frame's index and columns without a name.
      label: column of what is to be predicted, the same in all rows of a series.
      group: column of the subject, recording or user, whose series belong together when a test part is held out.
      split: column that says "train" or "test", the same in all rows of a series.
      on_duplicate: two rows of a series with one time stamp: an error, the first or last of them, or the mean or sum of
        the values that are there.
      on_unsorted: rows of a series whose time goes back: an error, or sorted.
      irregular: steps of unequal length, gaps among them: an error; "resample" onto a grid of `every`; "delta" adds a
        channel of the seconds since the series' previous step; "keep" goes on as if they were equal.
      every: length of a step: a number with ms, s, min, h, d (24 hours) or w, as in 10min; a bare number where the time
        stamps are numbers. By default the median step. With `timezone`, steps of a day or longer begin at midnight
        there, so that a day of a clock change is one step, of 23 or 25 hours.
      aggregate: what "resample" makes of several values in one step; steps without any are missing.
      timezone: zone such as Europe/Berlin of time stamps that do not say theirs. Stamps with an offset and stamps in
        this zone are turned into UTC; without it they are taken as they are.
      time_format: of time stamps in text, as in %d/%m/%Y %H:%M; by default ISO 8601 and its like, with years of four
        digits.
      encoding: of a .csv file.
      delimiter: between the cells of a .csv file.
      decimal: point of the numbers in a .csv file.
      missing: further spellings of an empty cell in a .csv file, as in ?.
    """

    layout: Literal["long", "wide"] = "long"
    id: str | None = None
    time: str | None = None
    values: tuple[str, ...] = ()
    label: str | None = None
    group: str | None = None
    split: str | None = None
    on_duplicate: Literal["error", "first", "last", "mean", "sum"] = "error"
    on_unsorted: Literal["error", "sort"] = "error"
    irregular: Literal["error", "resample", "delta", "keep"] = "error"
    every: str | None = None
    aggregate: Literal["mean", "last", "sum", "max", "min"] = "mean"
    timezone: str | None = None
    time_format: str | None = None
    encoding: str = "utf-8"
    delimiter: str = ","
    decimal: Literal[".", ","] = "."
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        hints = get_type_hints(Table)
        for field in fields(self):
            known = [choice for choice in get_args(hints[field.name]) if isinstance(choice, str)]
            found = getattr(self, field.name)
            if known and found not in known:
                raise InputError(f"{field.name}: found {found!r}; {nearest(str(found), known)}")
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '"\r\n':
            raise InputError(f"delimiter: found {self.delimiter!r}, want one character such as ';'")
        if self.decimal == self.delimiter:
            raise InputError(f"decimal: found {self.decimal!r} for delimiter {self.delimiter!r}, want different ones")
        if self.time is None or self.layout == "wide":
            for name in ("time", "every", "timezone", "time_format"):
                if getattr(self, name) is not None:
                    lacking = "in a wide table, want the layout long" if self.layout == "wide" else "without time"
                    raise InputError(f"{name}: found {getattr(self, name)!r} {lacking}")
            if self.irregular != "error":
                raise InputError(f"irregular: found {self.irregular!r} without time, want the column of time stamps")
        self._check_roles()

    @property
    def roles(self) -> dict[str, str]:
        """Column -> the setting that names it; a column of ids may be the group too."""
        roles: dict[str, str] = {}
        for column, role in self._named():
            roles.setdefault(column, role)
        return roles

    def _named(self) -> list[tuple[str, str]]:
        single = [(getattr(self, role), role) for role in ("id", "time", "label", "group", "split")]
        return [(column, role) for column, role in single if column is not None] + [
            (column, "values") for column in self.values
        ]

    def _check_roles(self) -> None:
        named: dict[str, str] = {}
        for column, role in self._named():
            # Where the id is the group too, each series is a group of its own.
            if column in named and (named[column], role) != ("id", "group"):
                raise InputError(f"{role}: found column {column!r}, which is {named[column]} already, want another")
            named.setdefault(column, role)

    def step(self, calendar: bool) -> float | None:
        """The step that `every` asks for.

        Args:
          calendar: the time stamps are dates.

        Returns:
          Microseconds; for stamps that are numbers, their own unit; None where `every` is not given.

        Raises:
          InputError: no duration, or none that fits the time stamps.
        """
        if self.every is None:
            return None
        match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?) *([a-z]*)", self.every)
        fits = match and (match[2] in _MICROSECONDS if calendar else not match[2])
        step = float(match[1]) * (_MICROSECONDS[match[2]] if calendar else 1) if match and fits else 0.0
        if step <= 0 or (calendar and step != int(step)):
            wanted = (
                "a duration such as 10min, 1h, 1d" if calendar else "a positive number: the time stamps are numbers"
            )
            raise InputError(f"every: found {self.every!r}, want {wanted}")
        return step


def check_unused(table: Table, what: str, used: Sequence[str] = ()) -> None:
    """Refuses settings of a table for what is none.

    Args:
      table: the settings.
      what: is read, with its article.
      used: settings that apply all the same.

    Raises:
      InputError: another setting is not the default; names it.
    """
    for field in fields(Table):
        found = getattr(table, field.name)
        if field.name not in used and found != field.default:
            only = f"; only {' and '.join(used)} applies there" if used else ""
            raise InputError(f"table.{field.name}: found {found!r} for {what}, which is no table{only}")
