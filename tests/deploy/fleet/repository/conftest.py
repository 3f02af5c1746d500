"""One fleet a test, copied from one that was made once; one bundle for all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.repository import Repository
from tests.bundles import make_bundle
from tests.deploy.fleet.repository.fleets import make_home, open_repository


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "bundle")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> FleetHome:
    return make_home(tmp_path_factory.mktemp("fleets") / "fleet")


@pytest.fixture
def home(template: FleetHome, tmp_path: Path) -> FleetHome:
    return FleetHome(Path(shutil.copytree(template.root, tmp_path / "fleet")))


@pytest.fixture
def repository(home: FleetHome) -> Repository:
    return open_repository(home)
