"""HTTP GET over a non-blocking socket in a `Loop`, one connection a file."""

from __future__ import annotations

import selectors
import socket
import struct
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from deploy.fleet.simulation.loop import Loop

READ_BYTES = 262_144
MOST_AT_ONCE = 500  # sockets; what comes beyond waits, as it would at a server that is full
BEHIND = 100  # as many: the server, which shares this machine with us, cannot follow; the devices' clock stands
_RESET = struct.pack("ii", 1, 0)  # on close: no TIME_WAIT, ten thousand devices would use all ports up


class Response(NamedTuple):
    """What came.

    Attributes:
        status: 0: no connection.
        body: as far as it came.
        is_whole: whether that is all of it.
        retry_after_s: that the server asks for.
    """

    status: int
    body: bytes
    is_whole: bool
    retry_after_s: float


class Fetcher:
    """Fetches files, so many at once.

    Args:
        loop: moves the sockets.
        port: of the server on 127.0.0.1.

    Attributes:
        bytes_by_second: bodies that came, by whole seconds of the devices' clock.
    """

    def __init__(self, loop: Loop, port: int) -> None:
        self.bytes_by_second: defaultdict[int, int] = defaultdict(int)
        self.loop = loop
        loop.held = self._is_behind
        self.port = port
        self._running = 0
        self._waiting: deque[tuple[str, int, Callable[[Response], None]]] = deque()

    def get(self, path: str, done: Callable[[Response], None], start: int = 0) -> None:
        """Ask for a file, from a byte on; `done` hears what came of it."""
        if self._running >= MOST_AT_ONCE:
            self._waiting.append((path, start, done))
            return
        self._running += 1
        _Get(self, path, start, lambda response: self._ended(done, response))

    def _is_behind(self) -> bool:
        return self._running > BEHIND

    def _ended(self, done: Callable[[Response], None], response: Response) -> None:
        self._running -= 1
        self.bytes_by_second[int(self.loop.now_s)] += len(response.body)
        if self._waiting:
            path, start, next_done = self._waiting.popleft()
            self.get(path, next_done, start)
        done(response)


class _Get:
    """One request."""

    def __init__(self, fetcher: Fetcher, path: str, start: int, done: Callable[[Response], None]) -> None:
        self._loop = fetcher.loop
        self._done = done
        wanted = f"Range: bytes={start}-\r\n" if start else ""
        self._request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{wanted}\r\n".encode()
        self._in = bytearray()
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        with suppress(BlockingIOError):
            self._socket.connect(("127.0.0.1", fetcher.port))
        self._loop.watch(self._socket, selectors.EVENT_WRITE, self)

    def ready(self, mask: int) -> None:
        """See `Watched`."""
        try:
            if mask & selectors.EVENT_WRITE:
                self._socket.sendall(self._request)  # smaller than any buffer
                self._loop.change(self._socket, selectors.EVENT_READ, self)
                return
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._in += data
        response = _read(self._in)
        if response.is_whole or not data:
            self._loop.forget(self._socket)
            self._done(response)


def _read(data: bytearray) -> Response:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return Response(0, b"", False, 0.0)
    lines = data[:end].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    body = bytes(data[end + 4 :])
    is_whole = len(body) >= int(headers["content-length"])
    return Response(int(lines[0].split()[1]), body, is_whole, float(headers.get("retry-after", 0)))
