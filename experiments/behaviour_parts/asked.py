"""What a task of `behaviour` is asked and gives."""

from pathlib import Path
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """What the command line says."""

    data_dir: Path | None
    steps: int | None
    seed: int
    users: int


Found = tuple[list[dict[str, Any]], list[str]]
