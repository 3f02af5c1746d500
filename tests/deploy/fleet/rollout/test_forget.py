"""`fissura fleet forget` on real brokers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.fleet.home import FleetHome
from deploy.fleet.registry.registry import Registry
from deploy.fleet.rollout.broker import BrokerAddress, publish_kept, read_broker
from deploy.fleet.rollout.listener import Listener
from edge_runtime.local_broker import LocalBroker, find_mosquitto
from fissura.cli import main
from fissura.topics import UPDATE_ONLINE, UPDATE_STATE
from fissura.update_messages import Presence
from tests.deploy.fleet.rollout.fleet_fakes import state
from tests.deploy.mosquitto.guarded_broker import GuardedBroker


@pytest.fixture(autouse=True)
def quickly_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.fleet.rollout.listener.SETTLED_S", 0.5)


@pytest.fixture
def fleet(tmp_path: Path) -> Callable[[str], FleetHome]:
    def make(broker: str) -> FleetHome:
        home = FleetHome(tmp_path / "fleet")
        home.root.mkdir()
        home.settings.write_text(f"name: test\nbroker: {broker}\n")
        return home

    return make


def said(serial: str) -> dict[str, bytes]:
    """What a device has the broker keep."""
    return {
        UPDATE_STATE.of(serial): state(serial, "committed", 7, 10**12, active=7).to_json(),
        UPDATE_ONLINE.of(serial): Presence(serial=serial, online=True).to_json(),
    }


def heard(path: Path, address: BrokerAddress) -> set[str]:
    """Devices that somebody who begins to listen now finds."""
    with Registry(path) as registry:
        listener = Listener(registry, address)
        listener.start()
        try:
            assert listener.wait_settled(20)
        finally:
            listener.close()
        return {device.serial for device in registry.devices()}


def test_a_forgotten_device_is_gone_from_registry_and_broker(
    broker: LocalBroker, fleet: Callable[[str], FleetHome], capsys: pytest.CaptureFixture[str]
) -> None:
    address = BrokerAddress("127.0.0.1", broker.port)
    home = fleet(str(address))
    assert publish_kept(address, {**said("truck-1"), **said("truck-2")})
    assert heard(home.registry, address) == {"truck-1", "truck-2"}
    assert main(["fleet", "forget", "truck-1", "--fleet", str(home.root)]) == 0
    assert heard(home.registry, address) == {"truck-2"}
    with Registry(home.registry) as registry:
        assert [entry.details for entry in registry.audit()] == [{"serial": "truck-1"}]
    assert main(["fleet", "forget", "truck-1", "--fleet", str(home.root)]) == 2
    assert "no device 'truck-1'" in capsys.readouterr().err


def test_without_the_broker_nothing_is_forgotten(
    fleet: Callable[[str], FleetHome], capsys: pytest.CaptureFixture[str]
) -> None:
    home = fleet("mqtt://127.0.0.1:1")
    with Registry(home.registry) as registry:
        assert main(["fleet", "forget", "truck-1", "--fleet", str(home.root)]) == 2
        assert "is not forgotten" in capsys.readouterr().err
        assert registry.audit() == []


@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed: sudo apt-get install mosquitto")
def test_the_shipped_access_list_lets_the_operator_clear_it(tmp_path: Path) -> None:
    with GuardedBroker(tmp_path / "broker") as broker:
        address = {
            name: read_broker(f"mqtts://127.0.0.1:{broker.port}", broker.issue(name))
            for name in ("operator", "truck-1")
        }
        assert publish_kept(address["truck-1"], said("truck-1"))
        assert heard(tmp_path / "before", address["operator"]) == {"truck-1"}
        assert publish_kept(address["operator"], dict.fromkeys(said("truck-1"), b""))
        assert heard(tmp_path / "after", address["operator"]) == set()
