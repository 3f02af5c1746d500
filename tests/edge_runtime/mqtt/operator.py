"""Somebody who sends commands to a device and reads its answers."""

from __future__ import annotations

import json
import threading
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.mosquitto import wait_until


class Operator:
    """Subscribes to everything; remembers what was said on each topic, as it came."""

    def __init__(self, port: int, serial: str = "s1", *, v5: bool = True, client_id: str = "operator") -> None:
        self.messages: list[paho.MQTTMessage] = []
        self.topic = f"fissura/v1/{serial}/command"
        self._v5 = v5
        self._subscribed = threading.Event()
        version = MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=version)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda client, userdata, message: self.messages.append(message)
        self._client.max_queued_messages_set(0)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def send(
        self,
        command: dict[str, Any] | bytes,
        *,
        to: str | None = None,
        correlation: bytes | None = None,
        retain: bool = False,
    ) -> None:
        """Publish a command, or what is none; `to`: where the answer is wanted."""
        payload = command if isinstance(command, bytes) else json.dumps(command).encode()
        properties = None
        if self._v5 and (to is not None or correlation is not None):
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            if to is not None:
                properties.ResponseTopic = to
            if correlation is not None:
                properties.CorrelationData = correlation
        self._client.publish(self.topic, payload, qos=1, retain=retain, properties=properties)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish anything else."""
        self._client.publish(topic, payload, qos=1, retain=retain)

    def on(self, suffix: str) -> list[paho.MQTTMessage]:
        """What was said on the topics that end so."""
        return [message for message in list(self.messages) if message.topic.endswith(suffix)]

    def answers(self, suffix: str = "/answer") -> list[dict[str, Any]]:
        """The answers, read."""
        return [json.loads(message.payload) for message in self.on(suffix)]

    def ask(self, command: dict[str, Any] | bytes, **more: Any) -> dict[str, Any]:
        """Send a command and wait for its answer on the usual topic."""
        before = len(self.answers())
        self.send(command, **more)
        assert wait_until(lambda: len(self.answers()) > before)
        return self.answers()[before]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
