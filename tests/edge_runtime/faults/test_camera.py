"""`fissura run` on two cameras, one of which is killed, or freezes: the other goes on, and the lost one comes back."""

from __future__ import annotations

import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.local_broker import LocalBroker, free_port
from tests.edge_runtime.faults.runs import Run, finish
from tests.edge_runtime.sources.conftest import RtspServer, gstreamer, rtsp
from tests.mosquitto import wait_until

__all__ = ["gstreamer", "rtsp"]

BACK_S = 10.0
LIMIT_S = 60.0


class Watched:
    """A run on the camera `front` and a folder, looked at through its health page."""

    def __init__(self, bundle: Path, images: Path, tmp_path: Path, broker: LocalBroker, address: str) -> None:
        self._port = free_port()
        run = Run(bundle, tmp_path, f"mqtt://127.0.0.1:{broker.port}")
        more = ["--source", f"rear=folder:{images}?fps=10&loop=true", "--health-port", str(self._port)]
        self.process = run.start(f"front={address}", *more, "--frame-limit", "3")

    def healthz(self) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/healthz", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, {}

    def frames(self, camera: str) -> float:
        """How many of a camera's frames were looked at."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return 0
        wanted = f'fissura_frames_total{{source="{camera}"}} '
        return next((float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted)), 0)

    def more(self, camera: str, count: int, limit_s: float = LIMIT_S) -> bool:
        before = self.frames(camera)
        return wait_until(lambda: self.frames(camera) >= before + count, limit_s)

    def end(self) -> dict[str, Any]:
        self.process.send_signal(signal.SIGTERM)
        code, summary, log = finish(self.process)
        assert code == 0, log
        assert summary["left_in_spool"] == 0
        return summary


Watch = Callable[[str], Watched]


@pytest.fixture
def watch(bundle: Path, images: Path, tmp_path: Path, broker: LocalBroker) -> Watch:
    return lambda address: Watched(bundle, images, tmp_path, broker, address)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_an_rtsp_camera_that_is_away_for_a_minute_is_back_within_ten_seconds(
    rtsp: RtspServer, watch: Watch, number: signal.Signals
) -> None:
    rtsp.start()
    run = watch(f"rtsp://127.0.0.1:{rtsp.port}/live")
    assert run.more("front", 5)
    rtsp.signal(number)
    away_s = time.monotonic()
    assert wait_until(lambda: run.healthz()[0] == 503, 30)
    assert "front" in run.healthz()[1]["problems"][0]
    assert run.more("rear", 20)
    time.sleep(max(0.0, away_s + 60 - time.monotonic()))
    if number == signal.SIGKILL:
        rtsp.kill()
        rtsp.start()
    else:
        rtsp.signal(signal.SIGCONT)
    back_s = time.monotonic()
    assert run.more("front", 1)
    took_s = time.monotonic() - back_s
    assert took_s <= BACK_S, f"{took_s:.1f} s"
    assert wait_until(lambda: run.healthz()[0] == 200, 30)
    assert run.end()["sources"]["front"]["reconnects"] == 1


@pytest.mark.slow
def test_a_frozen_picture_is_taken_for_a_lost_camera(rtsp: RtspServer, watch: Watch) -> None:
    rtsp.start(pattern="black")  # every frame the same, as a driver gives that repeats its last buffer
    run = watch(f"rtsp://127.0.0.1:{rtsp.port}/live?frozen_s=3&max_backoff=0.5")
    assert run.more("front", 5)
    assert run.more("rear", 60)
    front = run.end()["sources"]["front"]
    assert front["reconnects"] >= 1 and front["frames"] > 5


def test_a_camera_that_is_not_there_keeps_no_other_waiting(watch: Watch) -> None:
    run = watch(f"rtsp://127.0.0.1:{free_port()}/live")
    assert run.more("rear", 10)
    assert wait_until(lambda: run.healthz()[0] == 503, 30)
    sources = run.end()["sources"]
    assert sources["front"] == {"frames": 0, "drops": {}, "reconnects": 0} and sources["rear"]["frames"] >= 10
