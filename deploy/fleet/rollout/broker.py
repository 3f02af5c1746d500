"""Where the operator's broker is, and the connection to it."""

from __future__ import annotations

import argparse
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from deploy.fleet.authority.roles import OPERATOR
from deploy.fleet.home import FleetHome
from fissura.errors import FleetError
from fissura.topics import announcement_topic
from fissura.update_messages import Announcement

PORT, TLS_PORT = 1883, 8883
AUTHORITY, CERTIFICATE, KEY = "ca.pem", "client.pem", "client.key"  # as `fissura fleet enroll` hands them out
LONGEST_RETRY_S = 30
KEEPALIVE_S = 30
PUBLISH_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class BrokerAddress:
    """A broker, and the operator's credentials.

    Attributes:
        host: name or address.
        port: of it.
        tls: None: unencrypted.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    def client(self, name: str) -> paho.Client:
        """A client that is not connected yet; `name` is the beginning of its id."""
        # Version 5 has nothing that we need, and paho takes twice as long for it.
        client = paho.Client(
            CallbackAPIVersion.VERSION2, f"{name}-{uuid4().hex[:8]}", protocol=MQTTProtocolVersion.MQTTv311
        )
        client.max_inflight_messages_set(0)  # no limit: with one, paho goes through all of them for each PUBACK
        client.reconnect_delay_set(1, LONGEST_RETRY_S)
        if self.tls is not None:
            client.tls_set_context(self.tls)
        return client

    def open(self, client: paho.Client) -> None:
        """Connect in the background, again and again for ever."""
        client.connect_async(self.host, self.port, KEEPALIVE_S)
        client.loop_start()


def announce_once(address: BrokerAddress, announcement: Announcement) -> bool:
    """Tell a channel's devices to look; whether the broker has it. Where it has not, they look by themselves, later."""
    return publish_kept(address, {announcement_topic(announcement.channel): announcement.model_dump_json().encode()})


def publish_kept(address: BrokerAddress, messages: Mapping[str, bytes]) -> bool:
    """Give the broker messages to keep, by topic, empty ones to forget what it has; whether it took them all."""
    client, connected = address.client("fissura-operator"), threading.Event()

    def welcomed(client: paho.Client, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        if not code.is_failure:
            connected.set()

    client.on_connect = welcomed
    try:
        client.connect(address.host, address.port, KEEPALIVE_S)
        client.loop_start()
        if not connected.wait(PUBLISH_TIMEOUT_S):
            return False
        told = [client.publish(topic, payload, qos=1, retain=True) for topic, payload in messages.items()]
        for one in told:
            one.wait_for_publish(PUBLISH_TIMEOUT_S)
        return all(one.is_published() for one in told)
    except (OSError, RuntimeError, ValueError):
        return False
    finally:
        client.disconnect()
        client.loop_stop()


def add_broker(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name the broker and the operator's credentials."""
    parser.add_argument("--broker", metavar="URI", help="mqtts://HOST[:PORT] (default: `broker` of fleet.yaml)")
    parser.add_argument(
        "--credentials",
        type=Path,
        metavar="DIR",
        help=f"folder with {AUTHORITY}, {CERTIFICATE} and {KEY} (default: where `fissura fleet enroll --operator` puts"
        " them)",
    )


def operators_broker(arguments: argparse.Namespace, home: FleetHome, configured: str | None) -> BrokerAddress | None:
    """The broker that the command line or `fleet.yaml` names; None: neither does.

    Raises:
        FleetError: the address is none, or the files cannot be used.
    """
    uri: str | None = arguments.broker or configured
    credentials: Path | None = arguments.credentials
    issued = home.authority / "issued" / OPERATOR
    if credentials is None and uri is not None and uri.startswith("mqtts:") and issued.is_dir():
        credentials = issued
    return None if uri is None else read_broker(uri, credentials)


def needed(address: BrokerAddress | None) -> BrokerAddress:
    """Raises FleetError where no broker is named."""
    if address is None:
        raise FleetError("no broker is named", fix="set `broker: mqtts://HOST` in fleet.yaml, or --broker")
    return address


def read_broker(uri: str, credentials: Path | None) -> BrokerAddress:
    """Put address and files together.

    Raises:
        FleetError: the address is none, or the files cannot be used.
    """
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("mqtt", "mqtts") or not host or parts.username or parts.path.strip("/") or parts.query:
        raise FleetError(f"broker {uri!r} is not understood", expected="mqtts://HOST[:PORT] or mqtt://HOST[:PORT]")
    if parts.scheme == "mqtt":
        if credentials is not None:
            raise FleetError(f"broker {uri!r} is unencrypted, but credentials are given", expected=f"mqtts://{host}")
        return BrokerAddress(host, port or PORT)
    return BrokerAddress(host, port or TLS_PORT, _tls(credentials))


def _tls(credentials: Path | None) -> ssl.SSLContext:
    if credentials is None:
        return ssl.create_default_context()
    try:
        context = ssl.create_default_context(cafile=str(credentials / AUTHORITY))
        context.load_cert_chain(str(credentials / CERTIFICATE), str(credentials / KEY))
    except OSError as error:  # ssl.SSLError is one
        raise FleetError(
            f"--credentials {credentials} cannot be used: {error}",
            expected=f"{AUTHORITY}, {CERTIFICATE} and {KEY}, in PEM",
            fix="fissura fleet enroll makes them",
        ) from error
    return context
