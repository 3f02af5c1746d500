from __future__ import annotations

import dataclasses
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tuf.api.metadata import TargetFile
from urllib3.exceptions import HTTPError

from edge_runtime.updates.config import DownloadConfig
from edge_runtime.updates.download import Downloader
from edge_runtime.updates.http import Http, blocks
from edge_runtime.updates.repository import Target
from fissura.errors import RepositoryError
from tests.edge_runtime.updates.web_server import Answer, Fault, WebServer, serving

DATA = hashlib.shake_256(b"model").digest(600_000)
QUICK = {"timeout_s": 2.0, "wait_s": 0.01, "longest_wait_s": 0.05, "tries": 3}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "file").write_bytes(DATA)
    with serving(folder) as server:
        yield server


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    return tmp_path / "partial"


def fetch(server: WebServer, partial: Path, stopping: threading.Event | None = None, **limits: float) -> Downloader:
    config = DownloadConfig(**{**QUICK, **limits})
    downloader = Downloader(Http(server.url, config.timeout_s), config, stopping or threading.Event())
    target = Target(f"{server.url}/file", TargetFile(len(DATA), {"sha256": hashlib.sha256(DATA).hexdigest()}, "file"))
    downloader.fetch(target, partial)
    return downloader


def cut_after(size: int) -> Fault:
    """Every connection breaks after so many bytes, which the header does not say."""

    def fault(path: str, answer: Answer) -> Answer:
        answer.length, answer.body = len(answer.body), answer.body[:size]
        return answer

    return fault


def test_a_link_that_breaks_again_and_again_costs_hardly_more_than_the_file(server: WebServer, partial: Path) -> None:
    server.fault = cut_after(70_000)
    downloader = fetch(server, partial)
    assert partial.read_bytes() == DATA
    assert len(server.requests) >= 9
    assert downloader.received_bytes <= 1.05 * len(DATA)
    assert server.sent_bytes <= 1.05 * len(DATA)


def test_what_an_earlier_process_fetched_is_not_fetched_again(server: WebServer, partial: Path) -> None:
    partial.write_bytes(DATA[:500_000])
    assert fetch(server, partial).received_bytes == 100_000
    assert partial.read_bytes() == DATA
    assert fetch(server, partial).received_bytes == 0


def test_a_server_without_ranges_begins_again(server: WebServer, partial: Path) -> None:
    server.ranges = False
    partial.write_bytes(b"x" * 500_000)
    fetch(server, partial)
    assert partial.read_bytes() == DATA


def test_a_server_without_ranges_on_a_link_that_breaks_is_given_up(server: WebServer, partial: Path) -> None:
    server.ranges = False
    server.fault = cut_after(100_000)
    with pytest.raises(RepositoryError, match="unreachable"):
        fetch(server, partial)
    assert len(server.requests) <= 4


def test_a_server_that_answers_with_another_range_is_not_believed(server: WebServer, partial: Path) -> None:
    def fault(path: str, answer: Answer) -> Answer:
        answer.headers = {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}
        return answer

    server.fault = fault
    partial.write_bytes(DATA[:1000])
    with pytest.raises(RepositoryError, match="unreachable"):
        fetch(server, partial)
    assert partial.read_bytes() == DATA[:1000]


def test_a_partial_file_that_is_too_long_is_dropped(server: WebServer, partial: Path) -> None:
    partial.write_bytes(DATA + b"more")
    fetch(server, partial)
    assert partial.read_bytes() == DATA


def test_endless_data_end_at_the_length_that_was_signed(server: WebServer, partial: Path) -> None:
    def fault(path: str, answer: Answer) -> Answer:
        answer.body = DATA + bytes(20_000_000)
        answer.chunk = 1 << 16
        return answer

    server.fault = fault
    downloader = fetch(server, partial)
    assert partial.read_bytes() == DATA
    assert downloader.received_bytes < len(DATA) + (1 << 17)


def test_a_dripping_server_is_cut_and_what_came_is_kept(server: WebServer, partial: Path) -> None:
    def fault(path: str, answer: Answer) -> Answer:
        answer.chunk, answer.pause_s = 10, 0.02
        return answer

    server.fault = fault
    started_s = time.monotonic()
    with pytest.raises(RepositoryError, match=r"slow: \d+ bytes"):
        fetch(server, partial, slowest_bytes_per_s=100_000, patience_s=0.5, longest_s=20)
    assert time.monotonic() - started_s < 30
    assert 0 < partial.stat().st_size < 10_000


