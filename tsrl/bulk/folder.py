"""The folder of a bulk job: its manifest, and one process at a time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tsrl.errors import InputError
from tsrl.files import write_whole

MANIFEST = "manifest.json"
KIND = "tsrl embed"
_LOCK = ".lock"
# What the names of files begin with that are not whole yet.
TEMPORARY = ".tmp-"


@contextmanager
def open_folder(folder: Path, manifest: dict[str, Any]) -> Iterator[None]:
    """Makes the folder or takes up the same job in it; held against other processes while entered.

    What a killed process left half-written is removed.

    Raises:
      InputError: it cannot be used, holds another job or files that are no job's, or another process is at work in it.
    """
    entered = False
    try:
        _check(folder, manifest)
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK, timeout=0):
            # Again, now that nobody else can change it.
            _check(folder, manifest)
            _tidy(folder)
            write_whole(folder / MANIFEST, manifest_text(manifest))
            entered = True
            try:
                yield
            finally:
                _tidy(folder)
    except Timeout as error:
        raise InputError(f"out: another process is at work in {folder}; wait for it, or choose another") from error
    except OSError as error:
        if entered:
            raise
        raise InputError(f"out: cannot use {folder} ({error.strerror or error}), want a folder") from error


def _tidy(folder: Path) -> None:
    for left in folder.glob(f"{TEMPORARY}*"):
        left.unlink(missing_ok=True)


def manifest_text(manifest: dict[str, Any]) -> str:
    """The content of the file: the same for equal jobs."""
    return json.dumps(manifest, indent=1) + "\n"


def _check(folder: Path, manifest: dict[str, Any]) -> None:
    path = folder / MANIFEST
    if folder.exists() and not folder.is_dir():
        raise InputError(f"out: found a file at {folder}, want a folder")
    if not folder.exists():
        return
    if not path.exists():
        names = {file.name for file in folder.iterdir()} - {_LOCK, f"{MANIFEST}.tmp"}
        if names:
            raise InputError(f"out: found files but no {MANIFEST} in {folder}, want an empty or new folder")
        return
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        held = None
    if not isinstance(held, dict) or held.get("kind") != KIND:
        raise InputError(f"out: found a {MANIFEST} in {folder} that is no bulk job's, want an empty or new folder")
    changed = [name for name in manifest if held.get(name) != manifest[name]]
    if changed:
        raise InputError(
            f"out: found another job in {folder} (it differs in {', '.join(changed)}), want an empty or new folder"
        )
