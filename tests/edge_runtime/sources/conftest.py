from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_runtime.local_broker import free_port
from tests.edge_runtime.sources.mjpeg_server import MjpegServer

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")
IMPORTS = (
    "import sys, gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0'); "
    "from gi.repository import Gst, GstRtspServer; Gst.init(None)"
)
ELEMENTS = ("x264enc", "rtph264pay", "avdec_h264", "h264parse", "videotestsrc")


class RtspServer:
    """A real RTSP camera, which can be killed and started again at the same address."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, width: int = 160, height: int = 120, *login: str, pattern: str = "ball") -> None:
        words = [SYSTEM_PYTHON, str(SERVER), str(self.port), str(width), str(height), pattern, *login]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _missing() -> str:
    check = f"{IMPORTS}; sys.exit(' '.join(e for e in {ELEMENTS!r} if not Gst.ElementFactory.find(e)) or 0)"
    try:
        done = subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2] or "something"


@pytest.fixture(scope="session")
def gstreamer() -> None:
    """Skips where GStreamer, its RTSP server or its H.264 elements are missing."""
    if missing := _missing():
        pytest.skip(
            f"GStreamer is not complete ({missing}): sudo apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 "
            "gstreamer1.0-tools gstreamer1.0-plugins-{base,good,bad,ugly} gstreamer1.0-libav"
        )


@pytest.fixture
def rtsp(gstreamer: None) -> Iterator[RtspServer]:
    """An RTSP camera that is not started yet."""
    server = RtspServer()
    yield server
    server.kill()


@pytest.fixture
def make_mjpeg() -> Iterator[Callable[..., MjpegServer]]:
    """Starts cameras that send motion JPEG over HTTP."""
    servers: list[MjpegServer] = []

    def make(*arguments: object, **options: object) -> MjpegServer:
        servers.append(MjpegServer(*arguments, **options))  # type: ignore[arg-type]
        return servers[-1]

    yield make
    for server in servers:
        server.stop()
