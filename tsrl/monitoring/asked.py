"""What the commands of `tsrl monitor` are asked: their flags."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

Log = tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="LOG")]]
Duplicates = Literal["keep", "drop"]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Learns what is regular, for everyone and for each user, and what rate of alarms that makes.

    Attributes:
      log: of regular events, a row for each.
      out: the folder of the monitor, new or empty.
      user: column of who acted.
      action: column of what was done.
      time: column of when, dates or numbers; "" where the rows of a user are in order.
      categorical: further columns of names.
      numeric: columns of numbers.
      timezone: zone such as Europe/Berlin of times that do not say theirs; hours and weekdays are those of its clocks,
        periods begin by UTC.
      time_format: of dates in text, as in %d/%m/%Y %H:%M.
      encoding: of a text file.
      delimiter: between the cells of a .csv file.
      decimal: point of the numbers in a .csv file.
      missing: further spellings of an empty cell in a .csv file.
      duplicates: what is done with events that equal one before in every column.
      every: what is judged as one: an hour, a day, a week from Monday, or so many events; default: week.
      gap: sessions instead: a pause of more seconds ends one.
      calibrate: share of the units, the latest, that say which scores are usual.
      until: only events before this date (or number, as the times are).
      seed: of all draws.
      steps: updates of the model; default 200 for up to 100,000 events, else 600.
      length: events that the model sees at a time.
      quiet: no progress bar.
      json: print the summary as JSON; messages go to standard error.
    """

    log: Log
    out: Path
    user: str = "user"
    action: str = "action"
    time: str = "time"
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    timezone: str | None = None
    time_format: str | None = None
    encoding: str = "utf-8"
    delimiter: str = ","
    decimal: Literal[".", ","] = "."
    missing: tuple[str, ...] = ()
    duplicates: Duplicates = "keep"
    every: Literal["hour", "day", "week"] | int | None = None
    gap: float | None = None
    calibrate: float = 1 / 3
    until: str | None = None
    seed: int = 0
    steps: int | None = None
    length: int = 128
    quiet: bool = False
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Score:
    """Says of each unit how unusual it is: user, start, events, p-value, alarm, and the p-value of each evidence.

    Attributes:
      log: to be judged, with the columns that were fitted on; what came before `since` is context.
      monitor: the folder that `fit` or `update` wrote.
      out: a .csv, .parquet or .jsonl file.
      since: only units that begin at this date or later; of units without dates their number in the sequence, from 0.
      rate: share of regular units that may be alarms.
      fdr: alarms of which a share `rate` may be regular instead (Benjamini and Hochberg).
      duplicates: what is done with events that equal one before in every column.
      json: print the summary as JSON; messages go to standard error.
    """

    log: Log
    monitor: Path
    out: Path
    since: str | None = None
    rate: float = 0.01
    fdr: bool = False
    duplicates: Duplicates = "keep"
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """Makes one HTML page: alarms and their causes, a map of units, alarms over time, drift.

    Attributes:
      log: see `score`.
      monitor: the folder that `fit` or `update` wrote.
      out: the .html file.
      since: see `score`.
      rate: share of regular units that may be alarms.
      title: of the page.
      most_alarms: so many are listed and explained.
      seed: which regular units are drawn where there are many.
      duplicates: see `score`.
      json: print the summary as JSON; messages go to standard error.
    """

    log: Log
    monitor: Path
    out: Path
    since: str | None = None
    rate: float = 0.01
    title: str = "Users' behaviour"
    most_alarms: int = 200
    seed: int = 0
    duplicates: Duplicates = "keep"
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Update:
    """Adds later regular units, of known and new users, to what a monitor knows of them; its model stays.

    Attributes:
      log: see `score`.
      monitor: the folder that `fit` or `update` wrote.
      out: the folder of the new monitor, new or empty.
      since: see `score`; units that the monitor knows already are not to be given again.
      rate: units that are alarms at this rate are left out.
      duplicates: see `score`.
      json: print the summary as JSON; messages go to standard error.
    """

    log: Log
    monitor: Path
    out: Path
    since: str | None = None
    rate: float = 0.01
    duplicates: Duplicates = "keep"
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Draws a user base and writes log.csv (user, time, action, device, amount) and truth.csv, who misbehaved when.

    Attributes:
      out: the folder, new or empty.
      users: how many.
      weeks: from Monday, 5 January 2026 on.
      clean_weeks: the first ones, in which nobody misbehaves.
      misbehaving: share of users who do afterwards: takeover, drift, burst, rare_sequence.
      population_drift: share of everyone's steps that follow new habits at the end, growing from 0.
      seed: of all draws.
      json: print the summary as JSON; messages go to standard error.
    """

    out: Path
    users: int = 200
    weeks: int = 20
    clean_weeks: int = 12
    misbehaving: float = 0.2
    population_drift: float = 0.0
    seed: int = 0
    json: bool = False
