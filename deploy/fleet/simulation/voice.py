"""A protocol-only device's conversation with the operator: presence, state, and events until they are acknowledged."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Any
from uuid import uuid4

from deploy.fleet.simulation import packets
from deploy.fleet.simulation.fates import Fate
from deploy.fleet.simulation.link import Link
from deploy.fleet.simulation.loop import Loop
from fissura import __version__
from fissura.schema_version import CURRENT
from fissura.topics import (
    ROOT,
    UPDATE_ACK,
    UPDATE_COMMAND,
    UPDATE_EVENT,
    UPDATE_ONLINE,
    UPDATE_STATE,
    announcement_topic,
    client_id,
)

KEEPALIVE_S = 120
RESEND_S = 20.0
RECONNECT_S = 1.0
LONGEST_RECONNECT_S = 15.0
HARDWARE = "simulated"
GARBAGE = (b"{", b'{"serial": 3}', b"\xff\xfe", b'{"phase": "committed", "sequence": -1}')

Hint = Callable[[dict[str, Any] | None, bool], None]


class Voice:
    """Connects again and again while it is on. In the loop's thread.

    Args:
        serial: of the device.
        channel: that it follows.
        fate: whether it says things twice, or nonsense.
        loop: moves it.
        port: of the broker on 127.0.0.1.
        hint: told of an announcement, or of a command (None), and whether the broker had kept it.

    Attributes:
        is_on: whether it wants a connection.
        is_connected: whether it has one.
        unacknowledged: events that the operator has not stored, by uuid.
        refused: messages that it could not read.
    """

    def __init__(self, serial: str, channel: str, fate: Fate, loop: Loop, port: int, hint: Hint) -> None:
        self.is_on = False
        self.is_connected = False
        self.unacknowledged: dict[str, bytes] = {}
        self.refused = 0
        self._serial = serial
        self._channel = channel
        self._fate = fate
        self._loop = loop
        self._port = port
        self._hint = hint
        self._link: Link | None = None
        self._attempts = 0
        self._resend_s = 0.0
        self._sequence = 0
        self._state: dict[str, Any] = {"phase": "idle", "model": None, "release": None, "reason": None}
        self._state |= {"active": None, "previous": None, "quarantined": []}
        self._topics = (announcement_topic(channel), UPDATE_COMMAND.of(serial), UPDATE_ACK.of(serial))

    def on(self) -> None:
        """Connect."""
        self.is_on = True
        self._connect()

    def off(self) -> None:
        """Lose the connection, without a word."""
        self.is_on = self.is_connected = False
        if self._link is not None:
            self._link.cut()
            self._link = None

    def tell(self, state: dict[str, Any], *, with_state: bool = True) -> str:
        """Report a step; returns the uuid of its event.

        Args:
            state: fields of an `UpdateState` beside those that every report of this device has.
            with_state: whether the retained state follows, too.
        """
        self._state = state
        uuid = str(uuid4())
        common = {name: state[name] for name in ("phase", "model", "release", "reason")}
        happened = datetime.now(timezone.utc).isoformat()
        payload = json.dumps({**self._report(uuid), **common, "happened_utc": happened, "figures": {}}).encode()
        self.unacknowledged[uuid] = payload
        self._say(UPDATE_EVENT.suffix, payload)
        if self._fate.duplicates:
            self._say(UPDATE_EVENT.suffix, payload, again=True)
        if self._fate.babbles:
            self._say(random.choice((UPDATE_EVENT.suffix, UPDATE_STATE.suffix)), random.choice(GARBAGE))
        if with_state:
            self._say_state()
        if not self._resend_s:
            self._resend_s = RESEND_S
            self._loop.after(RESEND_S, self._resend)
        return uuid

    # What the connection tells.

    def connected(self) -> None:
        """See `link.Owner`."""
        self.is_connected, self._attempts = True, 0
        if self._link is None:
            return
        self._link.subscribe(self._topics)
        self._say(UPDATE_ONLINE.suffix, self._presence(online=True), retain=True)
        self._say_state()
        for payload in tuple(self.unacknowledged.values()):
            self._say(UPDATE_EVENT.suffix, payload)

    def received(self, message: packets.Publish) -> None:
        """See `link.Owner`."""
        announcements, _, acknowledgements = self._topics
        try:
            document = json.loads(message.payload)
            if message.topic == acknowledgements:
                for uuid in document["events"]:
                    self.unacknowledged.pop(uuid, None)
            elif message.topic != announcements:
                self._hint(None, message.retained)
            elif document["channel"] == self._channel:
                self._hint(document, message.retained)
        except (ValueError, TypeError, KeyError):
            self.refused += 1

    def acknowledged(self, mid: int) -> None:
        """See `link.Owner`. Proves nothing: what counts is the operator's acknowledgement."""

    def lost(self) -> None:
        """See `link.Owner`."""
        self.is_connected, self._link = False, None
        self._attempts += 1
        if self.is_on:
            longest_s = min(LONGEST_RECONNECT_S, RECONNECT_S * 2**self._attempts)
            self._loop.after(random.uniform(RECONNECT_S / 2, longest_s), self._connect)

    def _connect(self) -> None:
        if not self.is_on or self._link is not None:
            return
        topic = UPDATE_ONLINE.of(self._serial)
        greeting = packets.connect(client_id(self._serial, "agent"), KEEPALIVE_S, topic, self._presence(online=False))
        self._link = Link(self._loop, self._port, greeting, self)
        self._loop.after(KEEPALIVE_S * 0.7, partial(self._live, self._link))

    def _live(self, link: Link) -> None:
        if link is self._link:
            link.ping()
            self._loop.after(KEEPALIVE_S * 0.7, partial(self._live, link))

    def _resend(self) -> None:
        if not self.unacknowledged:
            self._resend_s = 0.0
            return
        for payload in tuple(self.unacknowledged.values()):
            self._say(UPDATE_EVENT.suffix, payload)
        self._resend_s *= 2
        self._loop.after(self._resend_s, self._resend)

    def _say_state(self) -> None:
        state = {**self._report(str(uuid4())), **self._state}
        self._say(UPDATE_STATE.suffix, json.dumps(state).encode(), retain=True)

    def _report(self, uuid: str) -> dict[str, Any]:
        self._sequence = max(self._sequence + 1, int(time.time() * 1e3))
        return {
            "schema_version": CURRENT,
            "uuid": uuid,
            "serial": self._serial,
            "sequence": self._sequence,
            "channel": self._channel,
            "hardware": HARDWARE,
            "version": __version__,
        }

    def _presence(self, *, online: bool) -> bytes:
        document = {"schema_version": CURRENT, "uuid": str(uuid4()), "serial": self._serial, "online": online}
        return json.dumps(document).encode()

    def _say(self, suffix: str, payload: bytes, *, retain: bool = False, again: bool = False) -> None:
        if self._link is not None and self.is_connected:
            self._link.publish(f"{ROOT}/{self._serial}/{suffix}", payload, retain=retain, again=again)
