"""A camera that sends motion JPEG: a real HTTP server."""

from __future__ import annotations

import base64
import itertools
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

from edge_runtime.local_broker import free_port
from fissura.imaging.images import RgbImage


def picture(number: int, width: int = 96, height: int = 72) -> RgbImage:
    """A picture with noise of its own, and its number as grey levels of two squares."""
    image = np.random.default_rng(number).integers(100, 110, (height, width, 3), dtype=np.uint8)
    image[:16, :16] = 20 + 13 * (number % 16)
    image[:16, 16:32] = 20 + 13 * (number // 16 % 16)
    return image


def number_of(image: RgbImage) -> int:
    """Number of a picture, modulo 256."""
    low, high = (round((float(image[4:12, x : x + 8].mean()) - 20) / 13) for x in (4, 20))
    return low + 16 * high


def jpeg(image: RgbImage) -> bytes:
    data: bytes = cv2.imencode(".jpg", image)[1].tobytes()
    return data


def endless() -> Iterable[bytes]:
    """Ever new pictures."""
    return (jpeg(picture(number)) for number in itertools.count())


class MjpegServer:
    """Sends parts to everyone who asks; after the last part it stays silent, with the connection open.

    Args:
        parts: called for each connection.
        period_s: between two parts.
        port: None: a free one.
        login: (user, password) to ask for.
        lengths: whether parts state their length.
        tls: for HTTPS.

    Attributes:
        silent: while true, nothing is sent.
        connections: number of them so far.
    """

    def __init__(
        self,
        parts: Callable[[], Iterable[bytes]] = endless,
        *,
        period_s: float = 0.02,
        port: int | None = None,
        login: tuple[str, str] | None = None,
        lengths: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.silent = False
        self.connections = 0
        self._stopping = threading.Event()
        server = self
        expected = login and "Basic " + base64.b64encode(":".join(login).encode()).decode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if expected and self.headers.get("Authorization") != expected:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                    self.end_headers()
                    return
                server.connections += 1
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    for part in parts():
                        if not server._wait(period_s):
                            return
                        length = f"Content-Length: {len(part)}\r\n" if lengths else ""
                        head = f"--frame\r\nContent-Type: image/jpeg\r\n{length}\r\n"
                        self.wfile.write(head.encode() + part + b"\r\n")
                    if not lengths:
                        self.wfile.write(b"--frame\r\n")
                    server._stopping.wait()
                except OSError:
                    pass

            def log_message(self, *words: object) -> None:
                pass

        self.port = port or free_port()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _wait(self, period_s: float) -> bool:
        time.sleep(period_s)
        while self.silent and not self._stopping.is_set():
            time.sleep(0.02)
        return not self._stopping.is_set()

    def url(self, options: str = "", login: str = "") -> str:
        return f"{self._scheme}://{login}127.0.0.1:{self.port}/video?resolution=96x72{options}"

    def stop(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
