"""MQTT 3.1.1 as bytes, as far as a device needs it. Paho's loop has `select()` in it, which ends at 1024 sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = 2, 3, 4, 9, 13
LARGEST_BYTES = 1 << 20

PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"


class Packet(NamedTuple):
    """What a broker sent.

    Attributes:
        kind: of the packet.
        flags: its lowest four bits.
        body: after the fixed header.
    """

    kind: int
    flags: int
    body: bytes


class Publish(NamedTuple):
    """A PUBLISH, read. `mid` is 0 where it wants no answer."""

    topic: str
    payload: bytes
    mid: int
    retained: bool


def connect(client: str, keepalive_s: int, will_topic: str, will: bytes) -> bytes:
    """CONNECT with a clean session and a retained last will of QoS 1."""
    variable = _string(b"MQTT") + bytes((4, 0b0010_1110)) + keepalive_s.to_bytes(2, "big")
    return _packet(0x10, variable + _string(client.encode()) + _string(will_topic.encode()) + _string(will))


def subscribe(mid: int, topics: tuple[str, ...]) -> bytes:
    """SUBSCRIBE with QoS 1."""
    return _packet(0x82, mid.to_bytes(2, "big") + b"".join(_string(topic.encode()) + b"\x01" for topic in topics))


def publish(topic: str, payload: bytes, mid: int, *, retain: bool = False, again: bool = False) -> bytes:
    """PUBLISH with QoS 1."""
    return _packet(0x32 | retain | again << 3, _string(topic.encode()) + mid.to_bytes(2, "big") + payload)


def puback(mid: int) -> bytes:
    """The answer to a PUBLISH."""
    return b"\x40\x02" + mid.to_bytes(2, "big")


def take(buffer: bytearray) -> Iterator[Packet]:
    """The packets that are complete; they are gone from the buffer afterwards.

    Raises:
        ValueError: it is no MQTT.
    """
    at = 0
    try:
        while True:
            size, shift, start = 0, 0, at + 1
            while True:
                if start >= len(buffer):
                    return
                byte = buffer[start]
                size |= (byte & 0x7F) << shift
                shift, start = shift + 7, start + 1
                if byte < 0x80:
                    break
                if shift > 21:
                    raise ValueError("a length of more than four bytes")
            if size > LARGEST_BYTES:
                raise ValueError(f"a packet of {size} bytes")
            if len(buffer) < start + size:
                return
            packet = Packet(buffer[at] >> 4, buffer[at] & 15, bytes(buffer[start : start + size]))
            at = start + size
            yield packet
    finally:
        del buffer[:at]


def read_publish(packet: Packet) -> Publish:
    """Take a PUBLISH apart."""
    end = 2 + int.from_bytes(packet.body[:2], "big")
    topic, mid = packet.body[2:end].decode(), 0
    if packet.flags & 0b0110:
        mid = int.from_bytes(packet.body[end : end + 2], "big")
        end += 2
    return Publish(topic, packet.body[end:], mid, bool(packet.flags & 1))


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def _packet(first: int, body: bytes) -> bytes:
    size, length = len(body), bytearray()
    while True:
        size, low = divmod(size, 128)
        length.append(low | 0x80 if size else low)
        if not size:
            return bytes((first,)) + bytes(length) + body
