"""RTSP against a real server, which is killed, stopped, and late."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.frame import Timeout
from edge_runtime.sources.camera.gst_pipeline import SOFTWARE
from edge_runtime.sources.csi import CsiConfig, CsiSource
from tests.edge_runtime.sources.conftest import RtspServer
from tests.edge_runtime.sources.live import LIMIT_S, child_of, frames, gone, opened, read_until
from tests.mosquitto import wait_until

BACK_S = 10.0


def _uri(server: RtspServer, options: str = "timeout=2&max_backoff=1", login: str = "") -> str:
    return f"rtsp://{login}127.0.0.1:{server.port}/live?{options}"


def test_a_camera_that_is_killed_comes_back_with_another_size(rtsp: RtspServer, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("l0ck ed!\n")
    rtsp.start(160, 120, "guard", "l0ck ed!")
    with opened(_uri(rtsp, f"timeout=2&max_backoff=0.5&password_file={tmp_path / 'password'}", "guard@")) as source:
        got = frames(source, 5)
        assert {frame.image.shape for frame in got} == {(120, 160, 3)}
        assert got[0].image.max() > 200  # the ball
        rtsp.kill()
        read_until(source, lambda: bool(source.losses["ended"] or source.losses["stalled"]))
        rtsp.start(320, 240, "guard", "l0ck ed!")
        read_until(source, lambda: source.reconnects == 1)
        assert frames(source, 1)[0].image.shape == (240, 320, 3)


@pytest.mark.slow
def test_a_camera_that_is_late_or_stopped_is_waited_for(rtsp: RtspServer) -> None:
    with opened(_uri(rtsp)) as source:
        read_until(source, lambda: source.losses["refused"] >= 2)
        assert isinstance(source.read(), Timeout)
        rtsp.start()
        frames(source, 5)
        assert source.reconnects == 0
        rtsp.signal(signal.SIGSTOP)  # the connection stays open
        read_until(source, lambda: source.losses["stalled"] >= 2)
        rtsp.signal(signal.SIGCONT)
        read_until(source, lambda: source.reconnects == 1)
        frames(source, 5)


@pytest.mark.slow
def test_stamps_of_the_first_frames_are_not_a_burst(rtsp: RtspServer) -> None:
    rtsp.start()
    with opened(_uri(rtsp)) as source:
        stamps = [frame.captured_monotonic_ns / 1e6 for frame in frames(source, 10)]
    assert stamps[-1] - stamps[0] > 9 * 50 / 2  # at 20 frames a second


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_minute_without_the_camera_with_default_options(rtsp: RtspServer, number: int) -> None:
    rtsp.start()
    with opened(_uri(rtsp, "")) as source:
        frames(source, 5)
        rtsp.signal(number)
        gone_s = time.monotonic()
        while time.monotonic() < gone_s + 60:
            source.read()
        if number == signal.SIGKILL:
            rtsp.kill()
            rtsp.start()
            assert wait_until(lambda: _listens(rtsp.port), LIMIT_S)
        else:
            rtsp.signal(signal.SIGCONT)
        back_s = time.monotonic()
        read_until(source, lambda: source.reconnects == 1)
        recovery_s = time.monotonic() - back_s
        print(f"recovered after {recovery_s:.1f} s; lost: {dict(source.losses)}")
    assert recovery_s <= BACK_S


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_gstreamer_decodes_rtsp(rtsp: RtspServer) -> None:
    rtsp.start(160, 120)
    with opened(_uri(rtsp, "decoder=gstreamer&width=160&height=120&max_backoff=0.5")) as source:
        got = frames(source, 5)
        assert {frame.image.shape for frame in got} == {(120, 160, 3)}
        assert max(int(frame.image.max()) for frame in got) > 200
        children = child_of(source).children(recursive=True)
        assert [child.name() for child in children] == ["gst-launch-1.0"]
    assert wait_until(lambda: all(gone(child) for child in children))


@pytest.mark.parametrize("flip", ["90", *(pytest.param(flip, marks=pytest.mark.slow) for flip in ("none", "270"))])
def test_the_csi_pipeline_runs_with_software_elements(gstreamer: None, flip: str) -> None:
    config = CsiConfig.model_validate({"width": 160, "height": 96, "fps": 20, "flip": flip})
    with CsiSource("", config, SOFTWARE) as source:
        frame = frames(source, 3)[-1]
    assert frame.source == "csi:0"
    upright = np.rot90(frame.image, {"none": 0, "90": 1, "270": -1}[flip])
    assert upright.shape == (96, 160, 3)
    # The first of videotestsrc's bars are white, yellow, cyan and green: neither mirrored nor with red for blue.
    bars = [tuple((upright[5, 80 * (2 * bar + 1) // 7] > 128).tolist()) for bar in range(4)]
    assert bars == [(True, True, True), (True, True, False), (False, True, True), (False, True, False)]


def test_gstreamer_ends_with_its_reader_process(gstreamer: None) -> None:
    with CsiSource("", CsiConfig(width=160, height=96, fps=20, max_backoff=0.1), SOFTWARE) as source:
        frames(source, 1)
        child = child_of(source)
        children = child.children()
        child.kill()
        assert children and wait_until(lambda: all(gone(process) for process in children))
        read_until(source, lambda: source.reconnects == 1)
        assert source.losses == {"died": 1}


@pytest.mark.slow
def test_a_pipeline_that_fails_says_why(gstreamer: None, rtsp: RtspServer) -> None:
    with opened(_uri(rtsp, "decoder=gstreamer&width=160&height=120&max_backoff=0.1")) as source:
        read_until(source, lambda: bool(source.losses))
        assert "ended" in source.losses or "refused" in source.losses
