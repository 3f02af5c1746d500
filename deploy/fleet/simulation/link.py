"""A device's connection to the broker: a non-blocking socket in a `Loop`."""

from __future__ import annotations

import selectors
import socket
from contextlib import suppress
from typing import Protocol

from deploy.fleet.simulation import packets
from deploy.fleet.simulation.loop import Loop

READ_BYTES = 65_536


class Owner(Protocol):
    """Whose connection it is."""

    def connected(self) -> None:
        """The broker has taken us."""
        ...

    def received(self, message: packets.Publish) -> None:
        """A message; it has been acknowledged."""
        ...

    def acknowledged(self, mid: int) -> None:
        """The broker has what was published."""
        ...

    def lost(self) -> None:
        """The connection is gone, or did not come."""
        ...


class Link:
    """One connection, from its beginning to its end.

    Args:
        loop: moves it.
        port: of the broker on 127.0.0.1.
        greeting: the CONNECT.
        owner: told of everything.
    """

    def __init__(self, loop: Loop, port: int, greeting: bytes, owner: Owner) -> None:
        self._loop = loop
        self._owner = owner
        self._in = bytearray()
        self._out = bytearray(greeting)
        self._mid = 0
        self._is_open = True
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(BlockingIOError):
            self._socket.connect(("127.0.0.1", port))
        loop.watch(self._socket, selectors.EVENT_WRITE, self)

    def subscribe(self, topics: tuple[str, ...]) -> None:
        """Subscribe with QoS 1."""
        self._send(packets.subscribe(self._next_mid(), topics))

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, again: bool = False) -> int:
        """Publish with QoS 1; returns the number that the acknowledgement will have."""
        mid = self._next_mid()
        self._send(packets.publish(topic, payload, mid, retain=retain, again=again))
        return mid

    def ping(self) -> None:
        """Show that we live."""
        self._send(packets.PINGREQ)

    def cut(self) -> None:
        """End it without a word: the broker sends the last will. The owner is not told."""
        if self._is_open:
            self._is_open = False
            self._loop.forget(self._socket)

    def ready(self, mask: int) -> None:
        """See `Watched`."""
        try:
            if mask & selectors.EVENT_WRITE:
                self._flush()
            if mask & selectors.EVENT_READ:
                self._read()
        except (OSError, ValueError):
            self._end()

    def _read(self) -> None:
        data = self._socket.recv(READ_BYTES)
        if not data:
            self._end()
            return
        self._in += data
        answers = bytearray()
        for packet in packets.take(self._in):
            if packet.kind == packets.PUBLISH:
                message = packets.read_publish(packet)
                if message.mid:
                    answers += packets.puback(message.mid)
                self._owner.received(message)
            elif packet.kind == packets.PUBACK:
                self._owner.acknowledged(int.from_bytes(packet.body[:2], "big"))
            elif packet.kind == packets.CONNACK:
                if packet.body[1]:
                    self._end()
                    return
                self._owner.connected()
            if not self._is_open:
                return
        if answers:
            self._send(bytes(answers))

    def _send(self, data: bytes) -> None:
        if not self._is_open:
            return
        waits = bool(self._out)
        self._out += data
        if not waits:
            try:
                self._flush()
            except OSError:
                self._loop.after(0, self._end)  # not here: the owner is in the middle of something

    def _flush(self) -> None:
        with suppress(BlockingIOError):
            while self._out:
                del self._out[: self._socket.send(self._out)]
        mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)
        self._loop.change(self._socket, mask, self)

    def _end(self) -> None:
        if self._is_open:
            self.cut()
            self._owner.lost()

    def _next_mid(self) -> int:
        self._mid = self._mid % 65_535 + 1
        return self._mid
