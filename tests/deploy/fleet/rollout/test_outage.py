"""A broker that is not there is told: once, and once more when it is back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from deploy.fleet.registry.registry import Registry
from deploy.fleet.rollout.broker import BrokerAddress
from deploy.fleet.rollout.listener import Listener
from edge_runtime.local_broker import LocalBroker
from fissura.cli import main
from tests.mosquitto import wait_until


def test_a_broker_that_is_away_is_told_once_and_once_when_it_is_back(
    broker: LocalBroker, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    address = BrokerAddress("127.0.0.1", broker.port)
    broker.kill()
    listener = Listener(registry, address)
    listener.start()
    try:
        assert wait_until(lambda: f"the broker {address} cannot be reached: " in caplog.text, 60)
        assert "refused" in caplog.text
        time.sleep(2.5)  # it tries again after one second
        broker.start()
        assert wait_until(lambda: f"the broker {address} is back" in caplog.text, 60)
        broker.kill()
        assert wait_until(lambda: "the connection ended" in caplog.text, 60)
    finally:
        listener.close()
    assert [message.split(":")[0] for message in caplog.messages] == [
        "the broker mqtt",  # away
        "the broker mqtt",  # back
        "the broker mqtt",  # away
    ]


def test_status_that_listens_tells_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.fleet.commands.status.SETTLING_S", 1.0)
    (tmp_path / "fleet.yaml").write_text("name: roads\n")
    words = ["--listen", "--broker", "mqtt://127.0.0.1:1", "--fleet", str(tmp_path)]
    assert main(["fleet", "status", *words]) == 0
    assert "the broker mqtt://127.0.0.1:1 cannot be reached" in caplog.text
