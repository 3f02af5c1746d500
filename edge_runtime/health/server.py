"""The HTTP endpoint: `/healthz` for who restarts, `/metrics` for who draws curves."""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fissura import __version__
from fissura.errors import UsageError

logger = logging.getLogger(__name__)

CLIENT_TIMEOUT_S = 3.0
MOST_CLIENTS = 16
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
JSON_TYPE = "application/json"


class HealthServer:
    """Listens from the beginning, and answers after `start`: from a thread of its own, each client from another.

    So a client that is silent holds up nobody.

    Args:
        host: to listen on.
        port: to listen on; 0: any that is free.
        healthz: whether all is well, and the document that says so.
        metrics: the text of `/metrics`.

    Raises:
        UsageError: the address cannot be listened on.
    """

    def __init__(
        self,
        host: str,
        port: int,
        healthz: Callable[[], tuple[bool, dict[str, object]]],
        metrics: Callable[[], bytes],
    ) -> None:
        try:
            self._server = _Server(host, port, healthz, metrics)
        except OSError as error:
            raise UsageError(
                f"health address {host}:{port} cannot be listened on: {error.strerror or error}",
                expected="an address of this device and a port that is free",
                fix="choose another with --health-port",
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.2,), name="health-server", daemon=True
        )

    @property
    def port(self) -> int:
        """What it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer; clients that came before wait until now."""
        self._thread.start()

    def close(self) -> None:
        """Listen no longer. Clients that are being answered are left to themselves. Works without `start`."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a silent client must not hold up the end
    request_queue_size = 4 * MOST_CLIENTS

    def __init__(
        self,
        host: str,
        port: int,
        healthz: Callable[[], tuple[bool, dict[str, object]]],
        metrics: Callable[[], bytes],
    ) -> None:
        self.healthz = healthz
        self.metrics = metrics
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._places = threading.BoundedSemaphore(MOST_CLIENTS)
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # http.server would ask the name service for our name, which takes its time where there is none.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "fissura", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        gone = isinstance(sys.exc_info()[1], OSError)
        logger.log(logging.DEBUG if gone else logging.WARNING, "a client could not be answered", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = CLIENT_TIMEOUT_S
    server_version = f"fissura/{__version__}"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/healthz":
            healthy, document = self.server.healthz()
            status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, JSON_TYPE, json.dumps(document).encode() + b"\n")
        elif path == "/metrics":
            self._answer(HTTPStatus.OK, METRICS_TYPE, self.server.metrics())
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"/healthz and /metrics are here\n")

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug("health endpoint: %s", format % args)

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
