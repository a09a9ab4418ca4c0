"""Files that are either whole or absent."""

import os
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file beside its place and moves it there, so that a kill leaves the old one or the new one."""
    fresh = path.with_name(path.name + ".tmp")
    fresh.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    os.replace(fresh, path)
