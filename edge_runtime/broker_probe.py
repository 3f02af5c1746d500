"""Asks an MQTT broker for a connection, once."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 3.0
UNSUPPORTED = "Unsupported protocol version"  # a broker that speaks 3.1.1 only says so in its answer


@dataclass(frozen=True)
class BrokerAnswer:
    """What came of it: whether something that speaks MQTT answered, whether it let us in, and its words."""

    answered: bool
    accepted: bool
    text: str


def ask_broker(host: str, port: int, timeout_s: float = TIMEOUT_S) -> BrokerAnswer:
    """Send a CONNECT (MQTT 5, then 3.1.1) without credentials and wait for the answer.

    Raises:
        ModuleNotFoundError: paho-mqtt is not installed.
    """
    from paho.mqtt.enums import MQTTProtocolVersion

    answer = _connect(host, port, timeout_s, MQTTProtocolVersion.MQTTv5, "MQTT 5")
    if answer.answered and UNSUPPORTED not in answer.text:
        return answer
    return _connect(host, port, timeout_s, MQTTProtocolVersion.MQTTv311, "MQTT 3.1.1")


def _connect(host: str, port: int, timeout_s: float, protocol: Any, name: str) -> BrokerAnswer:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    done = threading.Event()
    reasons: list[Any] = []

    def on_connect(_client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        reasons.append(reason)
        done.set()

    client = Client(CallbackAPIVersion.VERSION2, protocol=protocol)
    client.connect_timeout = timeout_s
    client.on_connect = on_connect
    client.on_disconnect = lambda *_: done.set()  # a broker that hangs up on a protocol it does not speak
    try:
        client.connect(host, port, keepalive=5)
        client.loop_start()
        done.wait(timeout_s)
        client.disconnect()
        client.loop_stop()
    except OSError as error:
        return BrokerAnswer(False, False, f"does not answer ({error.strerror or error})")
    if not reasons:
        return BrokerAnswer(False, False, f"listens, but gave no {name} answer in {timeout_s:g} s")
    if reasons[0].is_failure:
        return BrokerAnswer(True, False, f"answers {name}, but refuses clients without credentials: {reasons[0]}")
    return BrokerAnswer(True, True, f"answers {name}")
