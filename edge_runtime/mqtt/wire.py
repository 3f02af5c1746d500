"""A socket that gathers paho's many small reads and writes, and what wakes a thread that waits for it."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress

from edge_runtime.mqtt.packets import Puback, PubackFilter

READ_BYTES = 65536


class Wire:
    """Stands in for the socket inside paho: writes wait for `flush`, reads come out of what the last one brought.

    Paho reads a packet in three system calls and writes each in one; with this a window of messages costs two. The
    PUBACKs stay here, since the messages that they answer did not come from paho either.

    Args:
        peer: connected; TLS, where there is any, is agreed.
    """

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._out = bytearray()
        self._in = b""
        self._at = 0
        self._ended = False
        self._filter = PubackFilter()
        self._pubacks: list[Puback] = []
        self._farewell_s: float | None = None
        with suppress(OSError):
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._acknowledge_at_once()

    def fileno(self) -> int:
        """Of the socket, for polling."""
        return self._peer.fileno()

    def setblocking(self, blocking: bool) -> None:
        """As of a socket."""
        self._peer.setblocking(blocking)

    def recv(self, size: int) -> bytes:
        """At most `size` bytes; none at the end. Raises what a socket raises, where there is nothing yet."""
        if not self.receive():
            raise BlockingIOError
        chunk = self._in[self._at : self._at + size]
        self._at += len(chunk)
        return chunk

    def receive(self) -> bool:
        """Take in what has come, if all that came before is read.

        Returns:
            Whether there is something in it for paho: bytes of a packet that is no PUBACK, or the end.

        Raises:
            OSError: the connection is broken.
        """
        if self._at == len(self._in) and not self._ended:
            try:
                data = self._peer.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            self._ended = not data
            self._acknowledge_at_once()
            self._in, pubacks = self._filter.feed(data)
            self._at = 0
            self._pubacks += pubacks
        return self._ended or self._at < len(self._in)

    def _acknowledge_at_once(self) -> None:
        """Of a window's PUBACKs a broker sends the first, and by Nagle's rule the others when our TCP has acknowledged
        that one, which it puts off for up to 40 ms. The setting does not last: the kernel takes it back as it sees fit.
        """
        if hasattr(socket, "TCP_QUICKACK"):
            with suppress(OSError):
                self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def wait_for_pubacks(self, count: int) -> None:
        """Until `wait_for_any` the socket counts as readable when about so many PUBACKs are there, or its end.

        With TLS it is fewer, since their bytes are more; they are then read one by one.
        """
        self._wait_for(count * self._filter.puback_bytes)

    def wait_for_any(self) -> None:
        """From now on the socket counts as readable when anything is there."""
        self._wait_for(1)

    def _wait_for(self, size: int) -> None:
        with suppress(OSError):
            self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)

    def send(self, data: bytes | bytearray) -> int:
        """Take all of it, to be sent by `flush`."""
        self._out += data
        return len(data)

    def take_pubacks(self) -> list[Puback]:
        """Those that have come in since the last call."""
        taken, self._pubacks = self._pubacks, []
        return taken

    @property
    def unread(self) -> bool:
        """Whether bytes are here that polling does not tell of."""
        return self._at < len(self._in) or (isinstance(self._peer, ssl.SSLSocket) and self._peer.pending() > 0)

    @property
    def unsent(self) -> bool:
        """Whether bytes wait for the peer to take them."""
        return bool(self._out)

    def flush(self) -> None:
        """Send what the peer takes without waiting.

        Raises:
            OSError: the connection is broken.
        """
        while self._out:
            try:
                sent = self._peer.send(self._out)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            del self._out[:sent]

    def say_farewell(self, timeout_s: float) -> None:
        """Let `close` send what is left, and wait for the peer to hang up, so that it hears all of it."""
        self._farewell_s = timeout_s

    def close(self) -> None:
        """Close the socket."""
        try:
            if self._farewell_s is not None:
                deadline = time.monotonic() + self._farewell_s
                self._peer.settimeout(self._farewell_s)
                self._peer.sendall(self._out)
                self._peer.shutdown(socket.SHUT_WR)
                while (rest_s := deadline - time.monotonic()) > 0:
                    self._peer.settimeout(rest_s)
                    if not self._peer.recv(READ_BYTES):
                        break
        except OSError:
            pass  # it is gone already, or does not answer
        finally:
            self._out.clear()
            self._peer.close()


class Waker:
    """Ends another thread's waiting for a socket."""

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._there.setblocking(False)
        self._set = False

    def fileno(self) -> int:
        """Readable from `wake` to `clear`."""
        return self._here.fileno()

    def wake(self) -> None:
        """End the waiting, or the next if there is none now. May be called by any thread."""
        if not self._set:
            self._set = True
            with suppress(OSError):  # full: it is awake; closed: it will not wait again
                self._there.send(b"\0")

    def clear(self) -> None:
        """Before looking for what has changed."""
        with suppress(BlockingIOError):
            self._here.recv(READ_BYTES)
        self._set = False  # last: a byte sent in between would be read, and nobody would send another

    def close(self) -> None:
        """Give the file descriptors back."""
        self._here.close()
        self._there.close()
