"""What the tests of the MQTT sink share: a subscriber that remembers, and `fissura run` as a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


class Subscriber:
    """Subscribes with QoS 1 and a session that outlives broken connections; remembers every message, in order."""

    def __init__(self, port: int, topic: str = "fissura/#", client_id: str = "subscriber", **login: Any) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.user_properties: list[dict[str, str]] = []
        self._subscribed = threading.Event()
        self._topic = topic
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
        if login:
            self._client.username_pw_set(**login)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topic, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(0.1, 0.1)  # type: ignore[arg-type]
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=lasting)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Messages of one topic: 'detection', 'status' or 'telemetry'."""
        return [message for topic, message in self.messages if topic.endswith(f"/{kind}")]

    def uuids(self, kind: str = "detection") -> set[str]:
        """Distinct uuids of one topic."""
        return {message["uuid"] for message in self.of(kind)}

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        self.messages.append((message.topic, json.loads(message.payload)))
        properties = getattr(message.properties, "UserProperty", [])
        self.user_properties.append(dict(properties))


def wait_until(condition: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    """Poll until a condition holds; whether it does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def start_run(*words: str | Path, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start `fissura run` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "fissura", "run", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
    )