def test_a_download_ends_at_its_time_limit(server: WebServer, partial: Path) -> None:
    def fault(path: str, answer: Answer) -> Answer:
        answer.chunk, answer.pause_s = 20_000, 0.2  # too good to be cut as slow
        return answer

    server.fault = fault
    with pytest.raises(RepositoryError, match="slow"):
        fetch(server, partial, longest_s=2)  # of the six that it takes
    assert 0 < partial.stat().st_size < len(DATA)


def test_a_silent_server_is_given_up(server: WebServer, partial: Path) -> None:
    def fault(path: str, answer: Answer) -> Answer:
        answer.chunk, answer.pause_s = 1, 3.0
        return answer

    server.fault = fault
    with pytest.raises(RepositoryError, match="unreachable"):
        fetch(server, partial, timeout_s=0.1)


def test_retry_after_is_honoured_up_to_a_limit(server: WebServer, partial: Path) -> None:
    busy = [Answer(503, b"", {"Retry-After": "1"}), Answer(429, b"", {"Retry-After": "999999999"})]
    server.fault = lambda path, answer: busy.pop(0) if busy else answer
    started_s = time.monotonic()
    fetch(server, partial, longest_wait_s=1.5)
    assert 2.5 <= time.monotonic() - started_s < 60
    assert partial.read_bytes() == DATA


def test_stopping_ends_a_wait(server: WebServer, partial: Path) -> None:
    stopping = threading.Event()
    server.fault = lambda path, answer: Answer(503, b"", {"Retry-After": "600"})
    threading.Timer(0.2, stopping.set).start()
    started_s = time.monotonic()
    fetch(server, partial, stopping, longest_wait_s=600)
    assert time.monotonic() - started_s < 60
    assert not partial.exists()


def test_a_redirect_loop_ends(server: WebServer, partial: Path) -> None:
    server.fault = lambda path, answer: Answer(302, b"", {"Location": "/file"})
    with pytest.raises(RepositoryError, match="unreachable"):
        fetch(server, partial)
    assert len(server.requests) <= 3 * 4


def drip_headers(path: str, answer: Answer) -> Answer:
    """Each byte comes within the timeout of the socket."""
    answer.status, answer.header_s = 200, 0.1
    return answer


def test_headers_without_end_are_cut(server: WebServer, partial: Path) -> None:
    server.fault = drip_headers
    partial.write_bytes(DATA[:1000])
    started_s = time.monotonic()
    with pytest.raises(RepositoryError, match="unreachable"):
        fetch(server, partial, patience_s=0.5, timeout_s=5)
    assert time.monotonic() - started_s < 30
    assert partial.read_bytes() == DATA[:1000]  # "200" is the first of them
    server.fault = None
    fetch(server, partial)
    assert partial.read_bytes() == DATA


def test_headers_without_end_are_cut_at_the_time_limit(server: WebServer, partial: Path) -> None:
    server.fault = drip_headers
    started_s = time.monotonic()
    with pytest.raises(RepositoryError, match="slow"):
        fetch(server, partial, longest_s=0.5, timeout_s=5)
    assert time.monotonic() - started_s < 30


def test_stopping_ends_headers_without_end(server: WebServer, partial: Path) -> None:
    server.fault = drip_headers
    stopping = threading.Event()
    threading.Timer(0.3, stopping.set).start()
    started_s = time.monotonic()
    fetch(server, partial, stopping, timeout_s=5)
    assert time.monotonic() - started_s < 30


def test_stopping_ends_a_silence(server: WebServer, partial: Path) -> None:
    server.fault = lambda path, answer: dataclasses.replace(answer, chunk=1000, pause_s=50)
    stopping = threading.Event()
    threading.Timer(0.3, stopping.set).start()
    started_s = time.monotonic()
    fetch(server, partial, stopping, timeout_s=40)
    assert time.monotonic() - started_s < 30


def test_a_handshake_without_end_is_cut(server: WebServer, partial: Path) -> None:
    """A TLS record of sixteen kilobytes, byte by byte."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(b"\x16\x03\x03\x3f\xff")
                while True:
                    connection.sendall(b"\x02")
                    time.sleep(0.1)

        threading.Thread(target=drip, daemon=True).start()
        http, started_s = Http("https://127.0.0.1", 5.0), time.monotonic()
        with http.watched(0.5, threading.Event()) as watch, pytest.raises(HTTPError):
            http.get(f"https://127.0.0.1:{listener.getsockname()[1]}/file")
        assert watch.over and time.monotonic() - started_s < 30


def test_a_connection_is_used_again(server: WebServer, partial: Path) -> None:
    http, ports = Http(server.url, 5.0), set()
    for _ in range(3):
        with http.watched(5.0, threading.Event()):
            response = http.get(f"{server.url}/file")
            ports.add(response.connection.sock.getsockname())
            assert b"".join(blocks(response)) == DATA
    assert len(ports) == 1
