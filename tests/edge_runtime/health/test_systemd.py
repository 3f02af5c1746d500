from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from edge_runtime.health.systemd import Notifier


def listener(address: str) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(f"\0{address[1:]}" if address.startswith("@") else address)
    listening.settimeout(20)
    return listening


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "abstract":
        yield f"@fissura-test-{os.getpid()}"
        return
    if len(str(tmp_path)) > 90:
        pytest.skip("the path of the temporary folder is too long for a socket")
    yield str(tmp_path / "notify")


def test_every_message_of_the_protocol(address: str) -> None:
    with closing(listener(address)) as manager:
        notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())})
        assert notifier.watchdog_s == 3
        notifier.ready()
        notifier.status("12 frames;\nno line breaks\x00")
        before_us = time.monotonic_ns() // 1000
        notifier.reloading()
        notifier.watchdog()
        notifier.stopping()
        received = [manager.recv(4096).decode() for _ in range(5)]
    assert received[0] == "READY=1"
    assert received[1] == "STATUS=12 frames; no line breaks"
    state, stamp = received[2].split("\n")
    assert state == "RELOADING=1"
    assert before_us <= int(stamp.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    assert received[3:] == ["WATCHDOG=1", "STOPPING=1"]


@pytest.mark.parametrize("socket_name", [None, "", "@", "relative/path", "vsock:2:1234", "/nobody/listens/here"])
def test_without_a_service_manager_nothing_happens(socket_name: str | None) -> None:
    notifier = Notifier({} if socket_name is None else {"NOTIFY_SOCKET": socket_name})
    notifier.ready()
    notifier.stopping()
    assert notifier.watchdog_s is None


@pytest.mark.parametrize("usec", ["", "0", "-5", "soon", "1e6", "²"])
def test_no_watchdog(usec: str) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": usec}).watchdog_s is None


def test_the_watchdog_of_another_process_is_not_ours() -> None:
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}
    assert Notifier(environment).watchdog_s is None


def test_a_manager_that_does_not_read_holds_nobody_up(address: str) -> None:
    with closing(listener(address)):
        notifier = Notifier({"NOTIFY_SOCKET": address})
        for _ in range(2000):  # a socket takes some hundreds
            notifier.watchdog()


# The health thread of a process that systemd watches: processing, then stalled, then ending.
PROGRAM = """
import sys, time
from edge_runtime.control import ControlState
from edge_runtime.counters import Counters
from edge_runtime.health.config import HealthConfig
from edge_runtime.health.monitor import Health
from edge_runtime.stages import StageTimes

counters = Counters(["front"])
state = ControlState(False, 0.5, None, "ab", "engine", ("front",))
health = Health(HealthConfig(processing_limit_s=1), counters, StageTimes(), lambda: state)
health.start()
end = time.monotonic() + 1
while time.monotonic() < end:
    counters.frame_arrived("front"); counters.frame_done(0, "front"); time.sleep(0.05)
with health.reloading():
    pass
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    counters.frame_arrived("front") if sys.argv[2] == "engine" else None
    time.sleep(0.05)
health.close()
"""


def watched(what: str) -> list[tuple[float, str]]:
    """What a service manager hears of the program, and when."""
    address = f"@fissura-watchdog-{os.getpid()}-{what}"
    environment = {**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "400000"}
    environment.pop("WATCHDOG_PID", None)
    received: list[tuple[float, str]] = []
    with closing(listener(address)) as manager:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, "4", what], env=environment)
        while not received or received[-1][1] != "STOPPING=1":
            message = manager.recv(4096).decode()
            received.append((time.monotonic(), message.split("\n")[0]))
        assert process.wait(20) == 0
    return received


@pytest.mark.slow
def test_a_stalled_engine_starves_the_watchdog_and_an_absent_camera_does_not() -> None:
    with ThreadPoolExecutor() as pool:
        stories = dict(zip(("engine", "camera"), pool.map(watched, ("engine", "camera")), strict=True))
    for what, received in stories.items():
        names = [name for _, name in received]
        assert names[0] == "READY=1"
        assert names[names.index("RELOADING=1") :].count("READY=1") == 1
        assert any(name.startswith("STATUS=ok; ") for name in names)
        reload_at, end_at = next(at for at, name in received if name == "RELOADING=1"), received[-1][0]
        fed = [at for at, name in received if name == "WATCHDOG=1"]
        assert sum(at < reload_at for at in fed) >= 2
        # The engine's was fed for the second that the limit allows, and for the time of a look or two.
        assert (end_at - max(fed) > 2) == (what == "engine")
