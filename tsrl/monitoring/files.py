"""What the commands of `tsrl monitor` read and write, and what is refused before anything is computed."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tsrl.data.events import EventColumns, EventLog, read_events
from tsrl.errors import InputError
from tsrl.monitor import Monitor, load
from tsrl.monitor.folder import load_columns
from tsrl.monitoring.asked import Report, Score, Update


def check_folder(folder: Path) -> None:
    """Refuses a folder that is not new or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"out: found files in {folder}, want a new or empty folder")


def check_file(path: Path, endings: tuple[str, ...]) -> str:
    """The ending of a file that can be written, one of `endings`."""
    ending = next((ending for ending in endings if path.name.lower().endswith(ending)), None)
    if ending is None:
        raise InputError(f"out: found {path.name}, want a name that ends in {' or '.join(endings)}")
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"out: cannot write to {path}, want a file in a folder that exists")
    return ending


def check_rate(rate: float) -> None:
    """Refuses what is no share between 0 and 1."""
    if not 0 < rate < 1:
        raise InputError(f"rate: found {rate}, want a share between 0 and 1")


def read(path: Path, columns: EventColumns, duplicates: str) -> EventLog:
    """Reads a log, and prints what was not in order."""
    log = read_events(path, columns, duplicates=duplicates)
    for note in log.notes:
        print(f"{path.name}: {note}")
    return log


def opened(asked: Score | Report | Update) -> tuple[Monitor, EventLog, EventColumns]:
    """The monitor, the log that is to be judged, and what its columns mean."""
    monitor, columns = load(asked.monitor), load_columns(asked.monitor)
    return monitor, read(asked.log, columns, asked.duplicates), columns


def moment(name: str, log: EventLog, text: str) -> Any:
    """A moment as the times of the log are, see `EventLog.moment`."""
    try:
        found = log.moment(text)
    except InputError as error:
        raise InputError(str(error).replace("moment:", f"{name}:", 1)) from error
    # "NaT", and nothing.
    if (log.calendar and np.isnat(np.datetime64(int(found), "us"))) or not np.isfinite(found):
        raise InputError(f"{name}: found {text!r}, want {'a date' if log.calendar else 'a number'}")
    return text


def since_of(monitor: Monitor, log: EventLog, since: str | None) -> Any:
    """`since` as `Monitor.score` takes it, after which there are units."""
    if since is None:
        return None
    if isinstance(monitor.settings.every, str):
        begin: Any = moment("since", log, since)
    elif since.isdecimal():
        begin = int(since)
    else:
        raise InputError(
            f"since: found {since!r} for units that are no periods, want the number of a unit in its sequence, from 0"
        )
    if not len(monitor.units(log, begin).user):
        raise InputError(f"since: found {since}, and no unit begins then or later, want an earlier one")
    return begin


def stamps(time: np.ndarray) -> list[str]:
    """Microseconds since 1970 of UTC as ISO 8601."""
    return [f"{text}Z" for text in np.datetime_as_string(time.astype("datetime64[us]")).tolist()]


def table_bytes(columns: Mapping[str, list[Any]], ending: str) -> bytes:
    """A file of columns: .csv, .parquet or .jsonl."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    if ending == ".jsonl":
        names = list(columns)
        rows = (json.dumps(dict(zip(names, row, strict=True))) for row in zip(*columns.values(), strict=True))
        return "".join(f"{row}\n" for row in rows).encode("utf-8")
    made, table = io.BytesIO(), pa.table(dict(columns))
    if ending == ".csv":
        csv.write_csv(table, made)
    else:
        parquet.write_table(table, made)
    return made.getvalue()
