"""Downloads from a server on this machine: whole, resumed, checked, or absent."""

import hashlib
import io
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPMessage
from urllib.error import HTTPError
from urllib.request import Request

import numpy as np
import pytest
from web import Page, serving

from tsrl.data import fetch as module
from tsrl.data.fetch import fetch
from tsrl.errors import InputError

BODY = np.random.default_rng(0).bytes(1_000_003)
HASH = hashlib.sha256(BODY).hexdigest()
OTHER = BODY[::-1]


@pytest.fixture(scope="module")
def _server():
    with serving() as web:
        yield web


@pytest.fixture
def web(_server, monkeypatch):
    # A proxy of the machine's would be asked for its own addresses.
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    _server.pages.clear()
    _server.requests.clear()
    return _server


def ranges(web):
    return [headers.get("Range") for _, headers in web.requests]


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_file_and_its_hash(web, tmp_path):
    web.pages["/a"] = Page(BODY)
    target = tmp_path / "new" / "a.zip"
    assert fetch([web.address + "/a"], target) == HASH
    assert target.read_bytes() == BODY
    assert files(target.parent) == ["a.zip", "a.zip.sha256"]
    assert web.requests[0][1]["User-Agent"] == "tsrl"
    # A second call finds it there.
    assert fetch([web.address + "/a"], target) == HASH
    assert len(web.requests) == 1


def test_a_known_hash_leaves_no_record(web, tmp_path):
    web.pages["/a"] = Page(BODY)
    assert fetch([web.address + "/a"], tmp_path / "a", HASH.upper()) == HASH
    assert files(tmp_path) == ["a"]


@pytest.mark.parametrize("marks", [{"tag": '"one"'}, {"changed": "Wed, 21 Oct 2015 07:28:00 GMT"}])
def test_goes_on_after_a_cut(web, tmp_path, marks):
    web.pages["/a"] = Page(BODY, cuts=[300_000, 200_000], **marks)
    assert fetch([web.address + "/a"], tmp_path / "a") == HASH
    assert ranges(web) == [None, "bytes=300000-", "bytes=500000-"]
    assert files(tmp_path) == ["a", "a.sha256"]


