"""All protocol-only devices, and an operator's connection that measures announcements."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from deploy.fleet.simulation import packets
from deploy.fleet.simulation.light_device import LightDevice
from deploy.fleet.simulation.link import Link
from deploy.fleet.simulation.loop import Loop
from fissura.topics import announcement_topic
from fissura.update_messages import Announcement

BETWEEN_S = 1 / 1500  # connections that begin
FLOOD = 20  # messages that are no announcements


class Swarm:
    """Moves devices. From any thread but the loop's.

    Args:
        loop: of the devices.
        devices: all of them.
        broker_port: on 127.0.0.1.
    """

    def __init__(self, loop: Loop, devices: Iterable[LightDevice], broker_port: int) -> None:
        self.devices = {device.serial: device for device in devices}
        self._loop = loop
        self._broker_port = broker_port

    def appear(self, serials: Iterable[str], within_s: float = 0.0) -> None:
        """Switch devices on, spread over so many seconds, and no faster than a broker takes connections."""
        self._spread([self.devices[serial].appear for serial in serials], within_s)

    def vanish(self, serials: Iterable[str]) -> None:
        """Cut devices off."""
        self._spread([self.devices[serial].vanish for serial in serials], 0.0)

    def connected(self) -> int:
        """Devices that the broker has."""
        return sum(device.voice.is_connected for device in tuple(self.devices.values()))

    def unacknowledged(self) -> int:
        """Events that the operator has not stored."""
        return sum(len(device.voice.unacknowledged) for device in tuple(self.devices.values()))

    def refused(self) -> int:
        """Messages that devices could not read."""
        return sum(device.voice.refused for device in tuple(self.devices.values()))

    def announce(self, announcement: Announcement, sent: Callable[[float], None]) -> None:
        """Publish an announcement once, as the operator would.

        Args:
            announcement: to publish, retained.
            sent: told when it goes out, monotonic seconds.
        """
        topic, payload = announcement_topic(announcement.channel), announcement.model_dump_json().encode()
        self._send([(topic, payload, True)], sent)

    def babble(self, channel: str) -> None:
        """Publish what is no announcement where announcements are."""
        messages = [(announcement_topic(channel), b'{"channel": 3', False)] * FLOOD
        self._send(messages, lambda now: None)

    def _send(self, messages: list[tuple[str, bytes, bool]], sent: Callable[[float], None]) -> None:
        def begin() -> None:
            _Announcing(self._loop, self._broker_port, messages, sent)

        self._loop.post(begin)

    def _spread(self, actions: list[Callable[[], None]], within_s: float) -> None:
        between_s = max(BETWEEN_S, within_s / max(1, len(actions)))

        def begin() -> None:
            for number, action in enumerate(actions):
                self._loop.after(number * between_s, action)

        self._loop.post(begin)


class _Announcing:
    """A connection for a few messages to all."""

    def __init__(
        self, loop: Loop, port: int, messages: list[tuple[str, bytes, bool]], sent: Callable[[float], None]
    ) -> None:
        self._messages = messages
        self._sent = sent
        self._waiting = len(messages)
        greeting = packets.connect(f"announcing-{time.monotonic_ns()}", 60, "fissura/v1/fleet/left", b"")
        self._link = Link(loop, port, greeting, self)

    def connected(self) -> None:
        """See `link.Owner`."""
        self._sent(time.monotonic())
        for topic, payload, retain in self._messages:
            self._link.publish(topic, payload, retain=retain)

    def received(self, message: packets.Publish) -> None:
        """See `link.Owner`."""

    def acknowledged(self, mid: int) -> None:
        """See `link.Owner`."""
        self._waiting -= 1
        if not self._waiting:
            self._link.cut()

    def lost(self) -> None:
        """See `link.Owner`."""
