"""Connections that say nothing, or half of something, in front of the console's server."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from deploy.fleet.console import bounded_protocol
from deploy.fleet.console.bounded_protocol import MOST_OF_ONE, BoundedProtocol
from deploy.fleet.console.server import MOST_AT_ONCE
from tests.mosquitto import wait_until

ASK = b"GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server with little patience."""
    monkeypatch.setattr(bounded_protocol, "PATIENCE_S", 2.0)
    monkeypatch.setattr(bounded_protocol, "PERIOD_S", 0.1)

    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"hello {len(await request.body())}")

    app = Starlette(routes=[Route("/login", answer, methods=["GET", "POST"])])
    config = uvicorn.Config(
        app, http=BoundedProtocol, lifespan="off", ws="none", log_level="error", limit_concurrency=MOST_AT_ONCE
    )
    server = uvicorn.Server(config)
    with socket.create_server(("0.0.0.0", 0), backlog=512) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        assert wait_until(lambda: server.started)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def ask(port: int, address: str) -> bytes:
    """What the server says to somebody; empty where it hangs up."""
    with socket.create_connection(("127.0.0.1", port), 20, (address, 0)) as connection:
        try:
            connection.sendall(ASK)
            return connection.recv(65536)
        except ConnectionError:
            return b""


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return bool(connection.recv(65536))
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def test_one_address_cannot_take_all_connections(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_protocol, "PATIENCE_S", 3600.0)
    with ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(MOST_AT_ONCE + 5)]
        assert wait_until(lambda: sum(map(is_open, idle)) <= MOST_OF_ONE)
        assert ask(port, "127.0.0.2").startswith(b"HTTP/1.1 200"), "somebody else"
        monkeypatch.setattr(bounded_protocol, "PATIENCE_S", 0.5)
        assert wait_until(lambda: not any(map(is_open, idle)))
        assert wait_until(lambda: ask(port, "127.0.0.1").startswith(b"HTTP/1.1 200"))


@pytest.mark.parametrize(
    "half", [b"", b"GET /login HTTP/1.1\r\n", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf"]
)
def test_half_a_request_is_not_waited_for(port: int, half: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(half)
        assert wait_until(lambda: not is_open(connection))


def test_whoever_asks_again_and_again_stays(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_protocol, "PATIENCE_S", 5.0)
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.connect()
    connection = client.sock
    for _ in range(20):
        client.request("POST", "/login", b"x" * 10)
        assert client.getresponse().read() == b"hello 10"
        time.sleep(0.3)  # longer in all than the server's patience
    assert client.sock is connection
    client.close()
