"""The only place that says orbax: asynchronous, atomic checkpoints; an unreadable one gives way to the one before."""

import errno
import logging
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from tsrl.errors import InputError
from tsrl.train import hosts

log = logging.getLogger("tsrl")
# Of a save that failed orbax writes pages of tracebacks; it raises as well, and `Checkpoints` says so in a line.
logging.getLogger("absl").addFilter(lambda record: record.levelno < logging.ERROR or "orbax" not in record.pathname)


class Restored(NamedTuple):
    """What a checkpoint held.

    Attributes:
      step: optimiser updates done.
      items: name -> pytree, as asked for.
      meta: the JSON saved beside them.
    """

    step: int
    items: dict[str, Any]
    meta: dict[str, Any]


class Checkpoints:
    """Numbered checkpoints in one folder, each a set of named pytrees and a JSON record.

    Of several processes the first alone uses it.

    Args:
      folder: made when the first checkpoint is saved.
      keep: how many of the latest stay on disk; at least two, so that a damaged one has a predecessor. None = all.
      read_only: leave alone what another process may be writing there.

    Raises:
      InputError: the path holds a character that orbax takes for a pattern.
    """

    def __init__(self, folder: Path | str, keep: int | None = 2, read_only: bool = False):
        self.folder = Path(folder).absolute()
        # Orbax merges the parts of a checkpoint by a pattern of its path: one saved there could not be read again.
        if special := sorted(set("*?[]") & set(str(self.folder))):
            raise InputError(f"folder: found {' '.join(special)} in {self.folder}, want a path without * ? [ ]")
        self._keep, self._read_only = keep, read_only
        self._open: ocp.CheckpointManager | None = None
        self._writing = 0
        self._failed: OSError | None = None

    def _manager(self) -> ocp.CheckpointManager:
        if self._open is None:
            writes = not self._read_only
            alone: dict[str, Any] = {"create": writes}
            if hosts.count() > 1:
                # Orbax would wait for the other processes, and makes no folder for some of them.
                only = ocp.options.MultiprocessingOptions(
                    primary_host=0, active_processes={0}, barrier_sync_key_prefix="first"
                )
                alone = {"create": False, "multiprocessing_options": only}
                if writes:
                    self.folder.mkdir(parents=True, exist_ok=True)
            options = ocp.CheckpointManagerOptions(max_to_keep=self._keep, cleanup_tmp_directories=writes, **alone)
            self._open = ocp.CheckpointManager(self.folder, options=options)
        return self._open

    def save(self, step: int, items: dict[str, Any], meta: dict[str, Any]) -> None:
        """Starts writing a checkpoint; it counts only once it is complete. A step already saved is left as it is.

        What cannot be written, as on a full disk, is warned of and left out: those before stay, the next is tried.
        """
        self._settle()
        if step in self.steps():
            return
        self._writing, self._failed = step, None
        # Host arrays carry no device layout, so a checkpoint can be restored on any number of devices.
        arrays = {name: jax.device_get(tree) for name, tree in items.items()}
        saved: dict[str, Any] = {name: ocp.args.StandardSave(tree) for name, tree in arrays.items()}
        args = ocp.args.Composite(**saved, meta=ocp.args.JsonSave(meta))
        needed = sum(leaf.nbytes for leaf in jax.tree.leaves(arrays))

        def write() -> None:
            manager = self._manager()
            # Asked first, with room for what describes them: tensorstore prints a traceback for each array it cannot
            # place.
            room = shutil.disk_usage(self.folder)
            # Some network file systems do not know their size and say 0.
            if room.total and room.free < 1.25 * needed + 1e6:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))
            manager.save(step, args=args, force=True)

        self._attempt(write)

    def steps(self) -> list[int]:
        """Steps of the complete checkpoints, ascending; empty when the folder does not exist."""
        return sorted(self._manager().all_steps()) if self.folder.is_dir() else []

    def meta(self) -> dict[str, Any]:
        """The JSON record of the newest checkpoint in which it can be read.

        Raises:
          InputError: there is none.
        """
        return self._newest(lambda step: Restored(step, {}, self._read_meta(step))).meta

    def restore(self, items: Callable[[dict[str, Any]], dict[str, Any]], step: int | None = None) -> Restored:
        """The newest readable checkpoint, with a warning when a newer one could not be read; or that of one step.

        Args:
          items: from the checkpoint's JSON record to what to restore: name -> pytree of host arrays of the right
            structure, see `like`.
          step: the checkpoint wanted; None: the newest.

        Raises:
          InputError: no checkpoint, or none that can be read into this structure.
        """

        def read(step: int) -> Restored:
            meta = self._read_meta(step)
            wanted = items(meta)
            args: dict[str, Any] = {name: ocp.args.StandardRestore(tree) for name, tree in wanted.items()}
            found = self._manager().restore(step, args=ocp.args.Composite(**args))
            return Restored(step, {name: found[name] for name in wanted}, meta)

        return self._newest(read, step)

    def _read_meta(self, step: int) -> dict[str, Any]:
        return self._manager().restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"]

    def _newest(self, read: Callable[[int], Restored], only: int | None = None) -> Restored:
        # A save that is still in progress ends by removing old checkpoints, under the hands of a reader.
        self._settle()
        failures = []
        for step in reversed([step for step in self.steps() if only in (None, step)]):
            try:
                restored = read(step)
            # Damage shows as many types (JSON, key, value, operating system, tensorstore): each is reported below.
            except Exception as error:  # noqa: BLE001
                failures.append(f"step {step}: {type(error).__name__}: {str(error).splitlines()[0][:200]}")
                continue
            for failure in failures:
                log.warning("checkpoint could not be read, going back to step %d (%s)", restored.step, failure)
            return restored
        raise InputError(
            f"{self.folder.name}: found {'; '.join(failures) or 'no checkpoint'}, want at least one that can be read; "
            "to start anew, use another folder (a run: --overwrite)"
        )

    def discard_after(self, step: int) -> None:
        """Removes checkpoints newer than `step`, damaged ones that a resumed run will write again, and what a kill left
        of older ones that were being removed."""
        for other in self.steps():
            if other > step:
                self._manager().delete(other)
            elif other < step and not (self.folder / str(other) / "_CHECKPOINT_METADATA").exists():
                shutil.rmtree(self.folder / str(other), ignore_errors=True)
        self._manager().reload()

    def wait(self) -> None:
        """Blocks until a save in progress is complete.

        Raises:
          OSError: the last checkpoint could not be written.
        """
        self._settle()
        if self._failed is not None:
            raise self._failed

    def close(self) -> None:
        """Waits, then frees the background threads."""
        self._settle()
        if self._open is not None:
            self._open.close()
            self._open = None

    def _settle(self) -> None:
        """Waits for the save in progress, and learns of its failure."""
        if self._open is not None:
            self._attempt(self._open.wait_until_finished)

    def _attempt(self, write: Callable[[], object]) -> None:
        try:
            write()
        except (OSError, ValueError) as error:
            self._failed = _of_the_disk(error, self.folder)
            if self._failed is None:
                raise
            reason = self._failed.strerror
            log.warning("checkpoint of step %d is not written (%s); training goes on", self._writing, reason)
            # What it holds of a failed save would stop the next one; a new one clears what was left half written.
            with suppress(OSError, ValueError):
                if self._open is not None:
                    self._open.close()
            self._open = None


def _of_the_disk(error: OSError | ValueError, folder: Path) -> OSError | None:
    """What the operating system said, if the error is of the disk: tensorstore tells it as a ValueError."""
    if isinstance(error, OSError):
        return OSError(error.errno or errno.EIO, error.strerror or str(error), str(error.filename or folder))
    code = re.search(r"os_error_code='(\d+)'", str(error))
    return OSError(int(code[1]), os.strerror(int(code[1])), str(folder)) if code else None


def like(tree: Any) -> Any:
    """Uninitialised host arrays of a pytree's shapes and dtypes, to restore into on any number of devices."""
    return jax.tree.map(lambda leaf: np.empty(jax.numpy.shape(leaf), jax.numpy.result_type(leaf)), tree)
