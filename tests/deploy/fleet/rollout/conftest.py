from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.fleet.registry.registry import Registry
from tests.edge_runtime.conftest import broker, make_broker

__all__ = ["broker", "make_broker"]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "fleet.sqlite") as registry:
        yield registry
