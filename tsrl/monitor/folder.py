"""A monitor's folder: its model, arrays, settings, and a hash of each file."""

import dataclasses
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from tsrl import behaviour
from tsrl.errors import InputError
from tsrl.files import write_whole
from tsrl.monitor.evidence import Bins, Norms
from tsrl.monitor.habits import Habits
from tsrl.monitor.impostors import Impostors
from tsrl.monitor.monitor import Monitor
from tsrl.monitor.reference import Reference
from tsrl.monitor.scores import Settings
from tsrl.monitor.tails import Tail

FORMAT = 1
_RECORD = "monitor.json"


def save(monitor: Monitor, folder: Path | str) -> None:
    """Writes a monitor to a new folder: `model/`, `state.npz`, and `monitor.json`, which is written last.

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
        **{
            f"yardsticks_{name}": np.stack([tail.array() for tail in tails])
            for name, tails in monitor.yardsticks.items()
        },
        "norms_quantiles": monitor.norms.quantiles,
        "norms_own": monitor.norms.own,
        "impostors_mean": monitor.impostors.mean,
        "impostors_std": monitor.impostors.std,
        "impostors_weight": monitor.impostors.weight,
        "impostors_event_weight": monitor.impostors.event_weight,
        "past_count": monitor.past[0],
        "past_user": monitor.past[1],
        "labels": monitor.labels,
        "calibration": monitor.calibration,
        "users": np.array(list(monitor.users), dtype=str),
    }
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    write_whole(folder / "state.npz", content.getvalue())
    record: dict[str, Any] = {
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
        "sha256": _hashes(folder),
    }
    record["sha256"][_RECORD] = _hash_of(record)
    write_whole(folder / _RECORD, json.dumps(record, indent=1) + "\n")


def load(folder: Path | str) -> Monitor:
    """Reads what `save` wrote.

    Raises:
      InputError: no monitor there, one of another version, or a file that is not as it was written.
    """
    folder = Path(folder)
    try:
        record: dict[str, Any] = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"folder: cannot read monitor.json in {folder} ({error}), want a monitor that was saved there"
        ) from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise InputError(f"{folder / 'monitor.json'}: found another format, want {FORMAT}, that of this version")
    found, saved = _hashes(folder) | {_RECORD: _hash_of(record)}, record.get("sha256", {})
    wrong = sorted(name for name in {*found, *saved} if found.get(name) != saved.get(name))
    if wrong:
        raise InputError(
            f"folder: found {folder / wrong[0]} changed, added or removed since the monitor was saved, want it as it "
            "was"
        )
    with np.load(folder / "state.npz", allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
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
        yardsticks={name: tuple(map(Tail.restore, arrays[f"yardsticks_{name}"])) for name in record["yardsticks"]},
        scale={name: Tail.restore(arrays[f"scale_{name}"]) for name in record["scale"]},
        calibration=arrays["calibration"],
    )


def _hashes(folder: Path) -> dict[str, str]:
    """Of every file but monitor.json: its name from the folder on -> SHA-256."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / _RECORD)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _hash_of(record: dict[str, Any]) -> str:
    """Of what stands in monitor.json beside the hashes."""
    rest = {name: value for name, value in record.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
