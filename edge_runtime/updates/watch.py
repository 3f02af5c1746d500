"""Ends what a server draws out: the timeouts of sockets begin anew with every byte, in headers and handshakes too."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

LOOK_S = 0.25


class Watch:
    """Over one transfer. Made by `Connections.watched`.

    Args:
        until_s: when it ends, as `time.monotonic` has it; may be put off.

    Attributes:
        over: whether the connection was cut.
    """

    def __init__(self, until_s: float) -> None:
        self.until_s = until_s
        self.over = False


class Connections:
    """The connections of one thread, which another one can end.

    Attributes:
        pools: for a `urllib3.PoolManager`.
    """

    def __init__(self) -> None:
        # With a second descriptor of each socket: TLS takes the first one over, and a response keeps it to itself.
        self._opened: list[tuple[HTTPConnection, socket.socket]] = []
        outer = self

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return outer._keep(self, super()._new_conn())

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return outer._keep(self, super()._new_conn())

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.pools: dict[str, type[HTTPConnectionPool]] = {"http": PlainPool, "https": SecurePool}

    @contextmanager
    def watched(self, longest_s: float, stopping: threading.Event) -> Iterator[Watch]:
        """Cut what is read within, when its time is over or the process is to end.

        Args:
            longest_s: from now on.
            stopping: set when the process is to end.
        """
        watch, done = Watch(time.monotonic() + longest_s), threading.Event()
        thread = threading.Thread(target=self._cut, args=(watch, stopping, done), name="watch", daemon=True)
        thread.start()
        try:
            yield watch
        finally:
            done.set()
            thread.join()
            self._forget()

    def _keep(self, connection: HTTPConnection, opened: socket.socket) -> socket.socket:
        self._opened.append((connection, opened.dup()))
        return opened

    def _cut(self, watch: Watch, stopping: threading.Event, done: threading.Event) -> None:
        while not done.wait(LOOK_S):
            if stopping.is_set() or time.monotonic() > watch.until_s:
                watch.over = True  # and again with the next look: a connection may just be made
                for _, handle in tuple(self._opened):
                    with suppress(OSError):
                        handle.shutdown(socket.SHUT_RDWR)

    def _forget(self) -> None:
        """What is closed by now; the others may be used again."""
        for connection, handle in self._opened:
            if connection.sock is None:
                handle.close()
        self._opened = [(connection, handle) for connection, handle in self._opened if connection.sock is not None]
