"""A real HTTP server for a folder, with Range, that counts and that can be made to fail."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


@dataclass
class Answer:
    """What goes out for one request; faults change it.

    Attributes:
        body: bytes that are sent.
        length: that is declared; None: that of the body.
        pause_s: after every `chunk` bytes.
        header_s: between two bytes of a header without end, that comes first; 0: there is none.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    chunk: int = 1 << 20
    pause_s: float = 0.0
    header_s: float = 0.0


Fault = Callable[[str, Answer], Answer]


class WebServer:
    """Requests and bytes are counted; `fault` sees the path and the answer that would be given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fault: Fault | None = None
        self.ranges = True
        self.requests: list[str] = []
        self.sent_bytes = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else the body waits 40 ms for the header's acknowledgement

            def do_GET(self) -> None:
                outer._serve(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that are killed, mostly
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def targets_asked(self) -> list[str]:
        """Requests for files of bundles."""
        return [path for path in self.requests if path.startswith("/targets/") and not path.endswith(".json")]

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        path = unquote(handler.path)
        self.requests.append(path)
        answer = self._answer(path, handler.headers.get("Range") if self.ranges else None)
        if self.fault is not None:
            answer = self.fault(path, answer)
        try:
            handler.send_response(answer.status)
            if answer.header_s:
                handler.flush_headers()
            while answer.header_s:
                handler.wfile.write(b"X")
                time.sleep(answer.header_s)
            for name, value in answer.headers.items():
                handler.send_header(name, value)
            length = len(answer.body) if answer.length is None else answer.length
            handler.send_header("Content-Length", str(length))
            handler.end_headers()
            for start in range(0, len(answer.body), answer.chunk):
                block = answer.body[start : start + answer.chunk]
                handler.wfile.write(block)
                self.sent_bytes += len(block)
                if answer.pause_s:
                    time.sleep(answer.pause_s)
            handler.close_connection = length != len(answer.body)
        except OSError:  # the client has enough
            handler.close_connection = True

    def _answer(self, path: str, asked: str | None) -> Answer:
        file = self.folder / path.lstrip("/")
        if not file.is_file():
            return Answer(404, b"")
        data = file.read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-", asked or "")
        if found is None:
            return Answer(200, data)
        start = int(found[1])
        return Answer(206, data[start:], {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})


@contextmanager
def serving(folder: Path) -> Iterator[WebServer]:
    server = WebServer(folder)
    try:
        yield server
    finally:
        server.close()
