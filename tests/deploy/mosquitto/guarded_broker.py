"""A real mosquitto that runs the shipped configuration, and clients with certificates of a real authority."""

from __future__ import annotations

import getpass
import re
import signal
import ssl
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from deploy.fleet.authority.authority import Authority
from deploy.fleet.authority.handout import Fleet, write_handout
from deploy.fleet.authority.roles import RESERVED, Role
from edge_runtime.local_broker import find_mosquitto, free_port
from tests.mosquitto import wait_until

SHIPPED = Path(__file__).parents[3] / "deploy" / "mosquitto"
SECRET = "a passphrase that is long"


class GuardedBroker:
    """Only paths, the port, the user and a fuller log differ from what is shipped.

    Args:
        folder: for everything.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.authority = Authority(folder / "ca")
        self.issue("localhost", "server", hosts=("localhost", "127.0.0.1"))
        text = (SHIPPED / "mosquitto.conf").read_text()
        for shipped, here in (
            ("listener 8883", f"listener {self.port} 127.0.0.1"),
            ("/etc/mosquitto/fissura/acl", str(SHIPPED / "acl")),
            ("/etc/mosquitto/fissura/server.", f"{folder}/localhost/server."),
            ("/etc/mosquitto/fissura/", f"{folder}/ca/"),
            ("/var/lib/mosquitto/", f"{folder}/"),
            ("/var/log/mosquitto/", f"{folder}/"),
        ):
            assert shipped in text
            text = text.replace(shipped, here)
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text(f"{text}\nuser {getpass.getuser()}\nlog_type information\n")
        self._process: subprocess.Popen[bytes] | None = None

    def issue(self, name: str, role: Role | None = None, *, hosts: Sequence[str] = ()) -> Path:
        """Make a certificate; gives its folder."""
        role = role or ("operator" if name == "operator" else "console" if name in RESERVED else "device")
        credential = self.authority.issue(name, role, 30, SECRET, hosts=hosts, renew=True)
        fleet = Fleet(self.authority.certificate, self.folder / "root.json")
        write_handout(self.folder / name, name, role, credential, fleet)
        return self.folder / name

    def reload(self) -> None:
        """What `systemctl reload mosquitto` does."""
        assert self._process is not None
        before = self.log().count("Reloading config")
        self._process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: self.log().count("Reloading config") > before)

    def log(self) -> str:
        """What it has logged."""
        path = self.folder / "mosquitto.log"
        return path.read_text() if path.exists() else ""

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> GuardedBroker:
        program = find_mosquitto()
        assert program is not None
        self._process = subprocess.Popen([program, "-c", str(self._configuration)], stderr=subprocess.DEVNULL)
        assert wait_until(lambda: bool(re.search(r"mosquitto version \S+ running", self.log()))), self.log()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


class Client:
    """A client of the guarded broker, MQTT 5, that remembers what is delivered to it.

    Args:
        broker: to connect to.
        name: whose certificate it has; None: none at all.
        client_id: as the client chooses it.
        tls: another folder of certificate and key.
    """

    def __init__(
        self, broker: GuardedBroker, name: str | None, *, client_id: str | None = None, tls: Path | None = None
    ) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.connected = False
        self.drops = 0
        context = ssl.create_default_context(cafile=str(broker.authority.certificate))
        folder = tls or (None if name is None else broker.folder / name)
        if folder is not None:
            stem = "client" if (folder / "client.pem").exists() else "server"
            context.load_cert_chain(folder / f"{stem}.pem", folder / f"{stem}.key")
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id or f"{name}-run", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.tls_set_context(context)
        self._client.reconnect_delay_set(0.05, 0.05)  # type: ignore[arg-type]
        self._topics: list[str] = []
        self._subscribed = 0
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._port = broker.port

    def start(self, *topics: str, within_s: float = 20.0) -> bool:
        """Connect and subscribe; whether the broker let it in."""
        self._topics = list(topics)
        self._client.connect_timeout = 5
        try:
            self._client.connect("127.0.0.1", self._port)
        except (OSError, ssl.SSLError):
            return False
        self._client.loop_start()
        return wait_until(lambda: self.connected and self._subscribed >= len(self._topics), within_s)

    def publish(self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=qos, retain=retain)

    def unacknowledged(self) -> int:
        """Messages that the broker has not said that it has."""
        return len(self._client._out_messages)

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for at, payload in self.got if at == topic]

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _on_connect(self, client: paho.Client, _: Any, __: Any, reason: Any, ___: Any) -> None:
        self.connected = not reason.is_failure
        for topic in self._topics:
            client.subscribe(topic, qos=1)

    def _on_disconnect(self, *_: Any) -> None:
        self.connected = False
        self.drops += 1

    def _on_message(self, _: paho.Client, __: Any, message: paho.MQTTMessage) -> None:
        self.got.append((message.topic, bytes(message.payload)))

    def _on_subscribe(self, *_: Any) -> None:
        self._subscribed += 1


def delivered(receiver: Client, sender: Client, topic: str, marker_topic: str, payload: bytes = b"x") -> bool:
    """Whether a message arrives: decided by a second one, of the same sender, that is known to be let through."""
    sender.publish(topic, payload)
    marker = f"marker {time.monotonic_ns()}".encode()
    sender.publish(marker_topic, marker)
    assert wait_until(lambda: marker in receiver.payloads(marker_topic)), "the marker did not arrive"
    return payload in receiver.payloads(topic)
