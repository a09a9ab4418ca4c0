"""Files found by the ends of their names in archives of every published kind."""

import gzip
import io
import tarfile
import zipfile

import pytest

from tsrl.data.builders.inside import contents
from tsrl.errors import InputError


def zipped(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def tarred(files):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    return content.getvalue()


FILES = {"a/one_x.txt": b"1", "a/two_x.txt": b"2", "readme": b"words"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", zipped(FILES)),
        ("a.tar.gz", tarred(FILES)),
        ("outer.zip", zipped({"inner.zip": zipped(FILES), "inner.names": b"?"})),
        ("mac.zip", zipped(FILES | {f"__MACOSX/{name}": b"!" for name in FILES})),
    ],
)
def test_by_the_ends_of_names(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert contents(tmp_path / name, ["/two_x.txt", "one_x.txt"]) == [b"2", b"1"]
    with pytest.raises(InputError, match=r"found 2 files named ..._x.txt in a/one_x.txt, a/two_x.txt, want one"):
        contents(tmp_path / name, ["_x.txt"])
    with pytest.raises(InputError, match=r"found 0 files named ...three.txt"):
        contents(tmp_path / name, ["one_x.txt", "three.txt"])


def test_a_file_alone(tmp_path):
    (tmp_path / "plain.txt").write_bytes(b"1")
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress(b"2"))
    assert contents(tmp_path / "plain.txt", ["any"]) == [b"1"]
    assert contents(tmp_path / "packed.txt.gz", [".txt"]) == [b"2"]
    with pytest.raises(InputError, match=r"plain.txt: found no archive by its name"):
        contents(tmp_path / "plain.txt", ["a", "b"])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", zipped(FILES)[:-30]])
def test_damaged_archives(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"^a.zip: found a damaged archive"):
        contents(tmp_path / "a.zip", ["one_x.txt"])
