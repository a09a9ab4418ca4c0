"""The folder of a run: one run in it, one process at a time."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tsrl.config import Config
from tsrl.errors import InputError
from tsrl.files import write_whole
from tsrl.train.checkpoints import Checkpoints

_LOCK = ".lock"


def default_workdir(config: Config) -> Path:
    """runs/METHOD-DATASET-seedS: the task after the method unless it is to classify, and the last of several seeds."""
    seeds = f"seed{config.seed}" + (f"-{config.seed + config.seeds - 1}" if config.seeds > 1 else "")
    task = [] if config.task == "classify" else [config.task]
    return Path("runs") / "-".join([config.method.name, *task, Path(config.dataset).stem, seeds])


@contextmanager
def open_workdir(workdir: Path, record: dict[str, Any], overwrite: bool) -> Iterator[None]:
    """Makes the workdir, or takes up the same run in it; held against other processes while entered.

    Args:
      workdir: the folder.
      record: everything that decides the run's result, kept as config.json.
      overwrite: start anew where another run, or this one, is kept.

    Raises:
      InputError: it cannot be used, holds another run or files that are not a run's, or another process runs in it.
    """
    entered = False
    Checkpoints(workdir / "checkpoints")  # refuses a path that checkpoints could not be read from
    try:
        _check(workdir, record, overwrite)
        workdir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(workdir / _LOCK, timeout=0)
        with lock:
            # Again, now that nobody else can change it.
            _check(workdir, record, overwrite)
            if overwrite:
                _clear(workdir)
            write_whole(workdir / "config.json", json.dumps(record, indent=2) + "\n")
            entered = True
            yield
    except Timeout as error:
        raise InputError(f"workdir: another process is running in {workdir}; wait for it, or choose another") from error
    except OSError as error:
        if entered:
            raise
        raise InputError(f"workdir: cannot use {workdir} ({error.strerror or error}), want a folder") from error


def _check(workdir: Path, record: dict[str, Any], overwrite: bool) -> None:
    path = workdir / "config.json"
    if workdir.exists() and not workdir.is_dir():
        raise InputError(f"workdir: found a file at {workdir}, want a folder")
    if not path.exists() and workdir.is_dir() and any(file.name != _LOCK for file in workdir.iterdir()):
        raise InputError(f"workdir: found files but no config.json in {workdir}, want an empty or new folder")
    if not path.exists() or overwrite:
        return
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        held = None
    if held != record:
        changed = sorted(_differences(held, record)) if isinstance(held, dict) else ["all of it"]
        raise InputError(
            f"workdir: found another run in {workdir} (it differs in {', '.join(changed)}); "
            "choose another --workdir, or --overwrite to start anew"
        )


def _clear(workdir: Path) -> None:
    """Removes what a run writes; other files in the folder are the user's."""
    for name in ("checkpoints", "probe", "tensorboard"):
        if (workdir / name).exists():
            shutil.rmtree(workdir / name)
    for name in ("README.txt", "metrics.jsonl", "embeddings.npz", "report.json", "report.html"):
        (workdir / name).unlink(missing_ok=True)


def _differences(held: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name in held.keys() | wanted.keys():
        one, other = held.get(name), wanted.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            found |= _differences(one, other, f"{prefix}{name}.")
        elif one != other:
            found.add(prefix + name)
    return found
