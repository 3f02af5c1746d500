"""Whether the console hears the devices: the state of its connection to the broker, for the pages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho

from deploy.fleet.rollout.broker import BrokerAddress


class BrokerLink:
    """State of a connection.

    Attributes:
        down_since_s: since when there is none, UTC; None: there is one.
    """

    def __init__(self) -> None:
        self.down_since_s: float | None = time.time()

    def is_up(self) -> None:
        """The broker has welcomed us."""
        self.down_since_s = None

    def is_down(self) -> None:
        """The connection has ended; attempts that fail do not count again."""
        self.down_since_s = self.down_since_s or time.time()


@dataclass(frozen=True)
class WatchedAddress(BrokerAddress):
    """A broker whose connection is watched: that of the reports, which `open` opens.

    Attributes:
        link: its state.
    """

    link: BrokerLink = field(default_factory=BrokerLink)

    def open(self, client: paho.Client) -> None:
        """Connect in the background; what the client's owner wants to be told is told."""
        connected: Callable[..., None] | None = client.on_connect
        disconnected: Callable[..., None] | None = client.on_disconnect

        def on_connect(client: paho.Client, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
            if not code.is_failure:
                self.link.is_up()
            if connected is not None:
                connected(client, userdata, flags, code, properties)

        def on_disconnect(client: paho.Client, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
            self.link.is_down()
            if disconnected is not None:
                disconnected(client, userdata, flags, code, properties)

        client.on_connect, client.on_disconnect = on_connect, on_disconnect
        super().open(client)


def watched(address: BrokerAddress) -> WatchedAddress:
    """The same broker, watched."""
    return WatchedAddress(address.host, address.port, address.tls)
