"""Runs python-tuf's own tests of its client over our HTTP: a plugin for pytest.

They come with its source distribution, not with its wheel, in a package that is called `tests` as well::

    pip install freezegun && pip download --no-deps --no-binary tuf tuf==7.0.1 && tar xzf tuf-7.0.1.tar.gz
    cd tuf-7.0.1 && PYTHONPATH=.:CHECKOUT/tests/edge_runtime/updates \\
        python -m pytest -c /dev/null --rootdir . -p over_http tests/test_updater_*.py

Their repository lives in memory, and is asked by calls. Here it stands behind a real server, and is asked by `Fetcher`.
tuf-conformance asks much the same of a program; it is on GitHub only, not on PyPI.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from edge_runtime.updates.fetcher import Fetcher
from edge_runtime.updates.http import Http

asked = 0


class Served(FetcherInterface):
    """A fetcher of theirs behind a server."""

    def __init__(self, theirs: FetcherInterface) -> None:
        outer = self
        self.host = ""

        class Handler(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                global asked
                asked += 1
                # As a server for files does; roles with odd names are files whose names have the quotes in them.
                path = unquote(self.path) if self.path.startswith("/targets/") else self.path
                try:
                    status, body = 200, b"".join(theirs._fetch(outer.host + path))
                except DownloadHTTPError as error:
                    status, body = error.status_code, b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.ours = Fetcher(Http(self.url, timeout_s=10), longest_s=30)

    def _fetch(self, url: str) -> Iterator[bytes]:
        scheme, _, rest = url.partition("://")
        host, _, path = rest.partition("/")
        self.host = f"{scheme}://{host}"
        return self.ours._fetch(f"{self.url}/{path}")


@pytest.fixture(autouse=True)
def _over_http(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    make, servers = Updater.__init__, []

    def make_over_http(self: Updater, *values: Any, **named: Any) -> None:
        if named.get("fetcher") is not None:
            servers.append(Served(named["fetcher"]))
            named["fetcher"] = servers[-1]
        elif len(values) > 4:
            servers.append(Served(values[4]))
            values = (*values[:4], servers[-1], *values[5:])
        make(self, *values, **named)

    monkeypatch.setattr(Updater, "__init__", make_over_http)
    yield
    for served in servers:
        served.server.shutdown()
        served.server.server_close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"{asked} requests over HTTP")
