from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_runtime.updates import journal
from tests.edge_runtime.updates.device import Device
from tests.edge_runtime.updates.signed_repository import SignedRepository, plain_bundle
from tests.edge_runtime.updates.web_server import WebServer, serving


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is synced makes a difference when the power fails, which no test here can play; but it takes long."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def new_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From here on, the journal takes what it finds for that of another process."""
    return lambda: monkeypatch.setattr(journal, "PROCESS", f"after {journal.PROCESS}")


@pytest.fixture(scope="session")
def fresh_repository(tmp_path_factory: pytest.TempPathFactory) -> SignedRepository:
    """To be cloned: signing takes time."""
    folder = tmp_path_factory.mktemp("fleet")
    repository = SignedRepository(folder / "repository")
    for number in (7, 8):
        repository.publish(plain_bundle(folder / f"bundle-{number}", number), number)
    repository.give(7)
    return repository


@pytest.fixture
def repository(tmp_path: Path, fresh_repository: SignedRepository) -> SignedRepository:
    """Releases 7 and 8; the channel gives 7 to all."""
    return fresh_repository.clone(tmp_path / "repository")


@pytest.fixture
def server(repository: SignedRepository) -> Iterator[WebServer]:
    with serving(repository.folder) as server:
        yield server


@pytest.fixture
def make_device(tmp_path: Path, repository: SignedRepository, server: WebServer) -> Callable[..., Device]:
    factory = plain_bundle(tmp_path / "factory", 0)

    def make(name: str = "device", **settings: object) -> Device:
        return Device(tmp_path / name, server.url, repository.root, factory, **settings)

    return make


@pytest.fixture
def device(make_device: Callable[..., Device]) -> Device:
    """Runs the bundle that it came with."""
    return make_device()
