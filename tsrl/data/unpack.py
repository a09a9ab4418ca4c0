"""Zip, tar and gzip files, read in place or unpacked; whatever could write elsewhere or fill the disk is refused."""

import gzip
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

from tsrl.data.npz import readable
from tsrl.errors import InputError

# Unpacked bytes of one member, and of all: more is refused.
_LARGEST_MEMBER = 16 << 30
_LARGEST_ARCHIVE = 64 << 30
# Deflate reaches 1000 on zeros, text and numbers 2 to 50. Up to the size below a member may do as it likes.
_LARGEST_RATIO = 200
_SMALL = 256 << 20
_DAMAGED = "a damaged archive, want a whole one"


class _Member(NamedTuple):
    name: str
    size: int
    open: Callable[[], Any]


def members(path: Path) -> list[str]:
    """The files in an archive.

    Args:
      path: of a .zip (or .npz), .tar, .tar.gz, .tgz or .gz file, told apart by its name; a .gz file holds one file,
        called as itself without ".gz".

    Returns:
      Their paths, with "/"; folders are left out.

    Raises:
      InputError: no such file, a damaged one, or one with a member that is refused: an absolute path or one through
        "..", a link, a device, an encrypted or sparse file, a name twice, one over 16 GiB, or one over 256 MiB that is
        packed to less than a 200th of its size; or members that together are over 64 GiB or so packed.
    """
    with _archive(path) as found:
        return [member.name for member in found]


def read_member(path: Path, name: str) -> bytes:
    """One file of an archive; of a .tar.gz everything is unpacked for it.

    Args:
      path: see `members`.
      name: one of `members(path)`.

    Returns:
      Its bytes, whose checksum was compared where the format has one.

    Raises:
      InputError: see `members`; or no such member.
    """
    with _archive(path) as found:
        (member,) = _chosen(found, [name], path)
        with readable(f"{path.name}: {name}", _DAMAGED), member.open() as file:
            content = file.read(member.size + 1)
            if len(content) != member.size:
                raise EOFError
            return content


def extract_to(path: Path, folder: Path, wanted: Collection[str] | None = None) -> None:
    """Unpacks an archive into a new folder, which appears with all its files or not at all.

    Args:
      path: see `members`.
      folder: must not exist.
      wanted: names of members; default: all.

    Raises:
      InputError: see `members`; or a wanted member that is not there, or a folder that is.
    """
    if folder.exists():
        raise InputError(f"{path.name}: found {folder.name} in the way, want a new folder to unpack to")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        fresh = temporary / folder.name
        fresh.mkdir()
        with _archive(path) as found:
            for member in _chosen(found, wanted, path):
                _unpack(member, fresh / member.name, f"{path.name}: {member.name}")
        try:
            os.rename(fresh, folder)
        except OSError as error:
            raise InputError(f"{path.name}: found {folder.name} in the way, want a new folder to unpack to") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unpack(member: _Member, place: Path, what: str) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        file = place.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{what}: found another member in its way, want one file or folder of a name") from error
    size = 0
    with file, readable(what, _DAMAGED), member.open() as packed:
        while block := packed.read(1 << 20):
            size += len(block)
            file.write(block)
        if size != member.size:
            raise EOFError


def _chosen(found: list[_Member], wanted: Collection[str] | None, path: Path) -> list[_Member]:
    known = {member.name for member in found}
    for name in wanted or ():
        if name not in known:
            raise InputError(f"{path.name}: found no member {name!r}, want one of its {len(known)}")
    return [member for member in found if wanted is None or member.name in wanted]