def test_a_later_call_goes_on(web, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_ATTEMPTS", 1)
    web.pages["/a"] = Page(BODY, tag='"one"', cuts=[300_000])
    with pytest.raises(InputError, match="found 300000 of 1000003 bytes"):
        fetch([web.address + "/a"], tmp_path / "a")
    assert files(tmp_path) == ["a.part", "a.part.json"]
    calls = []
    assert fetch([web.address + "/a"], tmp_path / "a", progress=lambda *call: calls.append(call)) == HASH
    assert calls[0] == (300_000, len(BODY))
    assert ranges(web) == [None, "bytes=300000-"]


@pytest.mark.parametrize("page", [Page(BODY, ranges=False, tag='"one"'), Page(BODY), Page(BODY, tag='W/"weak"')])
def test_begins_anew_where_it_cannot_go_on(web, tmp_path, page):
    page.cuts = [300_000]
    web.pages["/a"] = page
    assert fetch([web.address + "/a"], tmp_path / "a") == HASH
    assert (tmp_path / "a").read_bytes() == BODY


@pytest.mark.parametrize("new", [OTHER, OTHER[:100]])
def test_a_changed_file_is_not_glued(web, tmp_path, monkeypatch, new):
    monkeypatch.setattr(module, "_ATTEMPTS", 1)
    web.pages["/a"] = Page(BODY, tag='"one"', cuts=[300_000])
    with pytest.raises(InputError):
        fetch([web.address + "/a"], tmp_path / "a")
    web.pages["/a"] = Page(new, tag='"two"')
    assert fetch([web.address + "/a"], tmp_path / "a") == hashlib.sha256(new).hexdigest()
    assert web.requests[-1][1]["If-Range"] == '"one"'


def test_a_range_beyond_the_end(web, tmp_path, monkeypatch):
    web.pages["/a"] = Page(BODY, tag='"one"', cuts=[300_000])
    monkeypatch.setattr(module, "_ATTEMPTS", 1)
    with pytest.raises(InputError):
        fetch([web.address + "/a"], tmp_path / "a")
    monkeypatch.undo()
    web.pages["/a"] = Page(BODY[:200_000], tag='"one"')
    fetch([web.address + "/a"], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == BODY[:200_000]


@pytest.mark.parametrize("lie", ["bytes 5-1000002/1000003", "nonsense"])
def test_another_range_than_asked_for(web, tmp_path, lie):
    web.pages["/a"] = Page(BODY, tag='"one"', cuts=[300_000], lie=lie)
    assert fetch([web.address + "/a"], tmp_path / "a") == HASH
    assert ranges(web) == [None, "bytes=300000-", None]


@pytest.mark.parametrize("junk", ["", "[]", '{"url": 1}', "\0"])
def test_a_partial_file_without_a_readable_mark(web, tmp_path, junk):
    (tmp_path / "a.part").write_bytes(b"old")
    (tmp_path / "a.part.json").write_text(junk)
    web.pages["/a"] = Page(BODY, tag='"one"')
    assert fetch([web.address + "/a"], tmp_path / "a") == HASH


def test_a_short_body_is_an_error(web, tmp_path):
    web.pages["/a"] = Page(BODY, cuts=[10] * 9)
    with pytest.raises(InputError, match="found 10 of 1000003 bytes"):
        fetch([web.address + "/a"], tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert len(web.requests) == module._ATTEMPTS


def test_a_body_of_unknown_length(web, tmp_path):
    web.pages["/a"] = Page(BODY, sized=False)
    calls = []
    assert fetch([web.address + "/a"], tmp_path / "a", progress=lambda *call: calls.append(call)) == HASH
    assert (calls[0], calls[-1]) == ((0, None), (len(BODY), None))


def test_progress(web, tmp_path):
    web.pages["/a"] = Page(BODY)
    calls = []
    fetch([web.address + "/a"], tmp_path / "a", progress=lambda *call: calls.append(call))
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert (done[0], done[-1], len(done) > 3, {call[1] for call in calls}) == (0, len(BODY), True, {len(BODY)})


def test_a_wrong_hash(web, tmp_path):
    web.pages["/a"] = Page(OTHER)
    with pytest.raises(InputError) as caught:
        fetch([web.address + "/a"], tmp_path / "a", HASH)
    assert HASH in str(caught.value)
    assert hashlib.sha256(OTHER).hexdigest() in str(caught.value)
    assert files(tmp_path) == []


def test_the_first_download_is_remembered(web, tmp_path):
    web.pages["/a"] = Page(BODY)
    fetch([web.address + "/a"], tmp_path / "a")
    (tmp_path / "a").unlink()
    web.pages["/a"] = Page(OTHER)
    with pytest.raises(InputError, match=r"delete a\.sha256"):
        fetch([web.address + "/a"], tmp_path / "a")
    assert files(tmp_path) == ["a.sha256"]


def test_a_damaged_file_is_fetched_again(web, tmp_path):
    web.pages["/a"] = Page(BODY)
    fetch([web.address + "/a"], tmp_path / "a")
    (tmp_path / "a").write_bytes(BODY[:-1])
    assert fetch([web.address + "/a"], tmp_path / "a") == HASH
    assert (tmp_path / "a").read_bytes() == BODY


def test_mirrors_in_order(web, tmp_path):
    web.pages |= {"/500": Page(status=500), "/bad": Page(OTHER), "/good": Page(BODY), "/unused": Page(BODY)}
    addresses = [web.address + path for path in ("/missing", "/500", "/bad", "/good", "/unused")]
    assert fetch(addresses, tmp_path / "a", HASH) == HASH
    assert [path for path, _ in web.requests] == ["/missing", "/500", "/bad", "/good"]


def test_every_address_and_its_cause(web, tmp_path):
    web.pages["/zipped"] = Page(BODY, headers={"Content-Encoding": "gzip"})
    addresses = [
        web.address + "/missing",
        web.address + "/zipped",
        "http://127.0.0.1:1/refused",
        "http://[",
        "http://a b/",
    ]
    with pytest.raises(InputError, match="urls: found 'http://\\['"):
        fetch(addresses, tmp_path / "a")
    del addresses[3]
    with pytest.raises(InputError) as caught:
        fetch(addresses, tmp_path / "a")
    first, *lines = str(caught.value).splitlines()
    assert first.startswith("download of a:")
    assert [line.split(": ")[0] for line in lines] == addresses
    assert "HTTP 404" in lines[0]
    assert "encoding gzip" in lines[1]


def test_a_compressed_file_may_be_called_encoded(web, tmp_path):
    web.pages["/a.csv.gz"] = Page(BODY, headers={"Content-Encoding": "x-gzip"})
    assert fetch([web.address + "/a.csv.gz"], tmp_path / "a.csv.gz") == HASH


@pytest.mark.parametrize("status", [206, 202])
def test_an_answer_that_is_not_the_whole_file(web, tmp_path, status):
    web.pages["/a"] = Page(BODY, status=status)
    with pytest.raises(InputError, match=f"found HTTP {status}, want 200"):
        fetch([web.address + "/a"], tmp_path / "a")
    assert files(tmp_path) == []


def test_a_redirect_keeps_the_encryption():
    secure, headers = Request("https://127.0.0.1/a"), HTTPMessage()
    with pytest.raises(HTTPError, match="found a redirect to http://") as caught:
        module._Redirects().redirect_request(secure, io.BytesIO(), 302, "Found", headers, "http://127.0.0.1/a")
    caught.value.close()
    followed = module._Redirects().redirect_request(secure, io.BytesIO(), 302, "Found", headers, "https://127.0.0.1/b")
    assert followed.full_url == "https://127.0.0.1/b"


@pytest.mark.parametrize("place", ["file:///etc/hostname", "ftp://127.0.0.1/a", "data:,a"])
def test_redirects_stay_in_the_web(web, tmp_path, place):
    web.pages["/out"] = Page(status=302, headers={"Location": place})
    with pytest.raises(InputError, match="HTTP 302"):
        fetch([web.address + "/out"], tmp_path / "a")
    web.pages |= {"/moved": Page(status=302, headers={"Location": "/a"}), "/a": Page(BODY)}
    assert fetch([web.address + "/moved"], tmp_path / "a") == HASH


def test_proxies_of_the_environment_are_not_used(web, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    web.pages["/a"] = Page(BODY)
    assert fetch([web.address + "/a"], tmp_path / "a") == HASH


@pytest.mark.parametrize(
    ("urls", "sha256", "message"),
    [
        ([], None, "urls: found none"),
        (["file:///a"], None, "urls: found 'file:///a'"),
        (["http:///a"], None, "urls: found"),
        (["http://127.0.0.1:1/"], "abc", "sha256: found 'abc'"),
    ],
)
def test_wrong_arguments(tmp_path, urls, sha256, message):
    with pytest.raises(InputError, match=message):
        fetch(urls, tmp_path / "new" / "a", sha256)
    assert not (tmp_path / "new").exists()
    with pytest.raises(InputError, match="target: found a folder"):
        fetch(["http://127.0.0.1:1/"], tmp_path)


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="target: found no folder"):
        fetch(["http://127.0.0.1:1/"], tmp_path / "file" / "a")


def test_a_closed_folder_gives_what_it_has(tmp_path, monkeypatch):
    urls, kept = ["http://127.0.0.1:9/dead"], tmp_path / "kept"
    kept.write_bytes(BODY)
    monkeypatch.setattr(module.os, "access", lambda path, mode: False)
    monkeypatch.setattr(module, "FileLock", lambda path: pytest.fail("a lock was wanted"))
    assert (fetch(urls, kept, HASH), fetch(urls, kept), files(tmp_path)) == (HASH, HASH, ["kept"])
    (tmp_path / "kept.sha256").write_text("0" * 64)
    for sha256, target in [("0" * 64, kept), (HASH, tmp_path / "absent"), (None, kept)]:
        with pytest.raises(InputError, match=r"target: found the folder .* closed, want one"):
            fetch(urls, target, sha256)


def _fetch(job):
    return fetch(*job)


def test_processes_and_threads_share_one_download(web, tmp_path):
    web.pages["/a"] = Page(BODY)
    job = ([web.address + "/a"], tmp_path / "a")
    with multiprocessing.get_context("spawn").Pool(2) as pool, ThreadPoolExecutor(2) as threads:
        assert {*pool.map(_fetch, [job] * 2), *threads.map(_fetch, [job] * 2)} == {HASH}
    assert len(web.requests) == 1
    assert (tmp_path / "a").read_bytes() == BODY


def test_the_environments_proxy_is_used(web, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", web.address)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    web.pages["http://files.test/a"] = Page(BODY)
    assert fetch(["http://files.test/a"], tmp_path / "a") == HASH
    assert web.requests[0][0] == "http://files.test/a"
