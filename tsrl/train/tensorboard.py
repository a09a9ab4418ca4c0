"""The numbers of metrics.jsonl as event files for TensorBoard, written without TensorFlow."""

import importlib.util
import logging
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tsrl.errors import InputError

log = logging.getLogger("tsrl")


def check_tensorboard() -> None:
    """Refuses to go on without what writes event files.

    Raises:
      InputError: it is not installed.
    """
    if importlib.util.find_spec("tensorboardX") is None:
        raise InputError(
            "tensorboard: found no package tensorboardX, want it installed: pip install 'tsrl[tensorboard]'"
        )


class EventFiles:
    """A folder of event files, `seedN/events.out.tfevents...`: scalars by the names of the rows.

    It follows metrics.jsonl: a run that is taken up writes the rows up to there anew, so that no step stands in the
    files twice, and none is missing that was trained before the folder was asked for. Numbers that are not finite are
    left out. A disk that is full is warned of; training goes on.

    Args:
      folder: replaced by `begin`.
      seeds: of the rows, in their order.
    """

    def __init__(self, folder: Path, seeds: Sequence[int]):
        self._folder, self._seeds = folder, list(seeds)
        self._writers: list[Any] = []

    def begin(self, rows: Sequence[dict[str, Any]]) -> None:
        """Starts the files with the rows so far."""
        # Written by hand and not by `SummaryWriter`, whose thread would wait for ever once a disk is full.
        from tensorboardX.event_file_writer import EventsWriter

        self.close()
        try:
            shutil.rmtree(self._folder, ignore_errors=True)
            for seed in self._seeds:
                (self._folder / f"seed{seed}").mkdir(parents=True)
                self._writers.append(EventsWriter(str(self._folder / f"seed{seed}" / "events")))
        except OSError as error:
            self._give_up(error)
        self.append(rows)

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """Adds rows, each with a `step`, and hands them to the operating system."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        try:
            for number, writer in enumerate(self._writers):
                for row in rows:
                    for name, value in scalars(row, number):
                        event = Event(wall_time=time.time(), step=row["step"], summary=scalar(name, value))
                        writer.write_event(event)
                writer.flush()
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Closes the files."""
        for writer in self._writers:
            # Closed in any case: what it could not write, it has been warned of.
            with suppress(OSError):
                writer.close()
        self._writers = []

    def _give_up(self, error: OSError) -> None:
        log.warning("tensorboard is not written any more (%s); training goes on", error.strerror or error)
        self.close()


def scalars(row: dict[str, Any], number: int) -> Iterator[tuple[str, float]]:
    """Name and value of each finite number of a row of metrics.jsonl.

    Args:
      row: its values are numbers, lists over seeds, or such by name.
      number: place of the seed in these lists.
    """
    for name, value in row.items():
        if isinstance(value, dict):
            yield from ((f"{name}/{inner}", found) for inner, found in scalars(value, number))
            continue
        found = value[number] if isinstance(value, list) else value
        if name != "step" and isinstance(found, int | float) and math.isfinite(found):
            yield name, float(found)
