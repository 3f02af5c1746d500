"""Who gets in, over real TLS."""

from __future__ import annotations

import asyncio
import re
import stat
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.datastructures import URL
from starlette.requests import HTTPConnection

from deploy.fleet.commands.console import _hand_out
from deploy.fleet.console.access.token import make_token
from deploy.fleet.console.app import Sources, make_app
from deploy.fleet.console.detections.store import open_store
from deploy.fleet.console.options import ConsoleOptions
from deploy.fleet.registry.registry import Registry
from fissura.cli import main
from tests.deploy.fleet.console.console_process import ConsoleProcess

PAGES = [
    *("", "devices/truck-01", "rollouts", "audit", "map", "cracks.csv", "cracks.geojson", "cracks/totals"),
    *("cracks/clusters?cell_lon=1&cell_lat=1", "cracks/00000000-0000-4000-8000-000000000001", "nothing"),
]
LONGEST_FORM = 100_000


def test_the_right_token_opens_and_no_other(console: ConsoleProcess) -> None:
    with console.client() as client:
        for wrong in ("", "wrong", console.token[:-1], f"{console.token}x", "é\udc80".encode("utf-8", "surrogatepass")):
            answer = client.post("login", data={"token": wrong})
            assert answer.status_code == 403 and "set-cookie" not in answer.headers
        assert client.get("", headers={"accept": "text/html"}).headers["location"] == "/login"
    with console.client() as client:
        # The tries of this address are used up; it is told so, and the right token does not help.
        assert client.post("login", data={"token": console.token}).status_code == 429


def test_a_session_is_a_cookie_that_scripts_and_other_pages_never_get(console: ConsoleProcess) -> None:
    with console.client() as client:
        cookie = client.post("login", data={"token": console.token}).headers["set-cookie"]
        assert cookie.startswith("__Host-fissura=")
        for word in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
            assert word in cookie
        assert console.token not in cookie
        assert client.get("").status_code == 200
        kept = dict(client.cookies)
        assert client.post("logout").status_code == 303
        client.cookies.update(kept)
        assert client.get("").status_code == 401, "the server has forgotten it, not only the browser"


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_shown_before(shared: ConsoleProcess, path: str) -> None:
    with shared.client() as client:
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"accept": "text/html"}).headers["location"] == "/login"
        client.cookies.set("__Host-fissura", "made up")
        assert client.get(path).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_forms_of_other_pages_are_refused(shared: ConsoleProcess, headers: dict[str, str]) -> None:
    with shared.client() as client:
        assert client.post("login", data={"token": shared.token}, headers=headers).status_code == 403
        assert client.post("logout", headers=headers).status_code == 403
        own = {"origin": shared.url.rstrip("/"), "sec-fetch-site": "same-origin"}
        assert client.post("login", data={"token": shared.token}, headers=own).status_code == 303


def test_every_answer_forbids_foreign_scripts_and_frames(shared: ConsoleProcess) -> None:
    with shared.logged_in() as client:
        for path in ("", "login", "static/console.js", "nothing", "cracks.csv"):
            headers = client.get(path).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff" and "max-age" in headers["strict-transport-security"]
            assert "server" not in headers
        assert client.get("").headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?! src=\"/static/)|\son\w+=|\sstyle=|<style", client.get("").text)


def test_a_huge_form_is_not_read(shared: ConsoleProcess) -> None:
    with shared.client() as client:
        assert client.post("login", data={"token": "x" * LONGEST_FORM}).status_code in (403, 429)
        assert client.post("login", content="&".join("a=1" for _ in range(20))).status_code in (403, 429)


def test_only_the_hash_of_the_token_is_stored_and_a_restart_keeps_it(console: ConsoleProcess) -> None:
    path = console.home / "state" / "console-token.sha256"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not [
        file for file in console.home.rglob("*") if file.is_file() and console.token.encode() in file.read_bytes()
    ]
    token = console.token
    with console.logged_in() as client:
        before = dict(client.cookies)
    console.kill()
    console.start()
    assert console.token == token and "token:" not in console.output()
    with console.client() as client:
        client.cookies.update(before)
        assert client.get("").status_code == 401, "a restart logs everybody out"
    with console.logged_in() as client:
        assert client.get("").status_code == 200


def test_a_new_token_replaces_the_old_one(console: ConsoleProcess) -> None:
    old = console.token
    console.kill()
    console.start("--new-token")
    assert console.token != old
    with console.client() as client:
        assert client.post("login", data={"token": old}).status_code == 403
    with console.logged_in() as client:
        assert client.get("").status_code == 200


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--offline"], "the console has no certificate"),
        (["--offline", "--insecure-http", "--listen", "0.0.0.0:0"], "would have the token"),
        (["--offline", "--insecure-http", "--cert", "x", "--key", "x"], "one of them"),
        (["--offline", "--listen", "8443"], "is not understood"),
        (["--offline", "--cert", "{home}/fleet.yaml", "--key", "{home}/fleet.yaml"], "cannot be used"),
        (["--insecure-http"], "no broker is named"),
        (["--offline", "--insecure-http", "--tiles", "javascript:alert(1)//{z}{x}{y}"], "--tiles"),
        (["--offline", "--insecure-http", "--tiles", "https://a; script-src *//{z}/{x}/{y}.png"], "--tiles"),
        (["--offline", "--insecure-http", "--fleet", "{home}/none"], "is no folder of a fleet"),
    ],
)
def test_what_would_be_unsafe_or_makes_no_sense_does_not_start(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    words = [word.format(home=home, z="{z}", x="{x}", y="{y}") for word in words]
    assert main(["fleet", "console", "--fleet", str(home), *words]) == 2
    assert expected in capsys.readouterr().err


def test_plain_http_on_the_port_gets_no_page(shared: ConsoleProcess) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(shared.url.replace("https", "http"), timeout=10, trust_env=False)
    with pytest.raises(httpx.ConnectError, match="certificate"):
        httpx.get(shared.url, timeout=10, trust_env=False)  # who does not know the authority does not trust it


@pytest.mark.parametrize("host", ["x/login?", "x/static/", "x/login#", "localhost"])
@pytest.mark.parametrize("path", ["/", "/audit", "/cracks.csv"])
def test_the_host_that_a_request_names_opens_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, path: str, host: str
) -> None:
    """With the address of a request as Starlette 0.40 makes it: of whatever stands in the Host header."""
    as_before = property(lambda self: URL(f"https://{self.headers['host']}{self.scope['path']}"))
    monkeypatch.setattr(HTTPConnection, "url", as_before)
    with Registry(home / "registry.sqlite") as registry:
        store = open_store(None, home / "detections.sqlite")
        make_token(home / "token")
        app = make_app(Sources(registry, store, home / "token"), ConsoleOptions("roads", None, secure=True))
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "scheme": "https",
            "server": ("127.0.0.1", 8443),
            "headers": [(b"host", host.encode())],
        }
        statuses: list[int] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b""}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        asyncio.run(app(scope, receive, send))
    assert statuses == [401]


def test_a_token_is_shown_to_a_person_and_to_no_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token.txt"
    _hand_out("secret", path)
    assert "secret" not in capsys.readouterr().out and path.read_text() == "secret\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    _hand_out("secret", path)
    assert "token: secret" in capsys.readouterr().out and not path.exists()
