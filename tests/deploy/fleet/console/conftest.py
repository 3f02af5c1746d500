from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.local_broker import LocalBroker, find_mosquitto
from tests.deploy.fleet.console.browser import Browser, find_chromium
from tests.deploy.fleet.console.console_process import ConsoleProcess, make_home
from tests.deploy.fleet.console.postgres import Postgres, find_postgres


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of a fleet without devices."""
    return make_home(tmp_path / "fleet")


@pytest.fixture
def console(home: Path) -> Iterator[ConsoleProcess]:
    """A console over TLS, without a broker."""
    with ConsoleProcess(home) as process:
        yield process


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleProcess]:
    """The same for several tests."""
    with ConsoleProcess(make_home(tmp_path_factory.mktemp("shared") / "fleet")) as process:
        yield process


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalBroker]:
    """A real broker that anyone may use."""
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed: sudo apt-get install mosquitto")
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    with LocalBroker(folder, ("allow_anonymous true", "max_inflight_messages 2000")) as started:
        yield started


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A real browser."""
    if find_chromium() is None:
        pytest.skip("chromium is not installed: sudo apt-get install chromium")
    with Browser(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a real PostgreSQL with PostGIS."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'psycopg[binary]'")
    if find_postgres() is None:
        pytest.skip("PostGIS is not installed: sudo apt-get install postgresql-15-postgis-3")
    with Postgres() as server:
        yield server.url
