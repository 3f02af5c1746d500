"""What can happen to a connection to a broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Answered:
    """The broker's CONNACK.

    Attributes:
        code: MQTT 5 reason code, 0 for welcome; a 3.1.1 code is translated.
        reason: in words.
        receive_maximum: how many unacknowledged messages the broker takes; None: any number.
        packet_limit_bytes: largest packet that the broker takes; None: any.
    """

    code: int
    reason: str
    receive_maximum: int | None
    packet_limit_bytes: int | None


class Acknowledged(NamedTuple):
    """The broker's PUBACK: below 0x80 the broker has the message, from there on it refuses it.

    Attributes:
        mid: packet identifier of the message.
        code: MQTT 5 reason code.
        reason: in words, for a refusal.
        at_ns: the monotonic clock when it arrived, nanoseconds.
    """

    mid: int
    code: int
    reason: str
    at_ns: int


@dataclass(frozen=True)
class Received:
    """A message of a topic that was subscribed to.

    Attributes:
        topic: where it was published.
        payload: as it came.
        retained: whether the broker had kept it, from before we subscribed, or keeps it (see `Connection.subscribe`).
        response_topic: where the answer is wanted (MQTT 5).
        correlation: what the answer has to repeat (MQTT 5).
    """

    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True)
class Subscribed:
    """The broker's SUBACK.

    Attributes:
        refused: the topics that it does not let us read, with its reason.
    """

    refused: dict[str, str]


@dataclass(frozen=True)
class Ended:
    """The connection is no more; the last event of each.

    Attributes:
        code: MQTT 5 reason code of the broker's DISCONNECT; None: it sent none.
        reason: in words.
    """

    code: int | None
    reason: str


Event = Answered | Acknowledged | Received | Subscribed | Ended


@dataclass(frozen=True)
class Will:
    """What the broker publishes, retained, when the connection is lost."""

    topic: str
    payload: bytes
