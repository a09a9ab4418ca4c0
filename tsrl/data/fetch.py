"""Downloads over http and https: resumed, checked, whole or absent."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.message import Message
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from filelock import FileLock

from tsrl.errors import InputError
from tsrl.files import write_whole

Progress = Callable[[int, int | None], None]

# Seconds that one read or connection may take.
_TIMEOUT = 30.0
# Times that one address is asked while its answers break off.
_ATTEMPTS = 4
_BLOCK = 1 << 18


def fetch(urls: Sequence[str], target: Path, sha256: str | None = None, progress: Progress | None = None) -> str:
    """Downloads a file once; a later call finds it there.

    The partial file is `target.part`, beside it stands what tells whether the server's file is still the same: a later
    call goes on from there. Proxies are those of the environment (http_proxy, https_proxy, no_proxy); redirects are
    followed to http and https, never from https to http.

    Args:
      urls: addresses of the same file, tried in this order.
      target: where to; its folder is made. Processes that want the same target wait for each other.
      sha256: in hexadecimal digits. None: `target.sha256` keeps the hash of the first download, and later ones must
        have the same.
      progress: called with the bytes so far and those in all (None where the server does not say).

    Returns:
      The file's SHA-256.

    Raises:
      InputError: an argument that is none of these, or no address gave the file, with the cause for each; a file with
        another hash is removed.

    References:
      RFC 9110, sections 13.1.5 (If-Range), 14.2 (Range) and 14.4 (Content-Range).
    """
    if not urls:
        raise InputError("urls: found none, want at least one address")
    for url in urls:
        if not _is_web(url):
            raise InputError(f"urls: found {url!r}, want an address that begins with http:// or https://")
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise InputError(f"sha256: found {sha256!r}, want 64 hexadecimal digits")
    if target.is_dir():
        raise InputError(f"target: found a folder at {target}, want the name of a file")
    record, part, state = (target.with_name(target.name + end) for end in (".sha256", ".part", ".part.json"))
    # A cache that is shared may be closed: what lies in it is taken without a lock, which is a file too.
    closed = target.parent.is_dir() and not os.access(target.parent, os.W_OK | os.X_OK)
    if closed and (found := _kept(target, _wanted(record, sha256))):
        return found
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"target: found no folder at {target.parent} and none can be made ({error.strerror})"
        ) from error
    if closed:
        raise InputError(f"target: found the folder {target.parent} closed, want one that can be written to")
    with FileLock(f"{target}.lock"):
        wanted = _wanted(record, sha256)
        advice = "" if sha256 is not None else f" (delete {record.name} to accept another file)"
        if found := _kept(target, wanted):
            _keep(record, found, sha256)
            return found
        causes = []
        for url in urls:
            try:
                _download(url, part, state, progress)
            except (OSError, HTTPException, ValueError) as error:
                causes.append(f"{url}: {_cause(error)}")
                continue
            found = _hash(part)
            state.unlink(missing_ok=True)
            if wanted in (None, found):
                os.replace(part, target)
                _keep(record, found, sha256)
                return found
            part.unlink()
            causes.append(f"{url}: found the SHA-256 {found}, want {wanted}{advice}")
    raise InputError(f"download of {target.name}: found no address that gives the file:\n" + "\n".join(causes))


class _BrokenOff(OSError):
    """The answer ended early; what came is kept."""


class _Redirects(HTTPRedirectHandler):
    """Redirects within the web, and none that gives up encryption."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """The request that follows, or an HTTPError."""
        if not _is_web(newurl) or (req.type == "https" and urlsplit(newurl).scheme != "https"):
            raise HTTPError(req.full_url, code, f"found a redirect to {newurl}, want one to http or https", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_web(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).netloc)
    except ValueError:
        return False


def _wanted(record: Path, given: str | None) -> str | None:
    """The hash that the file must have: the given one, or that of the first download."""
    if given is not None:
        return given.lower()
    return record.read_text().strip() if record.is_file() else None


def _kept(target: Path, wanted: str | None) -> str | None:
    """The hash of the finished file, if it is there and has the wanted one."""
    return found if target.is_file() and wanted in (None, found := _hash(target)) else None


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _keep(record: Path, found: str, given: str | None) -> None:
    if given is None:
        write_whole(record, found + "\n")


def _cause(error: Exception) -> str:
    """One line, whatever the server put into its answer."""
    if isinstance(error, HTTPError):
        error.close()
        return f"HTTP {error.code} {' '.join(str(error.reason).split())}"
    return " ".join(str(error).split()) or type(error).__name__


def _download(url: str, part: Path, state: Path, progress: Progress | None) -> None:
    """Brings `part` to its full length, with further requests while the answers break off."""
    for attempt in range(_ATTEMPTS):
        have, validator = _partial(url, part, state)
        try:
            return _request(url, part, state, have, validator, progress)
        except _BrokenOff:
            if attempt == _ATTEMPTS - 1:
                raise
        except HTTPError as error:
            # The range begins beyond the file's end: it is shorter than it was.
            if error.code != 416 or not have:
                raise
            error.close()
            part.unlink()


def _partial(url: str, part: Path, state: Path) -> tuple[int, str]:
    """The bytes there are of this address's file, and what If-Range compares; 0 where they cannot be relied on."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        stored = json.loads(state.read_text())
        if stored["url"] == url and isinstance(stored["validator"], str):
            return part.stat().st_size, stored["validator"]
    return 0, ""


def _request(url: str, part: Path, state: Path, have: int, validator: str, progress: Progress | None) -> None:
    opener = OpenerDirector()
    for handler in (ProxyHandler, HTTPHandler, HTTPSHandler, _Redirects, HTTPErrorProcessor, HTTPDefaultErrorHandler):
        opener.add_handler(handler())
    # Without this header a server may send other bytes than the file's.
    headers = {"User-Agent": "tsrl", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with opener.open(Request(url, headers=headers), timeout=_TIMEOUT) as response:
        encoding = response.headers.get("Content-Encoding", "identity")
        # Of a file that is itself compressed some servers call the compression an encoding.
        if encoding != "identity" and not urlsplit(url).path.endswith(("gz", "bz2", "xz")):
            raise ValueError(f"found the content encoding {encoding}, want the plain file")
        sent = response.headers.get("Content-Length", "")
        total = int(sent) if sent.isdecimal() else None
        if have and response.status == 206:
            begins = re.match(rf"bytes {have}-\d+/(\d+|\*)$", response.headers.get("Content-Range", ""))
            if begins is None or _validator(response.headers) not in ("", validator):
                part.unlink()
                raise _BrokenOff("found another part of the file than was asked for")
            total = int(begins[1]) if begins[1] != "*" else have + total if total is not None else None
        elif response.status != 200:
            raise ValueError(f"found HTTP {response.status}, want 200")
        else:
            have = 0
            # In this order a kill in between never leaves old bytes beside the new file's mark.
            part.unlink(missing_ok=True)
            write_whole(state, json.dumps({"url": url, "validator": _validator(response.headers) or None}))
        with part.open("ab") as file:
            while True:
                if progress is not None:
                    progress(have, total)
                try:
                    block = response.read(_BLOCK)
                except (OSError, HTTPException) as error:
                    raise _BrokenOff(f"found {have} of {total or '?'} bytes ({type(error).__name__})") from error
                if not block:
                    break
                file.write(block)
                have += len(block)
    if total is not None and have != total:
        raise _BrokenOff(f"found {have} of {total} bytes")


def _validator(headers: Message) -> str:
    """What If-Range may compare: a strong ETag, else the date of the last change."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")
