"""The console as a process."""

from __future__ import annotations

import http.server
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fissura.cli import main
from tests.deploy.fleet.console.browser import Browser
from tests.deploy.fleet.console.console_process import ConsoleProcess
from tests.deploy.fleet.console.fleet_data import fill_cracks
from tests.mosquitto import wait_until


def test_it_ends_in_good_order_even_while_somebody_looks(console: ConsoleProcess) -> None:
    with console.logged_in() as client:
        assert client.get("").status_code == 200  # the connection stays open
        assert console.terminate() == 0
    assert "Traceback" not in console.output()


def test_an_address_that_is_taken_is_an_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(["fleet", "console", "--fleet", str(home), "--offline", "--insecure-http", "--listen", place]) == 2
    message = capsys.readouterr().err
    assert "cannot be listened on" in message
    assert "another --listen" in message


def test_a_certificate_that_is_not_there_is_named(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there.pem"
    there.touch()
    for cert, key, found in (
        ("/nope.pem", there, "--cert /nope.pem is no"),
        (there, "/nope.key", "--key /nope.key is no"),
    ):
        words = ["--fleet", str(home), "--offline", "--cert", str(cert), "--key", str(key)]
        assert main(["fleet", "console", *words]) == 2
        assert found in capsys.readouterr().err


class _Tiles(http.server.BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("content-type", "image/svg+xml")
        self.end_headers()
        self.wfile.write(b'<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256"/>')

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def tiles() -> Iterator[tuple[str, list[str]]]:
    """Address of a server of map tiles, and what it was asked for."""
    _Tiles.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Tiles) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{{z}}/{{x}}/{{y}}.png", _Tiles.asked
        server.shutdown()


def test_tiles_are_asked_for_where_an_address_is_set(
    home: Path, browser: Browser, tiles: tuple[str, list[str]]
) -> None:
    address, asked = tiles
    fill_cracks(home / "state" / "detections.sqlite", 3)
    with ConsoleProcess(home, "--offline", "--tiles", address) as console:
        browser.errors.clear()
        browser.size(1280, 860)
        browser.go(f"{console.url}login")
        browser.fill("#token", console.token)
        browser.follow("button.main")
        browser.go(f"{console.url}map?serial=truck-00")
        assert wait_until(lambda: len(asked) >= 12)
        assert browser.run("document.querySelectorAll('#map image').length") >= 12
        assert browser.run("document.querySelectorAll('#map .grid').length") == 0
    zoom, column, row = (int(part) for part in asked[0].removesuffix(".png").strip("/").split("/"))
    size = 2**zoom
    # The crack at 52.5 N 13.4 E: longitude to column is linear, and the row is north of the equator.
    assert abs(column - (13.4 + 180) / 360 * size) <= 4 and row < size / 2
    assert not browser.errors


@pytest.mark.parametrize(
    ("words", "works"),
    [
        (["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"], True),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA"], False),
        (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False),
    ],
)
def test_only_good_tls_is_spoken(console: ConsoleProcess, words: list[str], works: bool) -> None:
    place = console.url.removeprefix("https://").rstrip("/")
    done = subprocess.run(
        ["openssl", "s_client", "-connect", place, *words],
        input="",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ("Cipher is (NONE)" not in done.stdout) is works, done.stdout
