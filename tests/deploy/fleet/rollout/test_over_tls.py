"""Reporter and listener over the shipped broker: certificates, access list, limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.fleet.registry.registry import Registry
from deploy.fleet.rollout.broker import read_broker
from deploy.fleet.rollout.listener import Listener
from edge_runtime.local_broker import find_mosquitto
from edge_runtime.updates.hints import Hints
from edge_runtime.updates.outbox import Outbox
from edge_runtime.updates.ports import Standing
from edge_runtime.updates.reporter import ReportConfig, Reporter
from fissura.update_messages import Announcement
from tests.deploy.mosquitto.guarded_broker import GuardedBroker
from tests.edge_runtime.updates.test_reporter import NOW
from tests.mosquitto import wait_until


@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed: sudo apt-get install mosquitto")
def test_reports_and_acknowledgements_pass_the_access_list(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.fleet.rollout.listener.SETTLED_S", 0.5)
    with GuardedBroker(tmp_path / "broker") as broker:
        operator, truck = broker.issue("operator"), broker.issue("truck-07")
        listener = Listener(registry, read_broker(f"mqtts://127.0.0.1:{broker.port}", operator))
        outbox, hints = Outbox(tmp_path / "outbox.sqlite"), Hints(0.0)
        reporter = Reporter(
            ReportConfig(
                broker=f"mqtts://127.0.0.1:{broker.port}",
                ca=truck / "ca.pem",
                cert=truck / "client.pem",
                key=truck / "client.key",
            ),
            serial="truck-07",
            channel="stable",
            hardware="x86_64",
            outbox=outbox,
            hints=hints,
        )
        listener.start()
        try:
            assert listener.wait_settled(20)
            reporter.start()
            standing = Standing("rolled_back", "crack", 7, "latency: 80 ms", active=6)
            reporter.event(standing, 1, NOW, {"p99_ms": 80.0})
            reporter.state(standing, 1)
            assert wait_until(lambda: bool(registry.events()) and not outbox.events())
            assert wait_until(lambda: [(one.release, one.online) for one in registry.devices()] == [(7, True)])
            listener.announce(Announcement(channel="stable", release=7, window_s=0))
            assert wait_until(lambda: hints._due_s is not None)
            reporter.close()
            assert wait_until(lambda: [one.online for one in registry.devices()] == [False])
        finally:
            reporter.close()
            listener.close()
            outbox.close()
