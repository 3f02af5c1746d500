"""One thread that moves ten thousand sockets.

It has a clock of its own, which the devices live by: it stands while this machine cannot follow. Else what was late
would come all at once, which no real fleet does: its devices have processors of their own. How long the clock stood is
counted.
"""

from __future__ import annotations

import heapq
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

logger = logging.getLogger(__name__)

LONGEST_S = 0.5
HELD_S = 0.005  # between two looks whether it still has to stand
LATE_S = 0.1  # in one turn, before the clock stands


class Watched(Protocol):
    """Somebody with a socket."""

    def ready(self, mask: int) -> None:
        """It can be read or written: `selectors.EVENT_READ | EVENT_WRITE`."""
        ...


class Loop:
    """Sockets and alarms. Everything but `post`, `start` and `close` belongs into its own thread.

    Attributes:
        errors: of what was called; the loop goes on.
        held: whether the clock is to stand, since something else cannot follow; asked again and again.
        stood_s: how long it stood in all.
    """

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.held: Callable[[], bool] = lambda: False
        self.stood_s = 0.0
        self._now_s = 0.0
        self._selector = selectors.DefaultSelector()
        self._alarms: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._posted: deque[Callable[[], None]] = deque()
        self._stopping = False
        self._waker, self._wakes = socket.socketpair()
        self._waker.setblocking(False)
        self._wakes.setblocking(False)
        self._selector.register(self._wakes, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the thread, and every socket with it."""
        self._stopping = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        for key in tuple(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()
        self._waker.close()

    def post(self, action: Callable[[], None]) -> None:
        """Have something done in the loop's thread, soon. From any thread."""
        self._posted.append(action)
        self._wake()

    @property
    def now_s(self) -> float:
        """The devices' clock; from any thread."""
        return self._now_s

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something later."""
        self._count += 1
        heapq.heappush(self._alarms, (self._now_s + delay_s, self._count, action))

    def watch(self, sock: socket.socket, mask: int, owner: Watched) -> None:
        """Tell the owner when its socket is ready."""
        self._selector.register(sock, mask, owner)

    def change(self, sock: socket.socket, mask: int, owner: Watched) -> None:
        """Wait for something else."""
        self._selector.modify(sock, mask, owner)

    def forget(self, sock: socket.socket) -> None:
        """Close a socket."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(sock)
        sock.close()

    def _wake(self) -> None:
        with suppress(OSError):
            self._waker.send(b"\0")

    def _run(self) -> None:
        real_s = time.monotonic()
        while not self._stopping:
            wait_s = min(LONGEST_S, max(0.0, self._alarms[0][0] - self._now_s)) if self._alarms else LONGEST_S
            wait_s = max(wait_s, HELD_S) if self.held() else wait_s
            for key, mask in self._selector.select(wait_s):
                if key.data is None:
                    with suppress(OSError):
                        self._wakes.recv(4096)
                else:
                    self._do(lambda owner=key.data, mask=mask: owner.ready(mask))  # type: ignore[misc]
            while self._posted:
                self._do(self._posted.popleft())
            before_s, real_s = real_s, time.monotonic()
            self._advance(real_s - before_s, wait_s)
            while self._alarms and self._alarms[0][0] <= self._now_s:
                self._do(heapq.heappop(self._alarms)[2])

    def _advance(self, took_s: float, wait_s: float) -> None:
        """Move the clock on after one turn.

        Args:
            took_s: real time of the turn.
            wait_s: of it that we wanted to wait.
        """
        allowed_s = 0.0 if self.held() else min(took_s, wait_s + LATE_S)
        self._now_s += allowed_s
        self.stood_s += took_s - allowed_s

    def _do(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # one device's trouble is not the fleet's
            logger.exception("the fleet's loop")
            self.errors.append(error)
