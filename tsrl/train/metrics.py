"""metrics.jsonl: one line per step, in step with the checkpoints."""

import json
import os
from pathlib import Path
from typing import Any


class MetricsFile:
    """Appends JSON lines; each has a `step`.

    Args:
      path: the file; made at the first write.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Adds rows and hands them to the operating system."""
        with self.path.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def read(self) -> list[dict[str, Any]]:
        """All complete rows; a line cut short by a kill is left out."""
        if not self.path.exists():
            return []
        lines = self.path.read_text().split("\n")
        return [json.loads(line) for line in lines[:-1] if line.strip()]

    def keep_until(self, step: int) -> None:
        """Drops the rows after `step`, which a resumed run will write again; the file is replaced in one move."""
        kept = [row for row in self.read() if row["step"] <= step]
        fresh = self.path.with_suffix(".tmp")
        fresh.write_text("".join(json.dumps(row) + "\n" for row in kept))
        os.replace(fresh, self.path)
