from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest

from edge_runtime.mqtt.packets import Puback
from edge_runtime.mqtt.wire import Wire

PUBACKS = (b"\x40\x02\x03\xe8", b"\x40\x02\x03\xe9", b"\x40\x02\x03\xea")


@pytest.fixture
def ends() -> Iterator[tuple[Wire, socket.socket]]:
    """The wire, and the broker's end of it: a real connection, since it is the kernel that gathers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = socket.create_connection(server.getsockname())
        here.setblocking(False)
        there, _ = server.accept()
        with here, there:
            yield Wire(here), there


def _readable(wire: Wire, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(wire, select.POLLIN)
    return bool(poll.poll(timeout_s * 1e3))


def test_it_sleeps_through_the_first_of_those_that_it_waits_for(
    ends: tuple[Wire, socket.socket],
) -> None:
    wire, broker = ends
    wire.wait_for_pubacks(len(PUBACKS))
    for packet in PUBACKS[:2]:
        broker.sendall(packet)
        assert not _readable(wire, 0.05)
    broker.sendall(PUBACKS[2])
    assert _readable(wire, 10)
    assert not wire.receive()  # nothing in it is for paho
    assert wire.take_pubacks() == [Puback(mid, 0) for mid in (1000, 1001, 1002)]


def test_it_learns_how_long_the_brokers_acknowledgements_are(ends: tuple[Wire, socket.socket]) -> None:
    wire, broker = ends
    nobody_subscribed = b"\x40\x04\x03\xe8\x10\x00"
    broker.sendall(nobody_subscribed)
    assert _readable(wire, 10)
    wire.receive()
    wire.wait_for_pubacks(2)
    broker.sendall(nobody_subscribed + nobody_subscribed[:4])
    assert not _readable(wire, 0.05)
    broker.sendall(nobody_subscribed[4:])
    assert _readable(wire, 10)


def test_what_is_fewer_is_there_to_read_all_the_same(ends: tuple[Wire, socket.socket]) -> None:
    wire, broker = ends
    wire.wait_for_pubacks(9)
    broker.sendall(PUBACKS[0])
    assert not _readable(wire, 0.05)
    wire.wait_for_any()
    assert _readable(wire, 10)
    wire.receive()
    assert len(wire.take_pubacks()) == 1


def test_the_end_of_a_connection_is_seen_at_once(ends: tuple[Wire, socket.socket]) -> None:
    wire, broker = ends
    wire.wait_for_pubacks(9)
    broker.close()
    assert _readable(wire, 10)
    assert wire.receive()
    assert wire.recv(1) == b""
