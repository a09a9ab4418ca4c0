"""Files and folders that are either whole or absent."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file beside its place and moves it there, so that a kill leaves the old one or the new one."""
    fresh = path.with_name(path.name + ".tmp")
    fresh.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    os.replace(fresh, path)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder beside its place, moved there at the end; after an exception nothing is left.

    Args:
      folder: absent or empty.

    Yields:
      Where to write instead.
    """
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh.mkdir()
    try:
        yield fresh
        os.replace(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
