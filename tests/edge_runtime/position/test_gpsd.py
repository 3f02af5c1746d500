"""Against a server that speaks gpsd's protocol over a real socket."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from edge_runtime.position import gpsd, open_position
from edge_runtime.position.gpsd import GpsdPosition, read_report
from fissura.errors import ConfigError
from fissura.messages import Position
from tests.edge_runtime.position.frames import frame_at
from tests.mosquitto import wait_until

FIX = {"class": "TPV", "mode": 3, "lat": 52.5, "lon": 13.4, "altHAE": 80.5, "eph": 3.2, "track": 360.0, "speed": 4.5}
HERE = Position(latitude_deg=52.5, longitude_deg=13.4, altitude_m=80.5, accuracy_m=3.2, heading_deg=0, speed_mps=4.5)


class Server:
    """Takes one client after another; sends it what `say` is given."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.clients: list[socket.socket] = []
        self.asked: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def say(self, data: bytes) -> None:
        self.clients[-1].sendall(data)

    def close(self) -> None:
        self._listener.close()
        for client in self.clients:
            client.close()

    def _accept(self) -> None:
        try:
            while True:
                client, _ = self._listener.accept()
                client.sendall(b'{"class":"VERSION","release":"3.25","proto_major":3}\n')
                self.asked.append(client.recv(1000))
                self.clients.append(client)
        except OSError:
            return


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(gpsd, "WAIT_S", 0.05)
    started = Server()
    yield started
    started.close()


@pytest.fixture
def receiver(server: Server) -> Iterator[GpsdPosition]:
    source = open_position(f"gpsd://127.0.0.1:{server.port}")
    assert isinstance(source, GpsdPosition)
    assert wait_until(lambda: bool(server.clients))
    yield source
    source.close()


def line(**changes: object) -> bytes:
    return json.dumps({**FIX, **changes}).encode() + b"\n"


def says_where(server: Server, receiver: GpsdPosition, latitude_deg: float = 52.5) -> bool:
    """Say it, as gpsd does again and again: a fix is good for two seconds. Whether a frame of now has it."""
    server.say(line(lat=latitude_deg))
    return receiver.at(frame_at()) == HERE.model_copy(update={"latitude_deg": latitude_deg})


def fix(server: Server, receiver: GpsdPosition, data: bytes) -> int:
    """Say what has one fix in it; gives the time of the fix by the monotonic clock, in nanoseconds."""
    before = len(receiver._fixes)
    server.say(data)
    assert wait_until(lambda: len(receiver._fixes) == before + 1)
    return receiver._fixes[-1][0]


def test_the_fix_of_now_is_the_frames_position(server: Server, receiver: GpsdPosition) -> None:
    assert receiver.at(frame_at()) is None
    assert server.asked[0].startswith(b'?WATCH={"enable":true,"json":true}')
    assert wait_until(lambda: says_where(server, receiver))


def test_an_old_fix_is_none(server: Server, receiver: GpsdPosition) -> None:
    fixed_ns = fix(server, receiver, line())
    assert receiver.at(frame_at(captured_ns=fixed_ns + 1_900_000_000)) == HERE
    assert receiver.at(frame_at(captured_ns=fixed_ns + 2_100_000_000)) is None
    assert receiver.at(frame_at(captured_ns=fixed_ns - 60_000_000_000)) is None


def test_a_late_frame_gets_the_fix_of_its_own_time(server: Server, receiver: GpsdPosition) -> None:
    first_ns = fix(server, receiver, line(lat=10))
    time.sleep(0.3)
    second_ns = fix(server, receiver, line(lat=20))
    old = receiver.at(frame_at(captured_ns=first_ns + 100_000_000))
    new = receiver.at(frame_at(captured_ns=second_ns - 100_000_000))
    assert old is not None and new is not None and (old.latitude_deg, new.latitude_deg) == (10, 20)


def test_a_lost_fix_gives_no_position(server: Server, receiver: GpsdPosition) -> None:
    server.say(line(mode=1) + line(mode=0) + line(lat=None) + b"rubbish\n\n[]\n" + line()[:30])
    fixed_ns = fix(server, receiver, line()[30:])  # a line may come in two pieces
    assert len(receiver._fixes) == 1
    assert receiver.at(frame_at(captured_ns=fixed_ns)) == HERE


def test_a_connection_that_ends_is_made_again(server: Server, receiver: GpsdPosition) -> None:
    server.clients[0].close()
    assert wait_until(lambda: len(server.clients) == 2)
    assert wait_until(lambda: says_where(server, receiver))


def test_a_line_without_an_end_takes_no_memory(server: Server, receiver: GpsdPosition) -> None:
    with suppress(OSError):  # it may hang up while we still speak
        server.say(b"x" * 200_000)
    assert wait_until(lambda: len(server.clients) == 2)


def test_a_receiver_that_is_not_there_is_waited_for() -> None:
    source = open_position("gpsd://127.0.0.1:1")
    assert source.at(frame_at()) is None
    source.close()
    source.close()


def test_what_a_report_says() -> None:
    flat = read_report(line(mode=2, eph=None, track=None, speed=None))
    assert flat == Position(latitude_deg=52.5, longitude_deg=13.4)
    assert read_report(b'{"class":"SKY"}') is None
    assert read_report(line(lat=91)) is None
    assert read_report(b"\xff") is None


@pytest.mark.parametrize("uri", ["gpsd:", "gpsd://", "gpsd://host:port", "gpsd://host/path", "gpsd://me@host"])
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match="is not understood"):
        open_position(uri)


@pytest.mark.timeout(60)
def test_what_it_sends_does_not_end_the_position(
    server: Server, receiver: GpsdPosition, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed_ns = fix(server, receiver, b"[" * 60_000 + b"\n" + line())
    assert receiver.at(frame_at(captured_ns=fixed_ns)) == HERE

    def fail(_: bytes) -> None:
        monkeypatch.undo()
        raise OverflowError("a number that was not thought of")

    monkeypatch.setattr(gpsd, "WAIT_S", 0.05)
    monkeypatch.setattr(gpsd, "read_report", fail)
    server.say(line())
    assert wait_until(lambda: len(server.clients) > 1)  # asked again
    assert wait_until(lambda: says_where(server, receiver, 10))
