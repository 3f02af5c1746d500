from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.local_broker import find_mosquitto
from tests.deploy.mosquitto.guarded_broker import GuardedBroker


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[GuardedBroker]:
    """A real broker with the shipped configuration and access list."""
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed: sudo apt-get install mosquitto")
    with GuardedBroker(tmp_path / "broker") as broker:
        yield broker
