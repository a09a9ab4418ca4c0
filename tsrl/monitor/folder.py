"""A monitor's folder: its model, arrays, settings, and a hash of each file."""

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tsrl import behaviour
from tsrl.data.events import EventColumns
from tsrl.errors import InputError
from tsrl.files import write_whole
from tsrl.monitor.evidence import Bins, Norms
from tsrl.monitor.habits import Habits
from tsrl.monitor.impostors import Impostors
from tsrl.monitor.monitor import Monitor
from tsrl.monitor.reference import Reference
from tsrl.monitor.scores import Settings
from tsrl.monitor.tails import Tail

FORMAT = 2
RECORD = "monitor.json"
_COLUMNS = "columns.json"


def save(monitor: Monitor, folder: Path | str, columns: EventColumns | None = None) -> None:
    """Writes a monitor to a new folder: `model/`, `state.npz`, and `monitor.json`, which is written last.

    Args:
      monitor: to be saved.
      folder: new or empty.
      columns: what the columns of the table mean that its log was read from, for `load_columns`: `columns.json`.

    Raises:
      InputError: the folder exists and is not empty.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"folder: found files in {folder}, want a new or empty one")
    monitor.model.save(folder / "model")
    arrays = {
        **monitor.habits.arrays(),
        **{f"reference_{name}": values for name, values in monitor.reference.arrays().items()},
        **{f"bins_{place}": edges for place, edges in enumerate(monitor.bins.edges.values())},
        **{f"scale_{name}": tail.array() for name, tail in monitor.scale.items()},
        **{f"yardsticks_{name}": np.stack([tail.array() for tail in own]) for name, own in monitor.yardsticks.items()},
        "norms_quantiles": monitor.norms.quantiles,
        "norms_own": monitor.norms.own,
        "impostors_mean": monitor.impostors.mean,
        "impostors_std": monitor.impostors.std,
        "impostors_weight": monitor.impostors.weight,
        "impostors_event_weight": monitor.impostors.event_weight,
        "past_count": monitor.past[0],
        "past_user": monitor.past[1],
        "labels": monitor.labels,
        "held_out_z": monitor.held_out[0],
        "held_out_user": monitor.held_out[1],
        "calibration": monitor.calibration,
        "users": np.array(list(monitor.users), dtype=str),
    }
    write_arrays(folder / "state.npz", arrays)
    if columns is not None:
        write_whole(folder / _COLUMNS, json.dumps(dataclasses.asdict(columns), indent=1) + "\n")
    record = {
        "format": FORMAT,
        "settings": dataclasses.asdict(monitor.settings),
        "habits": monitor.habits.settings(),
        "reference": monitor.reference.settings(),
        "zone": monitor.zone,
        "bins": list(monitor.bins.edges),
        "norms": list(monitor.norms.names),
        "changing": dict(monitor.changing),
        "impostors_bias": monitor.impostors.bias,
        "impostors_event_bias": monitor.impostors.event_bias,
        "scale": list(monitor.scale),
        "yardsticks": list(monitor.yardsticks),
    }
    write_record(folder, RECORD, record)


def load(folder: Path | str) -> Monitor:
    """Reads what `save` wrote.

    Raises:
      InputError: no monitor there, one of another version, or a file that is not as it was written.
    """
    folder = Path(folder)
    record = read_record(folder, RECORD, FORMAT)
    arrays = read_arrays(folder / "state.npz")
    try:
        prefix = "reference_"
        own = {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
        return Monitor(
            settings=Settings(**record["settings"]),
            model=behaviour.load(folder / "model"),
            users={str(name): place for place, name in enumerate(arrays["users"])},
            zone=record["zone"],
            bins=Bins({name: arrays[f"bins_{place}"] for place, name in enumerate(record["bins"])}),
            norms=Norms(tuple(record["norms"]), arrays["norms_quantiles"], arrays["norms_own"]),
            habits=Habits.restore(arrays, record["habits"]),
            changing=record["changing"],
            impostors=Impostors(
                arrays["impostors_mean"],
                arrays["impostors_std"],
                arrays["impostors_weight"],
                record["impostors_bias"],
                arrays["impostors_event_weight"],
                record["impostors_event_bias"],
            ),
            reference=Reference.restore(own, record["reference"]),
            past=(arrays["past_count"], arrays["past_user"]),
            labels=arrays["labels"],
            held_out=(arrays["held_out_z"], arrays["held_out_user"]),
            yardsticks={name: tuple(map(Tail.restore, arrays[f"yardsticks_{name}"])) for name in record["yardsticks"]},
            scale={name: Tail.restore(arrays[f"scale_{name}"]) for name in record["scale"]},
            calibration=arrays["calibration"],
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / RECORD}: found a record that lacks {error}, want it as it was saved") from error


def load_columns(folder: Path | str) -> EventColumns:
    """What the columns of a log mean for a monitor that was saved with them.

    Raises:
      InputError: it was saved without, or they cannot be read.
    """
    path = Path(folder) / _COLUMNS
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        lists = {name: tuple(value) for name, value in record.items() if isinstance(value, list)}
        return EventColumns(**record | lists)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"folder: cannot read {_COLUMNS} in {folder} ({error}), want a monitor that was saved with its columns"
        ) from error


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes an .npz file of plain arrays, whole."""
    content = io.BytesIO()
    # No `allow_pickle`: numpy before 2.1 would write an array of that name.
    np.savez(content, **arrays)  # type: ignore[arg-type]
    write_whole(path, content.getvalue())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads what `write_arrays` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def write_record(folder: Path, name: str, record: dict[str, Any]) -> None:
    """Writes the record of a monitor, with the hashes of all other files of its folder and of what stands in itself."""
    made = record | {"sha256": hashes(folder, name) | {name: _hash_of(record)}}
    write_whole(folder / name, json.dumps(made, indent=1) + "\n")


def read_record(folder: Path, name: str, version: int) -> dict[str, Any]:
    """The record of a saved monitor, after it and all other files of its folder were compared with its hashes.

    Args:
      folder: of the monitor.
      name: of the record.
      version: its "format".

    Raises:
      InputError: no such record, one of another version, or a file that is not as it was written.
    """
    try:
        record: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"folder: cannot read {name} in {folder} ({error}), want a monitor that was saved there"
        ) from error
    if not isinstance(record, dict) or record.get("format") != version:
        raise InputError(f"{folder / name}: found another format, want {version}, that of this version")
    found, wanted = hashes(folder, name) | {name: _hash_of(record)}, record.get("sha256")
    if not isinstance(wanted, dict):
        raise InputError(f"{folder / name}: found no hashes of the files, want it as it was saved")
    wrong = sorted(file for file in {*found, *wanted} if found.get(file) != wanted.get(file))
    if wrong:
        raise InputError(
            f"folder: found {folder / wrong[0]} changed, added or removed since the monitor was saved, want it as it "
            "was"
        )
    return record


def hashes(folder: Path, record: str) -> dict[str, str]:
    """Of every file but the record: its name from the folder on -> SHA-256."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / record)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _hash_of(record: dict[str, Any]) -> str:
    rest = {name: value for name, value in record.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
