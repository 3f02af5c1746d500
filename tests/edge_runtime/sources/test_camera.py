"""A live camera through its reader process: everything that can go wrong with it, with real processes and servers."""

from __future__ import annotations

import itertools
import logging
import os
import re
import shutil
import signal
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from edge_runtime.frame import Frame, Timeout
from edge_runtime.local_broker import free_port
from edge_runtime.sources.camera.source import CameraConfig, CameraSource
from fissura.errors import ImageError, SourceError
from tests.edge_runtime.sources.live import LIMIT_S, child_of, frames, gone, opened, read_until
from tests.edge_runtime.sources.mjpeg_server import MjpegServer, jpeg, number_of, picture
from tests.mosquitto import wait_until

QUICK = "&timeout=1.5&max_backoff=0.5"
PATIENT = "&timeout=60&open_timeout=60&max_backoff=0.5"  # where a busy machine must not pass for a silent camera
MakeMjpeg = Callable[..., MjpegServer]


def test_frames_are_the_cameras(make_mjpeg: MakeMjpeg) -> None:
    before = time.monotonic_ns()
    with opened(make_mjpeg().url()) as source:
        got = frames(source, 10)
        assert source.reconnects == 0 and not source.losses
    for frame in got:
        assert frame.image.shape == (72, 96, 3) and frame.image.dtype == np.uint8
        # The JPEG is lossy, the picture nearly grey: right to a few levels, and the right one.
        assert number_of(frame.image) == frame.sequence
        assert np.abs(frame.image.astype(int) - picture(frame.sequence)).mean() < 4
        assert frame.source == source.name
        assert abs(frame.captured_utc.timestamp() - time.time()) < LIMIT_S
    stamps = [frame.captured_monotonic_ns for frame in got]
    assert stamps == sorted(stamps) and before < stamps[0] and stamps[-1] < time.monotonic_ns()


def test_colours_are_rgb(make_mjpeg: MakeMjpeg) -> None:
    def red() -> Iterator[bytes]:
        for _ in itertools.count():
            image = np.zeros((32, 32, 3), np.uint8)
            image[..., 2] = 200  # BGR, as OpenCV writes it
            yield jpeg(image)

    with opened(make_mjpeg(red).url()) as source:
        colour = frames(source, 1)[0].image.mean(axis=(0, 1))
    assert colour[0] > 180 and colour[2] < 20


def test_who_is_slow_gets_the_newest_frame(make_mjpeg: MakeMjpeg) -> None:
    with opened(make_mjpeg(period_s=0.01).url()) as source:

        def newest_comes() -> bool:
            (first,) = frames(source, 1)
            time.sleep(1.0)
            (second,) = frames(source, 1)
            age_ns = time.monotonic_ns() - second.captured_monotonic_ns
            assert source.superseded >= second.sequence - first.sequence - 1
            assert number_of(second.image) == second.sequence % 256
            return second.sequence > first.sequence + 10 and age_ns < 0.5e9

        assert wait_until(newest_comes)  # not the first time where the machine is busy; out of a queue, never


