"""A GNSS receiver behind gpsd: ``gpsd://HOST[:2947]``."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from edge_runtime.frame import Frame
from edge_runtime.ratelimit import RateLimitedLog
from fissura.errors import ConfigError
from fissura.messages import Position

logger = logging.getLogger(__name__)

PORT = 2947
WATCH = b'?WATCH={"enable":true,"json":true};\n'
LONGEST_AGE_S = 2.0  # between a fix and a frame
REMEMBERED = 64  # fixes: frames are looked at some time after their capture
SILENCE_S = 10.0  # gpsd says something every second
WAIT_S = 2.0  # before it is asked again
LONGEST_LINE_BYTES = 65_536
FIX_2D = 2  # its modes below have no position


class GpsdPosition:
    """A `PositionSource` with a thread of its own, which connects again and again.

    Args:
        target: what follows `gpsd:`.

    Raises:
        ConfigError: it is no address.
    """

    def __init__(self, target: str) -> None:
        try:
            parts = urlsplit(f"gpsd:{target}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.path.strip("/") or "@" in parts.netloc:
            raise ConfigError(f"position 'gpsd:{target}' is not understood", expected="gpsd://HOST[:PORT]")
        self._address = (host, port or PORT)
        self._fixes: deque[tuple[int, Position]] = deque(maxlen=REMEMBERED)
        self._closing = threading.Event()
        self._log = RateLimitedLog(logger, 60.0)
        self._thread = threading.Thread(target=self._run, name="position-gpsd", daemon=True)
        self._thread.start()

    def at(self, frame: Frame) -> Position | None:
        captured_ns = frame.captured_monotonic_ns
        nearest = min(tuple(self._fixes), key=lambda fix: abs(fix[0] - captured_ns), default=None)
        if nearest is None or abs(nearest[0] - captured_ns) > LONGEST_AGE_S * 1e9:
            return None
        return nearest[1]

    def close(self) -> None:
        self._closing.set()
        self._thread.join(WAIT_S)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with socket.create_connection(self._address, timeout=SILENCE_S) as connection:
                    connection.sendall(WATCH)
                    self._listen(connection)
            except OSError as error:
                self._log.warning("connection", f"gpsd at {self._address[0]}:{self._address[1]}: {error}")
            except Exception as error:  # whatever it sends, what comes later may be better
                self._log.warning("report", f"gpsd sends what cannot be read: {type(error).__name__}: {error}")
            self._closing.wait(WAIT_S)

    def _listen(self, connection: socket.socket) -> None:
        """Take reports until the connection ends."""
        connection.settimeout(0.5)
        pending, heard_s = b"", time.monotonic()
        while not self._closing.is_set():
            try:
                data = connection.recv(LONGEST_LINE_BYTES)
            except TimeoutError:
                if time.monotonic() - heard_s > SILENCE_S:
                    raise TimeoutError(f"silent for {SILENCE_S:g} s") from None
                continue
            if not data:
                raise ConnectionError("gpsd has ended the connection")
            heard_s, now_ns = time.monotonic(), time.monotonic_ns()
            *lines, pending = (pending + data).split(b"\n")
            if len(pending) > LONGEST_LINE_BYTES:
                raise ConnectionError("a report without an end")
            for line in lines:
                if (position := read_report(line)) is not None:
                    self._fixes.append((now_ns, position))


def read_report(line: bytes) -> Position | None:
    """The position in a line of gpsd's protocol; None: there is none in it, or no fix."""
    try:
        report: Any = json.loads(line)
    except (ValueError, RecursionError):  # no JSON, or brackets without an end
        return None
    if not isinstance(report, dict) or report.get("class") != "TPV":
        return None
    mode, track = report.get("mode"), report.get("track")
    if not isinstance(mode, int) or mode < FIX_2D:
        return None
    try:
        return Position.model_validate(
            {
                "latitude_deg": report.get("lat"),
                "longitude_deg": report.get("lon"),
                "altitude_m": report.get("altHAE") if mode > FIX_2D else None,
                "accuracy_m": report.get("eph"),
                "heading_deg": track % 360 if isinstance(track, (int, float)) else None,
                "speed_mps": report.get("speed"),
            }
        )
    except ValidationError:  # a fix without coordinates
        return None
