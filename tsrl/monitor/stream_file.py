"""The state of a stream in one file, so that another process goes on where one was stopped."""

import dataclasses
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tsrl.data.events import EventLog
from tsrl.data.events.log import Names
from tsrl.errors import InputError
from tsrl.files import write_whole
from tsrl.monitor.monitor import Monitor
from tsrl.monitor.stream import Kept, MonitorStream

FORMAT = 1


def save_stream(stream: MonitorStream, path: Path | str) -> None:
    """Writes what a stream keeps of all users, whole: a kill leaves the file before or the new one.

    Args:
      stream: to be saved, between two events. Its monitor is not: see `Monitor` and `monitor.save`.
      path: a file; one that is there is replaced.
    """
    kept = list(stream.users.values())
    arrays: dict[str, np.ndarray] = {
        name: np.array([getattr(one, name) for one in kept], np.int64) for name in ("seen", "unit", "in_unit")
    }
    arrays["user"] = np.array(list(stream.users), str)
    record: dict[str, Any] = {"format": FORMAT, "rate": stream.rate, "monitor": fingerprint(stream.monitor)}
    if kept:
        last = kept[0].log
        record |= {"names": list(last.names), "numbers": list(last.numbers)}
        for part in ("fields", "running", "expected"):
            record[part] = list(getattr(kept[0], part))
            for place, name in enumerate(record[part]):
                arrays[f"{part}_{place}"] = np.stack([getattr(one, part)[name] for one in kept])
        for place, name in enumerate(last.names):
            held = [one.log.names[name] for one in kept]
            arrays[f"name_{place}"] = np.array([str(own.values[0]) for own in held])
            arrays[f"named_{place}"] = np.array([own.codes[0] >= 0 for own in held])
        for place, name in enumerate(last.numbers):
            arrays[f"number_{place}"] = np.array([one.log.numbers[name][0] for one in kept])
        if last.time is not None:
            arrays["time"] = np.concatenate([one.log.time for one in kept if one.log.time is not None])
    record["sha256"] = _hash_of(arrays, record)
    # No `allow_pickle`, see `folder.write_arrays`.
    content = io.BytesIO()
    np.savez(content, record=np.array(json.dumps(record)), **arrays)  # type: ignore[arg-type]
    write_whole(Path(path), content.getvalue())


def load_stream(path: Path | str, monitor: Monitor) -> MonitorStream:
    """A stream that goes on as the saved one would have.

    Args:
      path: a file of `save_stream`.
      monitor: the one it was made with.

    Raises:
      InputError: no such file, a damaged one or one of another version, another monitor.
    """
    path = Path(path)
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        record: dict[str, Any] = json.loads(str(arrays.pop("record")))
        version, whole = record.get("format"), record.pop("sha256", None)
    # What is no archive, or one of something else, shows as many types.
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(f"path: cannot read {path} ({error}), want a file of save_stream") from error
    if version != FORMAT:
        raise InputError(f"path: found format {version} in {path}, want {FORMAT}, that of this version")
    if whole != _hash_of(arrays, record):
        raise InputError(f"path: found {path} changed since it was saved, want it as it was")
    if record["monitor"] != fingerprint(monitor):
        raise InputError(
            f"monitor: found another than {path} was saved with, want the same: its sums mean nothing here"
        )
    stream = MonitorStream(monitor, record["rate"])
    zone, calendar = monitor.zone, monitor.model.fields.calendar
    for row, user in enumerate(arrays["user"].tolist()):
        names = {
            name: Names(
                np.array([0 if arrays[f"named_{k}"][row] else -1], np.int32), arrays[f"name_{k}"][row : row + 1]
            )
            for k, name in enumerate(record["names"])
        }
        numbers = {name: arrays[f"number_{k}"][row : row + 1] for k, name in enumerate(record["numbers"])}
        time = arrays["time"][row : row + 1] if "time" in arrays else None
        log = EventLog(np.array([user]), np.array([0, 1]), time, names, numbers, calendar, zone)
        parts = {
            part: {name: arrays[f"{part}_{k}"][row] for k, name in enumerate(record[part])}
            for part in ("fields", "running", "expected")
        }
        seen, unit, in_unit = (int(arrays[name][row]) for name in ("seen", "unit", "in_unit"))
        stream.users[user] = Kept(log, parts["fields"], seen, unit, in_unit, parts["running"], parts["expected"])
    return stream


def fingerprint(monitor: Monitor) -> str:
    """SHA-256 of what a stream's sums depend on: settings, model, habits, and what measures them."""
    arrays = {
        **monitor.habits.arrays(),
        **{f"tail_{name}": tail.array() for name, tail in monitor.scale.items()},
        **{f"edges_{name}": edges for name, edges in monitor.bins.edges.items()},
        "calibration": monitor.calibration,
        "norms": monitor.norms.quantiles,
        "norms_own": monitor.norms.own,
        **{f"yardsticks_{name}": np.stack([one.array() for one in own]) for name, own in monitor.yardsticks.items()},
        "weights": np.append(monitor.impostors.event_weight, monitor.impostors.event_bias),
        "users": np.array(list(monitor.users), str),
    }
    rest = [dataclasses.asdict(monitor.settings), monitor.zone, dict(monitor.changing), monitor.model.fingerprint()]
    return _hash_of(arrays, rest)


def _hash_of(arrays: dict[str, np.ndarray], record: Any) -> str:
    # A seed may be a number of numpy's.
    made = hashlib.sha256(json.dumps(record, sort_keys=True, default=int).encode())
    for name, values in sorted(arrays.items()):
        made.update(f"{name} {values.dtype.str} {values.shape}".encode())
        made.update(np.ascontiguousarray(values).tobytes())
    return made.hexdigest()