@pytest.mark.parametrize(("count", "lengths"), [(1000, True), pytest.param(1000, False, marks=pytest.mark.slow)])
def test_damaged_frames_cost_themselves_alone(make_mjpeg: MakeMjpeg, count: int, lengths: bool) -> None:
    every = 20
    rng = np.random.default_rng(0)
    whole = [jpeg(picture(number)) for number in range(50)]

    def damaged(data: bytes, kind: int) -> bytes:
        noise = rng.integers(0, 256, len(data), np.uint8).tobytes()
        middle = len(data) // 2
        return (data[:middle], noise, data[:middle] + noise[:600] + data[middle + 600 :], b"no picture")[kind % 4]

    def parts() -> Iterator[bytes]:
        for number in range(count):
            data = whole[number % len(whole)]
            yield damaged(data, number // every) if number % every == 7 else data

    with opened(make_mjpeg(parts, period_s=0.001, lengths=lengths).url()) as source:
        seen = errors = 0
        deadline = time.monotonic() + LIMIT_S
        while seen + errors + source.superseded < count:
            assert time.monotonic() < deadline, (seen, errors, source.superseded)
            try:
                seen += isinstance(source.read(), Frame)
            except ImageError as error:
                assert "damaged" in error.found
                errors += 1
        assert errors == count // every
        assert not source.losses


@pytest.mark.slow
def test_a_camera_that_sends_nothing_but_damage_is_opened_anew(make_mjpeg: MakeMjpeg) -> None:
    server = make_mjpeg(lambda: itertools.repeat(b"no picture"))
    errors = 0
    with opened(server.url(QUICK + "&open_timeout=1.5")) as source:
        deadline = time.monotonic() + LIMIT_S
        while source.losses["stalled"] < 2:
            assert time.monotonic() < deadline
            try:
                assert not isinstance(source.read(), Frame)
            except ImageError:
                errors += 1
    assert errors > 10 and server.connections >= 2


def test_the_size_may_change_in_mid_stream(make_mjpeg: MakeMjpeg) -> None:
    sizes = [(96, 72), (320, 240), (64, 48)]

    def parts() -> Iterator[bytes]:
        for number in itertools.count():
            yield jpeg(picture(number, *sizes[number // 5 % 3]))

    with opened(make_mjpeg(parts).url()) as source:
        for frame in frames(source, 30):
            width, height = sizes[frame.sequence // 5 % 3]
            assert frame.image.shape == (height, width, 3)
            assert number_of(frame.image) == frame.sequence % 256
        assert not source.losses


def test_a_reader_process_that_is_killed_is_replaced(make_mjpeg: MakeMjpeg) -> None:
    with opened(make_mjpeg().url(PATIENT)) as source:
        before = frames(source, 3)
        child_of(source).kill()
        read_until(source, lambda: source.reconnects == 1)
        after = frames(source, 3)
        assert source.losses == {"died": 1}
        assert after[0].sequence > before[-1].sequence  # it goes on counting


def test_a_reader_process_that_hangs_is_replaced_and_closed(make_mjpeg: MakeMjpeg) -> None:
    with opened(make_mjpeg().url(QUICK)) as source:
        frames(source, 3)
        child, before = child_of(source), source.reconnects
        child.suspend()
        read_until(source, lambda: source.reconnects > before)
        assert set(source.losses) == {"stalled"} and gone(child)
        child = child_of(source)
        child.suspend()
        began = time.monotonic()
        source.close()
        assert time.monotonic() - began < 10 and gone(child)


def test_a_camera_that_falls_silent_is_opened_anew(make_mjpeg: MakeMjpeg, caplog: pytest.LogCaptureFixture) -> None:
    server = make_mjpeg()
    with opened(server.url(QUICK)) as source:
        frames(source, 3)
        server.silent = True
        read_until(source, lambda: source.losses["stalled"] >= 1)
        server.silent = False
        read_until(source, lambda: source.reconnects >= 1)
        frames(source, 3)
    silent_s = [float(seconds) for seconds in re.findall(r"no frame for ([\d.]+) s", caplog.text)]
    assert silent_s and min(silent_s) >= 1.5 and "is back after" in caplog.text
    assert server.connections >= 2


def test_a_frozen_camera_is_opened_anew(make_mjpeg: MakeMjpeg, caplog: pytest.LogCaptureFixture) -> None:
    same = jpeg(picture(0))
    with opened(make_mjpeg(lambda: itertools.repeat(same)).url(PATIENT + "&frozen_s=0.5")) as source:
        read_until(source, lambda: source.losses["frozen"] >= 1)
        assert set(source.losses) == {"frozen"}
    assert "frozen" in caplog.text
    with opened(make_mjpeg(lambda: itertools.repeat(same)).url("&frozen_s=0")) as source:
        assert frames(source, 40)[-1].sequence >= 39 and not source.losses


def test_a_camera_that_is_not_there_yet_can_be_waited_for_and_left(make_mjpeg: MakeMjpeg) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}/video?{PATIENT[1:]}"
    with opened(uri) as source:
        longest = 0.0
        while source.losses["refused"] < 2:
            began = time.monotonic()
            assert isinstance(source.read(), Timeout)
            longest = max(longest, time.monotonic() - began)
        assert longest < 5  # 0.2 s, and the start of a process
        make_mjpeg(port=port)
        frames(source, 3)
        assert source.reconnects == 0  # it came, it did not come back
    with opened(uri.replace(str(port), str(free_port()))) as source:
        source.read()  # closed right after the start of a process


def test_without_retry_the_first_failure_is_the_last() -> None:
    source = opened(f"http://127.0.0.1:{free_port()}/video?retry=false")
    with pytest.raises(SourceError, match="refused"):
        read_until(source, lambda: False)
    source.close()
    source.close()


class SilentServer(socketserver.BaseRequestHandler):
    """Accepts, and says nothing."""

    def handle(self) -> None:
        time.sleep(LIMIT_S)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_camera_that_accepts_and_says_nothing_can_be_left_at_any_time(scheme: str) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), SilentServer) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with opened(f"{scheme}://127.0.0.1:{server.server_address[1]}/live?open_timeout=1&max_backoff=0.1") as source:
            read_until(source, lambda: sum(source.losses.values()) == 1)
            read_until(source, lambda: source._process is not None)
            began = time.monotonic()
        assert time.monotonic() - began < 10
        server.shutdown()


@pytest.mark.parametrize("hangs", [False, True])
def test_no_reader_process_outlives_a_run_that_is_killed(make_mjpeg: MakeMjpeg, hangs: bool) -> None:
    server = make_mjpeg()
    server.silent = hangs
    code = (
        "import sys\nfrom edge_runtime.sources import open_source\nsource = open_source(sys.argv[1])\n"
        "source.read()\nprint(source._process.pid, flush=True)\nwhile True: source.read()"
    )
    run = subprocess.Popen([sys.executable, "-c", code, server.url()], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    child = psutil.Process(int(run.stdout.readline()))
    assert wait_until(lambda: server.connections > 0, LIMIT_S)
    assert not gone(child)
    run.kill()
    run.wait()
    run.stdout.close()
    assert wait_until(lambda: gone(child), 10)


@pytest.mark.parametrize(
    "way", ["file", *(pytest.param(way, marks=pytest.mark.slow) for way in ("address", "environment"))]
)
def test_the_password_is_nowhere_to_be_read(
    make_mjpeg: MakeMjpeg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "S3cr3t/@%:word"
    quoted = "S3cr3t%2F%40%25%3Aword"
    server = make_mjpeg(login=("guard", secret))
    login, options = "guard@", QUICK
    if way == "address":
        login = f"guard:{quoted}@"
    elif way == "file":
        (tmp_path / "password").write_text(secret + "\n")
        options += f"&password_file={tmp_path / 'password'}"
    else:
        monkeypatch.setenv("FISSURA_CAMERA_PASSWORD", secret)
    with opened(server.url(options + "&token=S3cr3tToken", login)) as source:
        got = frames(source, 2)
        shown = ""
        for pid in psutil.pids():
            with suppress(OSError):  # it may have ended
                shown += Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
        assert "camera.child" in shown
        server.stop()
        read_until(source, lambda: source.losses["refused"] >= 1)
    shown += caplog.text + got[0].source + source.name + got[0].stamp().model_dump_json()
    assert "S3cr3t" not in shown and "guard" not in got[0].source
    assert f"http://127.0.0.1:{server.port}/video?resolution=96x72&token=***" == source.name


def test_a_wrong_password_is_said_without_it(make_mjpeg: MakeMjpeg) -> None:
    source = opened(make_mjpeg(login=("guard", "right")).url("&retry=false", "guard:wr0ng@"))
    with source, pytest.raises(SourceError, match="401") as caught:
        read_until(source, lambda: False)
    assert "wr0ng" not in str(caught.value)


class AnyHttpSource(CameraSource):
    config_class = CameraConfig


def test_no_word_of_the_reader_process_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    # An address that would be refused: this way, the library's message repeats it.
    settings = {"url": "http://127.0.0.1:9/a b?token=SECRET77", "open_timeout_s": 5, "timeout_s": 5}
    with AnyHttpSource("front", "http", settings, CameraConfig(max_backoff=0.1), ["SECRET77"]) as waiting:
        read_until(waiting, lambda: waiting.losses["refused"] >= 2)
    assert "token=***" in caplog.text and "SECRET77" not in caplog.text
    assert caplog.messages[-1] == "camera front was lost 2 times: refused 2"
    with AnyHttpSource("front", "http", settings, CameraConfig(retry=False), ["SECRET77"]) as failing:
        with pytest.raises(SourceError, match=r"camera front: .*token=\*\*\*") as caught:
            read_until(failing, lambda: False)
        assert "SECRET77" not in str(caught.value)
    count = len(caplog.messages)
    failing.close()
    assert len(caplog.messages) == count  # it is said once


@pytest.mark.slow
def test_https_asks_for_a_certificate_that_is_trusted(
    make_mjpeg: MakeMjpeg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: sudo apt-get install openssl")
    words = "req -x509 -newkey rsa:2048 -nodes -subj /CN=camera -addext subjectAltName=IP:127.0.0.1 -days 2"
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = make_mjpeg(tls=tls)
    with opened(server.url("&retry=false")) as source, pytest.raises(SourceError, match="CERTIFICATE_VERIFY_FAILED"):
        read_until(source, lambda: False)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    with opened(server.url("&retry=false")) as source:
        assert len(frames(source, 3)) == 3


def test_what_is_no_motion_jpeg_is_left_to_ffmpeg(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (96, 72))
    for number in range(400):
        writer.write(picture(number))
    writer.release()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *words: object) -> None:
            super().__init__(*words, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, *words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with opened(f"http://127.0.0.1:{server.server_address[1]}/film.avi") as source:
            assert frames(source, 1)[0].image.shape == (72, 96, 3)
        server.shutdown()


@pytest.mark.slow
def test_nothing_is_left_open_after_many_restarts(make_mjpeg: MakeMjpeg) -> None:
    own = psutil.Process()
    with opened(make_mjpeg().url("&max_backoff=0.05")) as source:
        frames(source, 1)
        before = own.num_fds()
        for number in range(8):
            os.kill(child_of(source).pid, signal.SIGKILL)
            read_until(source, lambda number=number: source.reconnects > number)  # type: ignore[misc]
        assert own.num_fds() <= before + 2  # the server's connections come and go
    assert not [child for child in own.children() if "camera.child" in " ".join(child.cmdline())]


def test_a_device_that_is_none_is_refused_with_a_list(tmp_path: Path) -> None:
    fake = tmp_path / "video0"
    fake.write_bytes(b"")
    for device, words in ((fake, "does not open"), (tmp_path / "video99", "is not there")):
        source = opened(f"v4l2:{device}?retry=false")
        with source, pytest.raises(SourceError, match=words) as caught:
            read_until(source, lambda: False)
        assert "/dev/video" in caught.value.expected


@pytest.mark.slow
def test_a_device_that_is_unplugged_is_waited_for(tmp_path: Path) -> None:
    with opened(f"v4l2:{tmp_path / 'video0'}?max_backoff=0.2") as source:
        read_until(source, lambda: source.losses["refused"] >= 2)
