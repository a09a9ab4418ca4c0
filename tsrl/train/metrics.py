"""metrics.jsonl: one line per step, in step with the checkpoints."""

import json
import logging
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from tsrl.files import write_whole
from tsrl.train.tensorboard import EventFiles

log = logging.getLogger("tsrl")


class MetricsFile:
    """Appends JSON lines; each has a `step`.

    Args:
      path: the file; made at the first write.
      events: what is given the same rows, or None.
    """

    def __init__(self, path: Path | str, events: EventFiles | None = None):
        self.path, self._events = Path(path), events
        self._held: list[dict[str, Any]] = []

    def append(self, rows: list[dict[str, Any]], last: bool = False) -> None:
        """Adds rows and hands them to the operating system.

        Rows that cannot be written, as on a full disk, are warned of, kept, and written with the next ones.

        Args:
          rows: JSON values, NaN and infinity among them.
          last: none come after these.

        Raises:
          OSError: the last rows cannot be written.
        """
        if self._events is not None:
            self._events.append(rows)
        before, self._held = self._held, [*self._held, *rows]
        size = self.path.stat().st_size if self.path.exists() else 0
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(_line(row) for row in self._held)
            self._held = []
        except OSError as error:
            with suppress(OSError):
                os.truncate(self.path, size)
            if last:
                raise
            if not before:
                log.warning("%s is not written (%s); training goes on", self.path.name, error.strerror or error)

    def read(self) -> list[dict[str, Any]]:
        """All rows that can be read; a line cut short by a kill is left out, a damaged one with a warning."""
        if not self.path.exists():
            return []
        rows = []
        for number, line in enumerate(self.path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1], 1):
            try:
                rows.append({**json.loads(line), "step": int(json.loads(line)["step"])})
            except (ValueError, TypeError, KeyError):
                log.warning("%s: line %d could not be read and is left out", self.path.name, number)
        return rows

    def keep_until(self, step: int) -> None:
        """Drops the rows after `step`, which a resumed run will write again; the file is replaced in one move."""
        kept = [row for row in self.read() if row["step"] <= step]
        write_whole(self.path, "".join(_line(row) for row in kept))
        if self._events is not None:
            self._events.begin(kept)


def _line(row: dict[str, Any]) -> str:
    finite = {name: _null(value) for name, value in row.items()}
    return json.dumps(finite, allow_nan=False) + "\n"


def _null(value: Any) -> Any:
    """JSON has no NaN or infinity: null stands for them."""
    if isinstance(value, list):
        return [_null(item) for item in value]
    return value if not isinstance(value, float) or math.isfinite(value) else None
