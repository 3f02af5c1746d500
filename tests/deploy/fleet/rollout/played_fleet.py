"""Devices on a real broker that do what the signed channel says; what they report stays until it is acknowledged."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from deploy.fleet.rollout.signer import ChannelSigner
from fissura.cohort import in_wave
from fissura.topics import UPDATE_EVENT, UPDATE_ONLINE, UPDATE_STATE
from fissura.update_messages import Presence, UpdateEvent
from tests.deploy.fleet.rollout.fleet_fakes import CHANNEL, ended, state

POLL_S = 0.5


class PlayedFleet:
    """Runs in the `with` statement.

    Args:
        port: of the broker.
        names: serials.
        signer: where the channel is read; nothing is signed.
        bad: serials that fail.

    Attributes:
        done: devices that have tried a release; all have the first.
        lazy: whether they do nothing.
        unacknowledged: events that the operator has not stored.
    """

    def __init__(self, port: int, names: list[str], signer: ChannelSigner, bad: Iterable[str] = ()) -> None:
        self.done = {(name, 1) for name in names}
        self.lazy = False
        self.unacknowledged: dict[str, UpdateEvent] = {}
        self._bad = set(bad)
        self._names = names
        self._signer = signer
        self._sequence = 0
        self._ending = threading.Event()
        self._retained: dict[str, bytes] = {}
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "played-fleet")
        self._client.reconnect_delay_set(1, 1)
        self._client.max_inflight_messages_set(0)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        for name in names:
            self._keep(UPDATE_ONLINE.of(name), Presence(serial=name, online=True).to_json())
            self._keep(UPDATE_STATE.of(name), state(name, "idle", None, 0, active=1).to_json())
        self._client.connect("127.0.0.1", port)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> PlayedFleet:
        self._client.loop_start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def reached(self, release: int) -> set[str]:
        """Devices that have tried it."""
        return {name for name, number in tuple(self.done) if number == release}

    def _keep(self, topic: str, payload: bytes) -> None:
        self._retained[topic] = payload

    def _on_connect(self, client: paho.Client, *_: Any) -> None:
        client.subscribe("fissura/v1/+/update/ack", qos=1)
        for topic, payload in tuple(self._retained.items()):
            client.publish(topic, payload, qos=1, retain=True)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        for uuid in json.loads(message.payload)["events"]:
            self.unacknowledged.pop(uuid, None)

    def _run(self) -> None:
        while not self._ending.wait(POLL_S):
            channel = self._signer.channel(CHANNEL)
            for name in self._names:
                if self.lazy or channel is None or channel.paused or (name, channel.release) in self.done:
                    continue
                if in_wave(name, channel.release, channel.percent):
                    self.done.add((name, channel.release))
                    self._sequence += 1
                    told, event = ended(name, channel.release, self._sequence, good=name not in self._bad)
                    self._keep(UPDATE_STATE.of(name), told.message.to_json())
                    self._client.publish(UPDATE_STATE.of(name), told.message.to_json(), qos=1, retain=True)
                    assert isinstance(event.message, UpdateEvent)
                    self.unacknowledged[str(event.message.uuid)] = event.message
            for one in tuple(self.unacknowledged.values()):
                self._client.publish(UPDATE_EVENT.of(one.serial), one.to_json(), qos=1)
