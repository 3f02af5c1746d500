"""PUBLISH and PUBACK as bytes: what goes out and comes back by the hundred, and takes paho several times as long."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

LARGEST_BODY_BYTES = 268_435_455
OVERHEAD_BYTES = 128  # of a PUBLISH beside what it carries: header, packet identifier, uuid property
PUBACK_BYTES = 4  # of one that says nothing but that
MOST_PUBACK_BYTES = 6  # of one with a reason code, and no words
_PUBLISH_QOS_1 = 0x32
_RETAIN = 0x01
_PUBACK = 0x40
_CORRELATION_DATA = b"\x09"
_USER_PROPERTY = b"\x26"


class Puback(NamedTuple):
    """The answer to a PUBLISH.

    Attributes:
        mid: packet identifier.
        code: reason code; 0 where it says none, which MQTT 3.1.1 never does.
    """

    mid: int
    code: int


def encode_publish(
    topic: str,
    payload: bytes,
    mid: int,
    *,
    retain: bool,
    user_property: tuple[str, str] | None = None,
    correlation: bytes | None = None,
    is_v5: bool,
) -> bytes:
    """A PUBLISH with QoS 1. The properties are left out where the version has none.

    Raises:
        ValueError: MQTT does not allow the topic or the size.
    """
    variable = _topic(topic) + mid.to_bytes(2, "big")
    if is_v5:
        properties = b""
        if user_property is not None:
            name, value = user_property
            properties += _property_name(name) + _string(value.encode())
        if correlation is not None:
            properties += _CORRELATION_DATA + _string(correlation)
        variable += _length(len(properties)) + properties
    size = len(variable) + len(payload)
    if size > LARGEST_BODY_BYTES:
        raise ValueError(f"a message of {len(payload)} bytes is too large for MQTT")
    return b"".join((bytes((_PUBLISH_QOS_1 | (_RETAIN if retain else 0),)), _length(size), variable, payload))


def publish_bytes(topic: str, payload: bytes, correlation: bytes | None = None) -> int:
    """The size of a PUBLISH, rounded up a little: for comparing with the largest packet that a broker takes."""
    return OVERHEAD_BYTES + len(topic.encode()) + len(payload) + len(correlation or b"")


class PubackFilter:
    """Takes the PUBACKs out of a stream of packets from a broker; feed it whatever arrives, in any pieces.

    Attributes:
        puback_bytes: what the next is likely to have, by the latest: a broker may say with each that nobody subscribed.
    """

    def __init__(self) -> None:
        self.puback_bytes = PUBACK_BYTES
        self._buffer = bytearray()
        self._passing = 0  # bytes left of a packet that is not ours

    def feed(self, data: bytes) -> tuple[bytes, list[Puback]]:
        """Split what arrived.

        Returns:
            The bytes of all other packets, and the PUBACKs that are complete.
        """
        buffer = self._buffer
        buffer += data
        others = bytearray()
        found: list[Puback] = []
        at, end = 0, len(buffer)
        while at < end:
            if self._passing:
                piece = buffer[at : at + self._passing]
                others += piece
                self._passing -= len(piece)
                at += len(piece)
                continue
            header = _body(buffer, at)
            if header is None:
                break
            start, size = header
            if buffer[at] != _PUBACK or size < 2:
                self._passing = start + size - at
                continue
            if start + size > end:
                break
            code = buffer[start + 2] if size > 2 else 0
            found.append(Puback(buffer[start] << 8 | buffer[start + 1], code))
            self.puback_bytes = min(start + size - at, MOST_PUBACK_BYTES)
            at = start + size
        del buffer[:at]
        return bytes(others), found


def _body(buffer: bytearray, at: int) -> tuple[int, int] | None:
    """Where the body of the packet at `at` starts, and its size; None: that has not arrived yet.

    A length that no packet may have counts as one of five bytes: whoever reads the rest will see what is wrong.
    """
    size = 0
    encoded = buffer[at + 1 : at + 5]
    for n, byte in enumerate(encoded):
        size |= (byte & 0x7F) << (7 * n)
        if byte < 0x80:
            return at + 2 + n, size
    return (at + 5, 0) if len(encoded) == 4 else None


@lru_cache(maxsize=64)
def _topic(topic: str) -> bytes:
    if not topic or {"+", "#", "\0"} & set(topic):
        raise ValueError(f"{topic!r} is no topic to publish on")
    return _string(topic.encode())


@lru_cache(maxsize=8)
def _property_name(name: str) -> bytes:
    return _USER_PROPERTY + _string(name.encode())


def _string(value: bytes) -> bytes:
    if len(value) > 0xFFFF:
        raise ValueError(f"{len(value)} bytes are too long for a string of MQTT")
    return len(value).to_bytes(2, "big") + value


def _length(value: int) -> bytes:
    """A number as MQTT writes lengths: seven bits a byte, the lowest first."""
    if value < 0x80:
        return bytes((value,))
    return bytes((value & 0x7F | 0x80,)) + _length(value >> 7)
