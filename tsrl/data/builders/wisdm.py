"""WISDM activity recognition v1.1: one long text of accelerations, with its defects."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tsrl.data.builders.draws import split_64_16_20
from tsrl.data.builders.inside import contents
from tsrl.data.builders.spec import Splits, as_float32
from tsrl.errors import InputError

_WINDOW = 256


class _Record(NamedTuple):
    user: int
    activity: str
    acceleration: tuple[float, float, float]


def read_wisdm(paths: Sequence[Path], classes: tuple[str, ...]) -> Splits:
    """Windows of 256 samples, one after the other, each of one user and one activity without a break.

    Records read `user,activity,timestamp,x,y,z;`. What the published file is known to contain besides: several records
    in a line, no semicolon at its end, a comma before the semicolon, empty records, and records without z, whose z is
    taken from the record before, as in MHCCL's released preprocessing.

    Args:
      paths: of the tar.gz archive, or of WISDM_ar_v1.1_raw.txt itself.
      classes: names in the order of their ids.

    Returns:
      "train", "validation" and "test", drawn by window; the group of a row is its user. The windows before the draw are
      in the order of MHCCL's: by user as they first appear, in each of a user's runs by activity as they first appear.

    Raises:
      InputError: any other record; the message names the file and the line.
    """
    (path,) = paths
    source = path.name
    activities = {name: number for number, name in enumerate(classes)}
    runs: dict[int, list[list[_Record]]] = {}
    records = _records(source, contents(path, ["_raw.txt"])[0], activities)
    for user, run in groupby(records, lambda record: record.user):
        runs.setdefault(user, []).append(list(run))
    x, y, group = [], [], []
    for user, of_user in runs.items():
        for run_of_user in of_user:
            segments: dict[str, list[np.ndarray]] = {}
            for activity, same in groupby(run_of_user, lambda record: record.activity):
                values = as_float32([record.acceleration for record in same])
                segments.setdefault(activity, []).append(values)
            for activity, arrays in segments.items():
                for values in arrays:
                    windows = values[: len(values) // _WINDOW * _WINDOW].reshape(-1, _WINDOW, 3)
                    x.append(windows)
                    y += [activities[activity]] * len(windows)
                    group += [str(user)] * len(windows)
    if len(y) < 5:
        raise InputError(f"{source}: found {len(y)} windows of {_WINDOW} samples, want enough to split")
    return split_64_16_20(np.concatenate(x), np.array(y, np.int32), np.array(group))


def _records(source: str, content: bytes, activities: dict[str, int]) -> Iterator[_Record]:
    last_z: float | None = None
    for number, line in enumerate(content.decode("latin-1").split("\n"), 1):
        for text in line.replace(",;", ";").split(";"):
            if not text.strip():
                continue
            fields = [field.strip() for field in text.split(",")]
            where = f"{source}: line {number}"
            if len(fields) == 6 and not fields[5]:
                fields.pop()
            if len(fields) not in (5, 6):
                raise InputError(f"{where}: found {text.strip()!r}, want user,activity,timestamp,x,y,z")
            if fields[1] not in activities:
                raise InputError(f"{where}: found the activity {fields[1]!r}, want one of {', '.join(activities)}")
            try:
                user, _ = int(fields[0]), int(fields[2])
                x, y = float(fields[3]), float(fields[4])
                last_z = float(fields[5]) if len(fields) == 6 else last_z
            except ValueError as error:
                raise InputError(f"{where}: found {text.strip()!r} ({error}), want numbers") from error
            if last_z is None:
                raise InputError(f"{where}: found {text.strip()!r} without z, and no record before it")
            yield _Record(user, fields[1], (x, y, last_z))
