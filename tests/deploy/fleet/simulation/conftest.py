from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.fleet.simulation.broker import Broker
from fissura.errors import MissingDependencyError


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A real mosquitto with the fleet's limits."""
    folder = tmp_path / "broker"
    folder.mkdir()
    try:
        broker = Broker(folder)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    broker.start()
    yield broker
    broker.kill()
