from __future__ import annotations

import http.client
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.fleet.simulation import children
from deploy.fleet.simulation.web_server import RETRY_AFTER_S
from tests.deploy.fleet.simulation.served import BUSY, CUT, FINE, SLOW, Always, serving

DATA = bytes(range(256)) * 1000
TARGET = "/targets/m/1/abc.model.onnx"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "targets" / "m" / "1").mkdir(parents=True)
    (root / "metadata").mkdir()
    (root / TARGET[1:]).write_bytes(DATA)
    (root / "metadata" / "timestamp.json").write_text("{}")
    (tmp_path / "secret").write_text("key")
    return root


@pytest.fixture
def draws() -> Always:
    return Always()


@pytest.fixture
def port(root: Path, draws: Always) -> Iterator[int]:
    with serving(root, draws) as (_, port):
        yield port


def get(port: int, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    try:
        return response, response.read()
    except http.client.IncompleteRead as error:
        return response, error.partial
    finally:
        connection.close()


def test_a_file_whole(port: int) -> None:
    response, body = get(port, TARGET)
    assert (response.status, body) == (200, DATA)


@pytest.mark.parametrize("start", [1, 1000, len(DATA) - 1])
def test_a_file_from_a_byte_on(port: int, start: int) -> None:
    response, body = get(port, TARGET, Range=f"bytes={start}-")
    assert (response.status, body) == (206, DATA[start:])
    assert response.headers["Content-Range"] == f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"


def test_a_file_from_behind_its_end(port: int) -> None:
    response, body = get(port, TARGET, Range=f"bytes={len(DATA)}-")
    assert (response.status, body) == (416, b"")


@pytest.mark.parametrize("path", ["/targets/none", "/targets", "/../secret", "/%2e%2e/secret", "//etc/hostname"])
def test_what_is_not_in_the_folder_is_not_given_out(port: int, path: str) -> None:
    response, body = get(port, path)
    assert (response.status, body) == (404, b"")


def test_a_connection_serves_twice(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for _ in range(2):
        connection.request("GET", TARGET)
        assert connection.getresponse().read() == DATA
    connection.close()


def test_what_is_no_request_ends_the_connection(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"BREW /coffee HTCPCP/1.0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400")
        while client.recv(1000):
            pass


def test_bodies_and_requests_are_counted(root: Path) -> None:
    with serving(root) as (server, port):
        get(port, TARGET)
        get(port, TARGET, Range=f"bytes={len(DATA) - 100}-")
        get(port, "/metadata/timestamp.json")
        get(port, "/none")
        figures = json.loads(get(port, "/-/figures")[1])
    assert sum(figures["bytes_by_second"].values()) == len(DATA) + 100 + 2
    assert sum(server.requests_by_second.values()) == 4
    assert figures["statuses"] == {"200": 2, "206": 1, "404": 1}


def test_a_new_timestamp_is_seen(port: int, root: Path) -> None:
    get(port, "/metadata/timestamp.json")
    (root / "metadata" / "timestamp.json").write_text('{"version": 2}')
    assert get(port, "/metadata/timestamp.json")[1] == b'{"version": 2}'


def test_faults(port: int, draws: Always) -> None:
    draws.drawn = CUT
    response, body = get(port, TARGET)
    assert response.headers["Content-Length"] == str(len(DATA))
    assert body == DATA[: len(DATA) // 2]
    draws.drawn = BUSY
    response, _ = get(port, TARGET)
    assert (response.status, response.headers["Retry-After"]) == (503, str(RETRY_AFTER_S))
    draws.drawn = SLOW
    assert get(port, TARGET, Range="bytes=230000-")[1] == DATA[230_000:]
    draws.drawn = FINE
    assert get(port, TARGET)[1] == DATA


def test_metadata_have_no_faults(port: int, draws: Always) -> None:
    draws.drawn = CUT
    assert get(port, "/metadata/timestamp.json")[1] == b"{}"


def test_the_process_ends_with_its_input(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.fleet.simulation.web_server", root]
    process = children.start(command, tmp_path / "log", piped=True)
    try:
        assert process.stdout is not None and process.stdin is not None
        assert get(int(process.stdout.readline()), TARGET)[1] == DATA
        process.stdin.close()
        assert process.wait(20) == 0
    finally:
        children.end(process)
