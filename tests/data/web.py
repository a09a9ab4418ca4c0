"""A small web server on this machine, in a thread, that misbehaves as told."""

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """What one path answers.

    Attributes:
      body: of the whole file.
      status: 200, or an error to answer with.
      tag: the ETag, or None.
      changed: the Last-Modified date, or None.
      ranges: whether Range requests are honoured.
      cuts: bytes after which the answers break off, one for each answer; whole ones after them.
      lie: Content-Range header to send instead of the right one.
      headers: further ones.
      sized: whether Content-Length is sent.
    """

    body: bytes = b""
    status: int = 200
    tag: str | None = None
    changed: str | None = None
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    lie: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    sized: bool = True


class Web:
    """The pages by path, and the requests as they came: path and headers."""

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"
        self.pages = {}
        self.requests = []


@contextmanager
def serving():
    """Runs the server until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_GET(self):
            web.requests.append((self.path, dict(self.headers)))
            page = web.pages.get(self.path, Page(status=404))
            begin, marks = 0, {"ETag": page.tag, "Last-Modified": page.changed} | page.headers
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            status = page.status
            if asked and page.ranges and self.headers.get("If-Range") in (page.tag, page.changed):
                begin = int(asked[1])
                status = 206 if begin < len(page.body) else 416
            self.send_response(status)
            for name, value in marks.items():
                if value is not None:
                    self.send_header(name, value)
            if status == 206:
                right = f"bytes {begin}-{len(page.body) - 1}/{len(page.body)}"
                self.send_header("Content-Range", page.lie or right)
            body = page.body[begin:] if status in (200, 206) else b""
            if page.sized:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: page.cuts.pop(0)] if page.cuts else body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web = Web(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
