"""Files out of a published archive, found by the ends of their names."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tsrl.data import unpack
from tsrl.errors import InputError

_ENDINGS = (".zip", ".tar.gz", ".tgz", ".tar", ".gz")


def contents(path: Path, endings: Sequence[str]) -> list[bytes]:
    """The contents of the files whose names end so.

    Args:
      path: of a zip, tar or gzip archive, which may hold the zip archive that holds the files; or of the one file.
      endings: of the names inside, slashes included; one for each file.

    Returns:
      As many contents.

    Raises:
      InputError: as `unpack.members`; none or more than one file of such a name.
    """
    if not path.name.lower().endswith(_ENDINGS):
        if len(endings) != 1:
            raise InputError(f"{path.name}: found no archive by its name, want one of {', '.join(_ENDINGS)}")
        return [path.read_bytes()]
    # What macOS adds has the names of the files that it describes.
    names = [name for name in unpack.members(path) if not name.startswith("__MACOSX/")]
    inside = [name for name in names if name.lower().endswith(".zip")]
    if len(inside) == 1 and not any(name.endswith(tuple(endings)) for name in names):
        with tempfile.TemporaryDirectory() as folder:
            nested = Path(folder, Path(inside[0]).name)
            nested.write_bytes(unpack.read_member(path, inside[0]))
            return contents(nested, endings)
    found = []
    for ending in endings:
        matches = [name for name in names if name.endswith(ending)]
        if len(matches) != 1:
            shown = ", ".join(sorted(matches or names)[:5])
            raise InputError(f"{path.name}: found {len(matches)} files named ...{ending} in {shown}, want one")
        found.append(unpack.read_member(path, matches[0]))
    return found
