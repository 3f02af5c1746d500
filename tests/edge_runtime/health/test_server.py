from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest

from edge_runtime.health.server import MOST_CLIENTS, HealthServer
from fissura.errors import UsageError
from tests.mosquitto import wait_until


class Answers:
    """What the server is to say."""

    def __init__(self) -> None:
        self.healthy = True

    def healthz(self) -> tuple[bool, dict[str, object]]:
        return self.healthy, {"status": "ok" if self.healthy else "failing"}


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def server(answers: Answers) -> Iterator[HealthServer]:
    server = HealthServer("127.0.0.1", 0, answers.healthz, lambda: b"fissura_up 1\n")
    server.start()
    yield server
    server.close()


def get(server: HealthServer, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    """Status, content type and body."""
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.headers["Content-Type"], response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def test_healthz_is_red_or_green(server: HealthServer, answers: Answers) -> None:
    status, content_type, body = get(server, "/healthz")
    assert (status, content_type, json.loads(body)) == (200, "application/json", {"status": "ok"})
    answers.healthy = False
    status, _, body = get(server, "/healthz?verbose")
    assert (status, json.loads(body)) == (503, {"status": "failing"})


def test_metrics_and_the_rest(server: HealthServer) -> None:
    status, content_type, body = get(server, "/metrics")
    assert (status, body) == (200, b"fissura_up 1\n")
    assert content_type.startswith("text/plain; version=0.0.4")
    assert get(server, "/metrics", "HEAD")[::2] == (200, b"")
    assert get(server, "/")[0] == 404
    assert get(server, "/../etc/passwd")[0] == 404
    assert get(server, "/healthz", "POST")[0] == 501


def test_an_address_in_use_is_told_with_what_to_do(server: HealthServer, answers: Answers) -> None:
    with pytest.raises(UsageError, match="cannot be listened on") as raised:
        HealthServer("127.0.0.1", server.port, answers.healthz, lambda: b"")
    assert str(server.port) in raised.value.found and "--health-port" in raised.value.fix


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_ours(host: str, answers: Answers) -> None:
    with pytest.raises(UsageError, match="cannot be listened on"):
        HealthServer(host, 0, answers.healthz, lambda: b"")


def test_clients_that_say_nothing_hold_up_nobody(server: HealthServer) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(MOST_CLIENTS - 2)]
    silent[0].sendall(b"GET /hea")  # and one that stops in mid-word
    assert get(server, "/healthz")[0] == 200
    for client in silent:
        client.settimeout(30)
        assert client.recv(1) == b""  # after a while they are hung up on
        client.close()


def test_more_clients_than_places_are_turned_away_and_there_is_room_again(server: HealthServer) -> None:
    crowd = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(3 * MOST_CLIENTS)]
    assert threading.active_count() < 2 * MOST_CLIENTS
    for client in crowd:
        client.close()
    assert wait_until(lambda: _answers(server))


def test_nonsense_is_no_harm(server: HealthServer) -> None:
    for words in (b"\x16\x03\x01\x02\x00\x01\x00", b"\r\n\r\n", b"GET " + b"a" * 100_000 + b"\r\n\r\n", b"\x00" * 50):
        # It may be hung up on before all of it is sent: the server does not read a line without an end.
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client, suppress(OSError):
            client.sendall(words)
            client.shutdown(socket.SHUT_WR)
    assert wait_until(lambda: _answers(server))


def test_closing_does_not_wait_for_a_silent_client(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_runtime.health.server._Handler.timeout", 120.0)
    server = HealthServer("127.0.0.1", 0, answers.healthz, lambda: b"")
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20):
        closing = threading.Thread(target=server.close)
        closing.start()
        closing.join(30)
        assert not closing.is_alive()


def test_closing_without_having_begun(answers: Answers) -> None:
    server = HealthServer("127.0.0.1", 0, answers.healthz, lambda: b"")
    port = server.port
    server.close()
    HealthServer("127.0.0.1", port, answers.healthz, lambda: b"").close()  # the port is free


def _answers(server: HealthServer) -> bool:
    try:
        return get(server, "/healthz")[0] == 200
    except OSError:
        return False
