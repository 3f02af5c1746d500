"""The whole way with real update machines: repository, HTTP, broker, roll-out. Engine and frames are played."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.fleet.home import FleetHome
from deploy.fleet.registry.registry import Registry
from deploy.fleet.repository.repository import Repository
from edge_runtime.local_broker import LocalBroker
from edge_runtime.updates.clock import SystemClock
from edge_runtime.updates.config import UpdatesConfig
from edge_runtime.updates.hints import Hints
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.loop import look_again_and_again
from edge_runtime.updates.machine import UpdateMachine
from edge_runtime.updates.outbox import Outbox
from edge_runtime.updates.reporter import ReportConfig, Reporter
from edge_runtime.updates.repository import TrustedRepository, read_root
from fissura.cli import main
from fissura.cohort import in_wave
from fissura.errors import RejectedError
from tests.deploy.fleet.repository.fleets import PASSPHRASE, another, served
from tests.deploy.fleet.rollout import fleet_fakes
from tests.deploy.fleet.rollout.fleet_fakes import CHANNEL
from tests.deploy.fleet.rollout.test_commands import home, signed_channel, start_rollout, template
from tests.edge_runtime.updates.device import PlayedStream, PlayedTrial
from tests.mosquitto import wait_until

__all__ = ["home", "template"]
NAMES = [f"drone-{number}" for number in range(8)]


class Willing:
    """Conditions under which a device always has time."""

    def check(self) -> None:
        pass


class Device:
    """A device's update thread and its reporter."""

    def __init__(self, serial: str, folder: Path, home: FleetHome, url: str, port: int, stack: ExitStack) -> None:
        folder.mkdir()
        config = UpdatesConfig(
            url=url,
            root=home.metadata / "1.root.json",
            channel=CHANNEL,
            state=folder,
            serial=serial,
            poll_s=2.0,
            hint_s=0.2,
            report=ReportConfig(broker=f"mqtt://127.0.0.1:{port}"),
        )
        self.layout = Layout(folder)
        self.layout.make()
        self.trial = PlayedTrial()
        self._hints, self._stopping = Hints(config.hint_s), threading.Event()
        self.outbox = Outbox(self.layout.outbox)
        assert config.report is not None
        self._reporter = Reporter(
            config.report,
            serial=serial,
            channel=CHANNEL,
            hardware=config.hardware,
            outbox=self.outbox,
            hints=self._hints,
        )
        machine = UpdateMachine(
            config,
            self.layout,
            TrustedRepository(url, read_root(config.root), self.layout.metadata),
            self.trial,
            PlayedStream(self.layout),
            Willing(),
            self._reporter,
            SystemClock(),
        )
        self._thread = threading.Thread(
            target=look_again_and_again, args=(machine.run_once, config, self._hints, self._stopping)
        )
        self._reporter.start()
        self._thread.start()
        stack.callback(self.close)

    def close(self) -> None:
        self._stopping.set()
        self._hints.wake()
        self._thread.join()
        self._reporter.close()
        self.outbox.close()


def refuse() -> None:
    raise RejectedError("golden: mask IoU 0.2")


@pytest.mark.slow
def test_a_good_release_reaches_everybody_and_a_bad_one_does_not(
    tmp_path: Path, home: FleetHome, broker: LocalBroker, template: FleetHome
) -> None:
    # Waves in which there is somebody, and not everybody, of both releases.
    percent = next(
        percent
        for percent in range(5, 95)
        if all(2 <= sum(in_wave(name, release, percent) for name in NAMES) <= 5 for release in (2, 3))
    )
    waves = ("--waves", f"{percent},100")
    with served(home) as url, ExitStack() as stack:
        devices = {name: Device(name, tmp_path / name, home, url, broker.port, stack) for name in NAMES}
        assert wait_until(lambda: all(device.layout.number("active") == 1 for device in devices.values()), 60)

        output, _ = (process := start_rollout(*waves)).communicate(timeout=120)
        assert process.returncode == 0, output
        assert {device.layout.number("active") for device in devices.values()} == {2}

        bundle = template.root.parent / "bundle"
        Repository.open(home, PASSPHRASE).publish(another(bundle, tmp_path / "third", 11))
        for device in devices.values():
            device.trial.act = refuse
        output, _ = (process := start_rollout(*waves, release=3)).communicate(timeout=120)
        assert process.returncode == 1, output
        assert "failures: " in output
        assert {device.layout.number("active") for device in devices.values()} == {2}
        assert main(["fleet", "abort"]) == 0
        assert main(["fleet", "status", "--listen"]) == 0
    assert (signed_channel(home).release, signed_channel(home).revoked) == (2, (3,))
    with Registry(home.registry) as registry:
        tried = {name for name in NAMES if in_wave(name, 3, percent)}
        ends = registry.ends(fleet_fakes.MODEL, 3)
        assert set(ends) <= tried
        assert {reason.split(":")[0] for _, reason in ends.values() if reason} == {"golden"}
        assert set(registry.ends(fleet_fakes.MODEL, 2)) == set(NAMES)
        assert {phase for phase, _ in registry.ends(fleet_fakes.MODEL, 2).values()} == {"committed"}
        registry.verify_audit()
