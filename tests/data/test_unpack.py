"""Archives in place and unpacked: every format, and every trap ends in an InputError with nothing left behind."""

import gzip
import io
import stat
import tarfile
import zipfile
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tsrl.data import unpack
from tsrl.data.unpack import extract_to, members, read_member
from tsrl.errors import InputError

FILES = {"a.txt": b"one", "deep/er/b.bin": bytes(range(256)) * 50, "deep/empty": b""}


def packed(ending, files=FILES):
    """An archive's bytes."""
    buffer = io.BytesIO()
    if ending == ".gz":
        return gzip.compress(b"".join(files.values()), mtime=0)
    if ending == ".zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("deep/", b"")
            for name, content in files.items():
                archive.writestr(name, content)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode="w:" if ending == ".tar" else "w:gz") as archive:
        folder = tarfile.TarInfo("deep")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def odd_tar(**attributes):
    """A tar file with one header that is set so."""
    info, buffer = tarfile.TarInfo("odd"), io.BytesIO()
    for name, value in attributes.items():
        setattr(info, name, value)
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(info)
    return buffer.getvalue()


def odd_zip(**attributes):
    """A zip file with one member that is set so."""
    info, buffer = zipfile.ZipInfo("odd"), io.BytesIO()
    for name, value in attributes.items():
        setattr(info, name, value)
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, b"content")
    return buffer.getvalue()


