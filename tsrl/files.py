"""Files that are either whole or absent."""

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Writes a text file beside its place and moves it there, so that a kill leaves the old one or the new one."""
    fresh = path.with_name(path.name + ".tmp")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)
