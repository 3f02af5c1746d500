"""The loop of the controller process, where the repository or the disk are not as they should be for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.fleet.registry import rollouts
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rows import Rollout
from deploy.fleet.repository.lock import BusyError
from deploy.fleet.rollout.broker import BrokerAddress
from deploy.fleet.rollout.listener import Listener
from deploy.fleet.rollout.run import run_rollout
from deploy.fleet.settings import RolloutSettings
from fissura.errors import FleetError
from fissura.release import Channel
from tests.deploy.fleet.rollout.fleet_fakes import CHANNEL, FileSigner, start


class BadSigner(FileSigner):
    """Raises these errors first."""

    def __init__(self, folder: Path, *errors: FleetError | None) -> None:
        super().__init__(folder)
        self._errors: Iterator[FleetError | None] = iter(errors)

    def set_channel(self, channel: Channel, **how: object) -> None:
        if (error := next(self._errors, None)) is not None:
            raise error
        super().set_channel(channel, **how)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.fleet.rollout.run.RETRY_S", 0.01)
    monkeypatch.setattr("deploy.fleet.rollout.run.TICK_S", 0.01)


def run(registry: Registry, signer: FileSigner) -> Rollout:
    """Until it is paused, as somebody wants as soon as it runs."""
    controller = start(registry, signer, 7, RolloutSettings(), time.time())
    unheard = Listener(registry, BrokerAddress("127.0.0.1", 1))  # not started: nothing is decided

    def told(rollout: Rollout) -> None:
        if rollout.state == "running":
            rollouts.ask(registry, rollout, "pause", "")

    return run_rollout(controller, unheard, threading.Event(), told=told)


def test_it_waits_for_another_publisher_however_long_that_takes(registry: Registry, tmp_path: Path) -> None:
    signer = BadSigner(tmp_path / "channels", BusyError("another process publishes"), BusyError("and publishes"))
    assert run(registry, signer).state == "paused"
    assert [channel.paused for channel in signer.history()] == [False, True]


def test_what_fails_while_it_runs_is_tried_again(registry: Registry, tmp_path: Path) -> None:
    signer = BadSigner(tmp_path / "channels", None, FleetError("the disk is full"), FleetError("the disk is full"))
    assert run(registry, signer).state == "paused"
    channel = signer.channel(CHANNEL)
    assert channel is not None
    assert channel.paused


def test_what_it_cannot_begin_with_is_said_at_once(registry: Registry, tmp_path: Path) -> None:
    signer = BadSigner(tmp_path / "channels", FleetError("wrong passphrase"))
    with pytest.raises(FleetError, match="passphrase"):
        run(registry, signer)


def test_it_can_be_stopped_while_it_waits(registry: Registry, tmp_path: Path) -> None:
    signer = BadSigner(tmp_path / "channels", *(BusyError("another process publishes") for _ in range(1000)))
    controller = start(registry, signer, 7, RolloutSettings(), time.time())
    stopping = threading.Event()
    stopping.set()
    unheard = Listener(registry, BrokerAddress("127.0.0.1", 1))
    assert run_rollout(controller, unheard, stopping).state == "running"