def encrypted_zip():
    """The flag in both headers is enough for a reader."""
    content = bytearray(packed(".zip", {"odd": b"content"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.rindex(mark) + offset
        content[place] |= 1
    return bytes(content)


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz", ".tgz", ".ZIP"])
def test_members_and_files(tmp_path, ending):
    path = tmp_path / f"pack{ending}"
    path.write_bytes(packed(ending.lower()))
    assert members(path) == list(FILES)
    assert {name: read_member(path, name) for name in FILES} == FILES
    extract_to(path, tmp_path / "new" / "all")
    extract_to(path, tmp_path / "some", ["deep/er/b.bin"])
    extract_to(path, tmp_path / "none", [])
    for folder, wanted in (("new/all", FILES), ("some", ["deep/er/b.bin"]), ("none", [])):
        found = {p.relative_to(tmp_path / folder).as_posix() for p in (tmp_path / folder).rglob("*") if p.is_file()}
        assert found == set(wanted)
        assert all((tmp_path / folder / name).read_bytes() == FILES[name] for name in wanted)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "none", path.name, "some"]
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["all"]


def test_gzip(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"1,2\n") + gzip.compress(b"3,4\n"))
    assert members(path) == ["table.csv"]
    assert read_member(path, "table.csv") == b"1,2\n3,4\n"
    extract_to(path, tmp_path / "out")
    assert (tmp_path / "out" / "table.csv").read_bytes() == b"1,2\n3,4\n"


def test_separators_of_windows(tmp_path):
    path = tmp_path / "pack.zip"
    path.write_bytes(odd_zip(filename="deep\\a.txt"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("deep\\", b"")
    assert members(path) == ["deep/a.txt"]
    extract_to(path, tmp_path / "out")
    assert (tmp_path / "out" / "deep" / "a.txt").read_bytes() == b"content"


TRAPS = {
    "absolute.zip": lambda: packed(".zip", {"/etc/x": b"1"}),
    "parent.zip": lambda: packed(".zip", {"a/../../x": b"1"}),
    "backslash.zip": lambda: odd_zip(filename="..\\x"),
    "drive.zip": lambda: packed(".zip", {"C:x": b"1"}),
    "dot.zip": lambda: packed(".zip", {".": b"1"}),
    "link.zip": lambda: odd_zip(external_attr=(stat.S_IFLNK | 0o777) << 16),
    "device.zip": lambda: odd_zip(external_attr=(stat.S_IFCHR | 0o777) << 16),
    "encrypted.zip": encrypted_zip,
    "absolute.tar": lambda: odd_tar(name="/etc/x"),
    "parent.tar": lambda: odd_tar(name="../x"),
    "symlink.tar": lambda: odd_tar(type=tarfile.SYMTYPE, linkname="a"),
    "hardlink.tar": lambda: odd_tar(type=tarfile.LNKTYPE, linkname="a"),
    "device.tar": lambda: odd_tar(type=tarfile.BLKTYPE),
    "fifo.tar": lambda: odd_tar(type=tarfile.FIFOTYPE),
    "sparse.tar": lambda: odd_tar(type=tarfile.GNUTYPE_SPARSE),
    "twice.tar": lambda: packed(".tar", {"a": b"1", "./a": b"2"}).replace(b"./a", b"a\0\0"),
    "other.rar": lambda: b"",
    "empty.zip": lambda: b"",
    "empty.tar": lambda: b"",
    "empty.tar.gz": lambda: b"",
    "empty.gz": lambda: b"",
    "text.gz": lambda: b"1,2\n",
}


@pytest.mark.parametrize("name", TRAPS)
def test_traps(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(TRAPS[name]())
    for call in (lambda: members(path), lambda: extract_to(path, tmp_path / "out"), lambda: read_member(path, "odd")):
        with pytest.raises(InputError, match=name):
            call()
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".gz"])
def test_bombs(tmp_path, ending, monkeypatch):
    monkeypatch.setattr(unpack, "_SMALL", 1 << 16)
    path = tmp_path / f"bomb{ending}"
    path.write_bytes(packed(ending, {"zeros": bytes(1 << 20)}))
    with pytest.raises(InputError, match="bytes packed into"):
        members(path)
    monkeypatch.setattr(unpack, "_SMALL", 1 << 20)
    assert len(members(path)) == 1
    monkeypatch.setattr(unpack, "_LARGEST_MEMBER", 1 << 19)
    with pytest.raises(InputError, match="want at most 524288"):
        members(path)
    monkeypatch.setattr(unpack, "_LARGEST_MEMBER", 1 << 20)
    monkeypatch.setattr(unpack, "_LARGEST_ARCHIVE", 1 << 19)
    with pytest.raises(InputError, match="found 1048576 bytes packed into"):
        members(path)


def test_members_that_share_their_bytes(tmp_path, monkeypatch):
    path = tmp_path / "bomb.zip"
    path.write_bytes(packed(".zip", {"a": bytes(1 << 17)}))
    with zipfile.ZipFile(path, "a") as archive:
        for name in "bcdefghi":
            info = zipfile.ZipInfo(name)
            first = archive.getinfo("a")
            for key in ("compress_type", "CRC", "compress_size", "file_size", "header_offset"):
                setattr(info, key, getattr(first, key))
            archive.filelist.append(info)
        archive._didModify = True
    assert path.stat().st_size < 2000
    monkeypatch.setattr(unpack, "_SMALL", 1 << 18)
    with pytest.raises(InputError, match="found 1179648 bytes packed into"):
        members(path)


def test_what_is_not_there(tmp_path):
    path = tmp_path / "pack.zip"
    with pytest.raises(InputError, match="found no file"):
        members(path)
    path.write_bytes(packed(".zip"))
    with pytest.raises(InputError, match="found no member 'b'"):
        read_member(path, "b")
    with pytest.raises(InputError, match="found no member 'b'"):
        extract_to(path, tmp_path / "out", ["a.txt", "b"])
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="in the way"):
        extract_to(path, tmp_path)


def test_a_file_where_a_folder_must_be(tmp_path):
    path = tmp_path / "pack.zip"
    path.write_bytes(packed(".zip", {"a": b"1", "a/b": b"2"}))
    with pytest.raises(InputError, match="a/b: found another member in its way"):
        extract_to(path, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["pack.zip"]


@cache
def whole(ending):
    return packed(ending)


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz", ".gz"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_an_input_error_or_harmless(tmp_path, ending, data):
    content = bytearray(whole(ending))
    if data.draw(st.booleans(), "cut"):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    for place in data.draw(st.lists(st.integers(0, max(len(content) - 1, 0)), max_size=4)):
        content[place : place + 1] = data.draw(st.binary(min_size=1, max_size=3))
    path = tmp_path / f"pack{ending}"
    path.write_bytes(content)
    try:
        for name in members(path):
            read_member(path, name)
    except InputError as error:
        assert path.name in str(error)  # noqa: PT017 (damage may also go unnoticed)


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".gz", ".zip"])
def test_every_cut_is_noticed(tmp_path, ending):
    path, content = tmp_path / f"pack{ending}", whole(ending)
    # A tar file ends with at least two blocks of zeros, of which one is enough.
    stop = content.rstrip(b"\0").__len__() + 512 if ending == ".tar" else len(content)
    for size in range(0, stop, 97):
        path.write_bytes(content[:size])
        with pytest.raises(InputError):
            members(path)
