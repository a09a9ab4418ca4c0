"""Files put somewhere by hand, and downloads from a server on this machine."""

import hashlib

import pytest
from web import Page

from tsrl.data.builders.obtain import obtain
from tsrl.data.builders.spec import File, Source
from tsrl.data.builders.specs import SPECS
from tsrl.errors import InputError

BODY = b"1,2\n"
HASH = hashlib.sha256(BODY).hexdigest()
DEAD = "http://127.0.0.1:9/dead"


def spec(*sources):
    return SPECS["Exchange"]._replace(sources=tuple(Source(tuple(files), len) for files in sources))


def one(*urls, sha256=None, also=(), name="rates.csv"):
    return File(name, urls, sha256, also)


@pytest.mark.parametrize("name", ["rates.csv", "Other Name.csv"])
def test_by_hand_comes_before_the_web(tmp_path, name):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    path = tmp_path / "deep" / "er" / name
    path.write_bytes(BODY)
    wanted = spec([one(DEAD, sha256=HASH, also=("Other Name.csv",))])
    source, files = obtain(wanted, tmp_path / "downloads", [tmp_path / "deep"])
    assert source is wanted.sources[0]
    assert files == [("rates.csv", path, HASH, "verified")]
    assert not (tmp_path / "downloads").exists()


def test_by_hand_another_source_will_do(tmp_path):
    (tmp_path / "b1").write_bytes(BODY)
    (tmp_path / "b2").write_bytes(BODY)
    wanted = spec([one(DEAD, name="a")], [one(DEAD, name="b1"), one(DEAD, name="b2")])
    source, files = obtain(wanted, tmp_path / "downloads", [tmp_path])
    assert source is wanted.sources[1]
    assert [(file.name, file.state) for file in files] == [("b1", "unverified"), ("b2", "unverified")]


def test_by_hand_wrong_files(tmp_path):
    (tmp_path / "rates.csv").write_bytes(b"changed")
    changed = hashlib.sha256(b"changed").hexdigest()
    with pytest.raises(InputError, match=rf"Exchange: .*rates.csv: found the SHA-256 {changed}, want {HASH} of"):
        obtain(spec([one(DEAD, sha256=HASH)]), tmp_path / "downloads", [tmp_path])
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "rates.csv").write_bytes(BODY)
    with pytest.raises(
        InputError, match=r"found rates.csv more than once .*\(again/rates.csv, rates.csv\), want it once"
    ):
        obtain(spec([one(DEAD)]), tmp_path / "downloads", [tmp_path])


def test_downloads_a_known_file(tmp_path, local_web):
    local_web.pages["/good"] = Page(BODY)
    calls = []
    wanted = spec([one(DEAD, local_web.address + "/gone", local_web.address + "/good", sha256=HASH)])
    _, files = obtain(wanted, tmp_path, progress=lambda *call: calls.append(call))
    assert files == [("rates.csv", tmp_path / "tsrl_exchange" / "rates.csv", HASH, "verified")]
    assert files[0].path.read_bytes() == BODY
    assert calls[-1] == (len(BODY), len(BODY))


def test_an_unknown_file_is_held_to_its_first_download(tmp_path, local_web):
    local_web.pages["/a"] = Page(BODY)
    wanted = spec([one(local_web.address + "/a")])
    _, (file,) = obtain(wanted, tmp_path)
    assert (file.sha256, file.state) == (HASH, "unverified")
    file.path.unlink()
    local_web.pages["/a"] = Page(b"other")
    with pytest.raises(InputError, match=f"want {HASH}"):
        obtain(wanted, tmp_path)
    assert not file.path.exists()


def test_a_wrong_hash_is_not_used_and_the_next_source_is(tmp_path, local_web):
    local_web.pages |= {"/a": Page(b"other"), "/b": Page(BODY)}
    wanted = spec(
        [one(local_web.address + "/a", sha256=HASH, name="a")], [one(local_web.address + "/b", sha256=HASH, name="b")]
    )
    source, files = obtain(wanted, tmp_path)
    assert source is wanted.sources[1]
    assert [file.name for file in files] == ["b"]
    assert not (tmp_path / "tsrl_exchange" / "a").exists()


def test_nothing_works(tmp_path, local_web):
    wanted = spec([one(DEAD, name="a.csv")], [one(local_web.address + "/b", name="b.csv")])
    with pytest.raises(InputError) as caught:
        obtain(wanted, tmp_path, [tmp_path / "manual"])
    message = str(caught.value)
    assert message.startswith(
        f"Exchange: found no way to download it, want a.csv (by hand from {DEAD}); or b.csv (by hand from "
        f"{local_web.address}/b) in {tmp_path / 'manual'}\n"
    )
    assert "HTTP 404" in message
    assert "refused" in message
