"""Events a second that the operator's listener stores and acknowledges.

A burst as after an outage: 10,000 devices have five events each in their outboxes and send them at once, through a
mosquitto of our own with the limits of `deploy/mosquitto`. A process of its own plays all devices over a few
connections and counts the acknowledgements, which the listener gives only after the commit. Timed from the first event
to the last acknowledgement.

    python benchmarks/fleet/listener.py [--devices 10000] [--rounds 3] > benchmarks/results/fleet/listener.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import select
import socket
import sqlite3
import tempfile
import time
from datetime import datetime, timezone
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import uuid4

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from deploy.fleet.registry.registry import Registry
from deploy.fleet.rollout.broker import BrokerAddress
from deploy.fleet.rollout.listener import Listener
from edge_runtime.local_broker import LocalBroker
from edge_runtime.mqtt.packets import encode_publish
from fissura.topics import ROOT, UPDATE_ACK, UPDATE_EVENT
from fissura.update_messages import Acknowledgement, Phase, UpdateEvent

PHASES: tuple[Phase, ...] = ("download", "build", "selftest", "canary", "committed")
CONNECTIONS = 4
TIMEOUT_S = 120.0
SETTINGS = (
    "allow_anonymous true",
    "max_inflight_messages 500",
    "max_queued_bytes 536870912",
)


def make_packets(devices: int) -> list[list[bytes]]:
    """The events of all devices as PUBLISH packets, dealt out to the connections."""
    packets: list[list[bytes]] = [[] for _ in range(CONNECTIONS)]
    for number in range(devices):
        serial = f"truck-{number:05d}"
        for step, phase in enumerate(PHASES):
            event = UpdateEvent(
                uuid=uuid4(),
                serial=serial,
                sent_utc=datetime.now(timezone.utc),
                sequence=step + 1,
                phase=phase,
                model="crack",
                release=7,
                channel="stable",
                hardware="jetson-orin-nx",
                version="0.1.0",
                happened_utc=datetime.now(timezone.utc),
                figures={"duration_s": 12.5, "p99_ms": 31.2},
            )
            mine = packets[number % CONNECTIONS]
            mid = len(mine) % 65_535 + 1
            mine.append(encode_publish(UPDATE_EVENT.of(serial), event.to_json(), mid, retain=False, is_v5=True))
    return packets


def connect(port: int, name: str) -> socket.socket:
    """A connection that has been welcomed."""
    peer = socket.create_connection(("127.0.0.1", port))
    body = b"\x00\x04MQTT\x05\x02\x00\x00\x00" + len(name).to_bytes(2, "big") + name.encode()
    peer.sendall(bytes((0x10, len(body))) + body)
    assert peer.recv(1024)[0] == 0x20
    return peer


def play_devices(port: int, devices: int, pipe: Connection) -> None:
    """Send everything on a word, and say when all of it is acknowledged."""
    packets = make_packets(devices)
    acknowledged = 0
    listener = paho.Client(CallbackAPIVersion.VERSION2, "devices", protocol=MQTTProtocolVersion.MQTTv5)

    def heard(client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        nonlocal acknowledged
        acknowledged += len(Acknowledgement.model_validate_json(message.payload).events)

    listener.on_message = heard
    listener.connect("127.0.0.1", port)
    listener.subscribe(f"{ROOT}/+/{UPDATE_ACK.suffix}", qos=1)
    listener.loop_start()
    peers = [connect(port, f"sender-{number}") for number in range(CONNECTIONS)]
    pipe.send("ready")
    pipe.recv()
    began = time.monotonic()
    rest = {peer.fileno(): memoryview(b"".join(mine)) for peer, mine in zip(peers, packets, strict=True)}
    for peer in peers:
        peer.setblocking(False)
    while any(rest.values()):
        readable, writable, _ = select.select(peers, [peer for peer in peers if rest[peer.fileno()]], [], 1)
        for peer in readable:
            peer.recv(1 << 20)  # PUBACKs of the broker, which prove nothing
        for peer in writable:
            rest[peer.fileno()] = rest[peer.fileno()][peer.send(rest[peer.fileno()][:65_536]) :]
    sent_s = time.monotonic() - began
    while acknowledged < devices * len(PHASES) and time.monotonic() - began < TIMEOUT_S:
        for peer in select.select(peers, [], [], 0.01)[0]:
            peer.recv(1 << 20)
    pipe.send((sent_s, time.monotonic() - began, acknowledged))
    listener.disconnect()
    listener.loop_stop()


def one_round(devices: int) -> dict[str, float]:
    """One burst."""
    with tempfile.TemporaryDirectory() as name, LocalBroker(Path(name), SETTINGS) as broker:
        with Registry(Path(name) / "fleet.sqlite") as registry:
            listener = Listener(registry, BrokerAddress("127.0.0.1", broker.port))
            listener.start()
            here, there = multiprocessing.Pipe()
            process = multiprocessing.get_context("spawn").Process(
                target=play_devices, args=(broker.port, devices, there)
            )
            process.start()
            here.recv()
            assert listener.wait_settled(30)
            cpu_s = time.process_time()
            here.send("go")
            sent_s, all_s, acknowledged = here.recv()
            cpu_s = time.process_time() - cpu_s
            process.join()
            listener.close()
        with sqlite3.connect(Path(name) / "fleet.sqlite") as connection:
            (stored,) = connection.execute("SELECT COUNT(*) FROM events").fetchone()
    return {
        "events": devices * len(PHASES),
        "stored": stored,
        "acknowledged": acknowledged,
        "sent_s": round(sent_s, 2),
        "all_acknowledged_s": round(all_s, 2),
        "events_per_s": round(acknowledged / all_s),
        "listener_cpu_s": round(cpu_s, 2),
    }


def main() -> None:
    """Print the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    results = [one_round(arguments.devices) for _ in range(arguments.rounds)]
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "load_average": os.getloadavg()[0]}
    print(json.dumps({"machine": machine, "devices": arguments.devices, "rounds": results}, indent=2))


if __name__ == "__main__":
    main()
