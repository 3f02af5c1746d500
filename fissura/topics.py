"""MQTT topics: one table with direction, quality of service, retention and the highest rate.

Topics hang below `fissura/v1/<serial>/`; client ids are `<serial>-run` (this runtime) and `<serial>-agent` (updates).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from fissura.errors import ConfigError

ROOT = "fissura/v1"


@dataclass(frozen=True)
class Topic:
    """One row of the table.

    Attributes:
        suffix: below `fissura/v1/<serial>/`.
        sender: who publishes.
        qos: MQTT quality of service.
        retain: whether the broker keeps the last message.
        max_rate_hz: highest rate in messages a second; None: one a crack, metered by the spool, or one a command.
    """

    suffix: str
    sender: Literal["device", "operator"]
    qos: Literal[0, 1]
    retain: bool
    max_rate_hz: float | None

    def of(self, serial: str) -> str:
        """The full topic of a device.

        Example:
            >>> DETECTION.of("truck-07")
            'fissura/v1/truck-07/detection'
        """
        return f"{ROOT}/{check_serial(serial)}/{self.suffix}"


DETECTION = Topic("detection", "device", qos=1, retain=False, max_rate_hz=None)
STATUS = Topic("status", "device", qos=1, retain=True, max_rate_hz=1.0)
TELEMETRY = Topic("telemetry", "device", qos=1, retain=False, max_rate_hz=1.0)
COMMAND = Topic("command", "operator", qos=1, retain=False, max_rate_hz=10.0)
ANSWER = Topic("answer", "device", qos=1, retain=False, max_rate_hz=None)
SNAPSHOT = Topic("snapshot", "device", qos=1, retain=False, max_rate_hz=None)  # a JPEG, no JSON
UPDATE_STATE = Topic("update/state", "device", qos=1, retain=True, max_rate_hz=1.0)
UPDATE_EVENT = Topic("update/event", "device", qos=1, retain=False, max_rate_hz=10.0)
UPDATE_ONLINE = Topic("update/online", "device", qos=1, retain=True, max_rate_hz=1.0)
UPDATE_COMMAND = Topic("update/command", "operator", qos=1, retain=False, max_rate_hz=1.0)
UPDATE_ACK = Topic("update/ack", "operator", qos=1, retain=False, max_rate_hz=None)

TOPICS: dict[str, Topic] = {
    topic.suffix: topic
    for topic in (
        *(DETECTION, STATUS, TELEMETRY, COMMAND, ANSWER, SNAPSHOT),
        *(UPDATE_STATE, UPDATE_EVENT, UPDATE_ONLINE, UPDATE_COMMAND, UPDATE_ACK),
    )
}
FLEET = "fleet"  # stands where a serial would, for what concerns all devices; no device may be called so


def announcement_topic(channel: str) -> str:
    """Topic on which the operator says that a channel has changed: QoS 1, retained."""
    return f"{ROOT}/{FLEET}/announce/{channel}"


def client_id(serial: str, role: Literal["run", "agent"] = "run") -> str:
    """MQTT client id of one of a device's two connections."""
    return f"{check_serial(serial)}-{role}"


def check_serial(serial: str) -> str:
    """Return the serial if it can stand in a topic and in a client id.

    Raises:
        ConfigError: it is empty, too long, or has a character that MQTT or a file system gives a meaning to.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}", serial):
        raise ConfigError(
            f"device serial {serial!r} cannot stand in a topic",
            expected="1 to 48 letters, digits, '.', '_' or '-', the first a letter or a digit",
            fix="set --serial",
        )
    if serial == FLEET:
        raise ConfigError(f"device serial {serial!r} is the name of the topics for all devices", fix="set --serial")
    return serial
