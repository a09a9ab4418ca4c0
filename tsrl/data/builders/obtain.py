"""The published files of a set: put somewhere by hand, downloaded before, or downloaded now."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tsrl.data.builders.spec import File, Source, Spec
from tsrl.data.fetch import Progress, fetch
from tsrl.errors import InputError


class Checked(NamedTuple):
    """A file that is at hand.

    Attributes:
      name: as published.
      path: where it is.
      sha256: what it has.
      state: "verified": it equals the published file; "unverified": nobody knows the published hash. A downloaded one
        is then held to the hash of its first download.
    """

    name: str
    path: Path
    sha256: str
    state: str


def obtain(
    spec: Spec, downloads: Path, manual: Sequence[Path] = (), progress: Progress | None = None
) -> tuple[Source, list[Checked]]:
    """Finds or downloads the files of one source; those put there by hand come first.

    Args:
      spec: of the set.
      downloads: the folder of all downloads; a set has one of its own in it.
      manual: folders where people put files; they are looked up by name, in sub-folders too.
      progress: see `fetch`.

    Returns:
      The source, and its files in its order.

    Raises:
      InputError: a file with another hash than the published one, one that a folder has twice, or no complete source:
        the message says which file to put where, and every address that failed.
    """
    by_hand = {file: _find(spec, file, manual) for source in spec.sources for file in source.files}
    for source in spec.sources:
        paths = [by_hand[file] for file in source.files]
        if all(paths):
            return source, [_check(spec, file, path) for file, path in zip(source.files, paths, strict=True) if path]
    causes = []
    for source in spec.sources:
        try:
            return source, [
                _check(spec, file, path) if (path := by_hand[file]) else _download(spec, file, downloads, progress)
                for file in source.files
            ]
        except InputError as error:
            causes.append(str(error))
    places = " or ".join(str(folder) for folder in manual) or "a folder"
    choices = "; or ".join(
        " and ".join(f"{file.name} (by hand from {file.urls[0]})" for file in source.files) for source in spec.sources
    )
    raise InputError(f"{spec.name}: found no way to download it, want {choices} in {places}\n" + "\n".join(causes))


def _find(spec: Spec, file: File, folders: Sequence[Path]) -> Path | None:
    for folder in folders:
        for name in (file.name, *file.also):
            found = sorted(path for path in folder.rglob(name) if path.is_file())
            if len(found) > 1:
                shown = ", ".join(str(path.relative_to(folder)) for path in found)
                raise InputError(f"{spec.name}: found {name} more than once in {folder} ({shown}), want it once")
            if found:
                return found[0]
    return None


def _check(spec: Spec, file: File, path: Path) -> Checked:
    with path.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if file.sha256 not in (None, found):
        raise InputError(
            f"{spec.name}: {path}: found the SHA-256 {found}, want {file.sha256} of the published {file.name}"
        )
    return Checked(file.name, path, found, "verified" if file.sha256 else "unverified")


def _download(spec: Spec, file: File, downloads: Path, progress: Progress | None) -> Checked:
    path = downloads / spec.builder / file.name
    found = fetch(file.urls, path, file.sha256, progress)
    return Checked(file.name, path, found, "verified" if file.sha256 else "unverified")