@contextmanager
def _archive(path: Path) -> Iterator[list[_Member]]:
    """The members, checked; they can be opened until the end of the block."""
    if not path.is_file():
        raise InputError(f"archive: found no file at {path}")
    kinds = {".zip": _zip, ".npz": _zip, ".tar": _tar, ".tar.gz": _tar, ".tgz": _tar, ".gz": _gzip}
    kind = next((kinds[ending] for ending in kinds if path.name.lower().endswith(ending)), None)
    if kind is None:
        raise InputError(f"{path.name}: found no archive by its name, want {', '.join(kinds)}")
    with ExitStack() as stack:
        with readable(path.name, _DAMAGED):
            found = stack.enter_context(kind(path))
            _check(found, path)
        yield found


def _check(found: list[_Member], path: Path) -> None:
    seen: set[str] = set()
    for member in found:
        parts = PurePosixPath(member.name).parts
        leads_out = member.name.startswith("/") or ".." in parts or PureWindowsPath(member.name).drive
        if not parts or leads_out or "\\" in member.name or "\0" in member.name:
            raise _refused(path, member.name, "a path", "one inside the folder")
        if member.name in seen:
            raise _refused(path, member.name, "the name twice", "it once")
        if member.size > _LARGEST_MEMBER:
            raise _refused(path, member.name, f"{member.size} bytes", f"at most {_LARGEST_MEMBER}")
        seen.add(member.name)
    total, packed = sum(member.size for member in found), path.stat().st_size
    # Members that share their packed bytes are each small.
    if total > _LARGEST_ARCHIVE or total > max(_SMALL, packed * _LARGEST_RATIO):
        raise InputError(f"{path.name}: found {total} bytes packed into {packed}, want a lesser size or ratio")


def _refused(path: Path, name: str, found: str, wanted: str) -> InputError:
    return InputError(f"{path.name}: member {name!r}: found {found}, want {wanted}")


def _check_ratio(path: Path, name: str, size: int, packed: int) -> None:
    if size > max(_SMALL, packed * _LARGEST_RATIO):
        raise _refused(path, name, f"{size} bytes packed into {packed}", f"at most {_LARGEST_RATIO} times the packed")


@contextmanager
def _zip(path: Path) -> Iterator[list[_Member]]:
    with zipfile.ZipFile(path) as archive:
        found = []
        for info in archive.infolist():
            # Some programs for Windows write its separator.
            name = info.filename.replace("\\", "/")
            if name.endswith("/"):
                continue
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise _refused(path, name, "a link or a device", "a file")
            if info.flag_bits & 1:
                raise _refused(path, name, "an encrypted file", "a plain one")
            _check_ratio(path, name, info.file_size, info.compress_size)
            found.append(_Member(name, info.file_size, partial(archive.open, info)))
        yield found


@contextmanager
def _tar(path: Path) -> Iterator[list[_Member]]:
    packed = path.stat().st_size
    with tarfile.open(path, "r:" if path.name.lower().endswith(".tar") else "r:gz") as archive:
        found, total = [], 0
        for info in archive:
            if info.isdir():
                continue
            if not info.isreg() or info.issparse():
                raise _refused(path, info.name, "a link, a device or a sparse file", "a file")
            total += info.size
            _check_ratio(path, info.name, total, packed)
            found.append(_Member(info.name, info.size, partial(archive.extractfile, info)))
        # tarfile takes a damaged header for the end; a whole archive ends with zeros.
        archive.fileobj.seek(archive.offset)
        end = archive.fileobj.read(tarfile.BLOCKSIZE)
        if end != bytes(tarfile.BLOCKSIZE):
            raise EOFError
        # Only behind the last byte does gzip compare its checksum.
        while archive.fileobj.read(1 << 20):
            pass
        yield found


@contextmanager
def _gzip(path: Path) -> Iterator[list[_Member]]:
    packed, size, name = path.stat().st_size, 0, path.name[: -len(".gz")]
    if not packed:
        raise EOFError
    # The size is not stored: all is unpacked once, and nothing kept.
    with gzip.open(path) as file:
        while block := file.read(1 << 20):
            size += len(block)
            _check_ratio(path, name, size, packed)
    yield [_Member(name, size, partial(gzip.open, path))]
