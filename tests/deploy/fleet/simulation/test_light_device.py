"""Protocol-only devices against a real mosquitto, a real web server and a real signed repository."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.create import create_fleet
from deploy.fleet.repository.repository import Repository
from deploy.fleet.rollout.read_report import read_report
from deploy.fleet.settings import FleetSettings
from deploy.fleet.simulation import voice
from deploy.fleet.simulation.broker import Broker, limits
from deploy.fleet.simulation.fates import Fate
from deploy.fleet.simulation.fetch import Fetcher
from deploy.fleet.simulation.ledger import Ledger
from deploy.fleet.simulation.light_device import LightDevice, World
from deploy.fleet.simulation.loop import Loop
from deploy.fleet.simulation.pace import Pace
from deploy.fleet.simulation.played_bundle import MODEL, played_bundle
from deploy.fleet.simulation.shared_view import SharedView
from deploy.fleet.simulation.swarm import Swarm
from fissura.release import Channel
from fissura.update_messages import Announcement, Phase, Presence, UpdateEvent, UpdateState
from tests.deploy.fleet.simulation.served import CUT, FINE, Always, serving
from tests.mosquitto import wait_until

PASSPHRASE = "five random words do"
PLAIN = Fate(is_deferred=False, babbles=False, duplicates=False, pace=1.0)


class Operator:
    """Hears everything; acknowledges what it is told to."""

    def __init__(self, port: int) -> None:
        self.acknowledges = True
        self.events: list[UpdateEvent] = []
        self.states: list[UpdateState] = []
        self.online: list[bool] = []
        self.unreadable: list[bytes] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "operator")
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: client.subscribe("fissura/v1/+/update/#", qos=1)
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert subscribed.wait(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def phases(self) -> list[Phase]:
        """Of the events, each once, in order."""
        return [event.phase for event in {event.uuid: event for event in self.events}.values()]

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        if message.topic.endswith("/ack"):
            return
        report = read_report(message.topic, message.payload)
        if isinstance(report, UpdateEvent):
            self.events.append(report)
            if self.acknowledges:
                acknowledgement = json.dumps({"schema_version": "1.0", "events": [str(report.uuid)]})
                client.publish(f"fissura/v1/{report.serial}/update/ack", acknowledgement, qos=1)
        elif isinstance(report, UpdateState):
            self.states.append(report)
        elif isinstance(report, Presence):
            self.online.append(report.online)
        else:
            self.unreadable.append(message.payload)


class Setting:
    """One device and what it needs."""

    def __init__(self, folder: Path, broker: Broker, draws: Always) -> None:
        self.home = FleetHome(folder / "fleet")
        create_fleet(self.home, FleetSettings(name="test"), PASSPHRASE)
        self.repository = Repository.open(self.home, PASSPHRASE)
        for number in (1, 2):
            self.repository.publish(played_bundle(folder / f"bundle-{number}", number))
        self.broker = broker
        self.draws = draws
        self.ledger = Ledger()
        self.loop = Loop()
        self.operator = Operator(broker.port)
        self.failing: dict[int, dict[str, Phase]] = {}
        self._folder = folder

    def device(self, port: int, fate: Fate = PLAIN) -> Swarm:
        world = World(
            loop=self.loop,
            broker_port=self.broker.port,
            fetcher=Fetcher(self.loop, port),
            view=SharedView(
                f"http://127.0.0.1:{port}",
                (self.home.metadata / "1.root.json").read_bytes(),
                self._folder / "view",
                "stable",
            ),
            ledger=self.ledger,
            pace=Pace(4.0),
            channel="stable",
            heard={},
            failing=self.failing,
        )
        swarm = Swarm(self.loop, [LightDevice("sim-1", fate, world)], self.broker.port)
        self.loop.start()
        swarm.appear(["sim-1"])
        assert wait_until(lambda: swarm.connected() == 1)
        return swarm

    def give(self, release: int, **more: Any) -> None:
        self.repository.set_channel(Channel(channel="stable", model=MODEL, release=release, **more))


@pytest.fixture
def setting(tmp_path: Path, broker: Broker) -> Iterator[Setting]:
    setting = Setting(tmp_path, broker, Always())
    yield setting
    setting.operator.close()
    assert not setting.loop.errors


@pytest.fixture
def port(setting: Setting) -> Iterator[int]:
    with serving(setting.home.metadata.parent, setting.draws) as (_, port):
        yield port
        setting.loop.close()  # while the server answers: a device may be asking


def test_an_installation_is_told_step_by_step(setting: Setting, port: int) -> None:
    setting.give(1)
    swarm = setting.device(port)
    assert wait_until(lambda: setting.operator.phases()[-1:] == ["committed"])
    assert setting.operator.phases() == ["download", "selftest", "shadow", "canary", "committed"]
    assert wait_until(lambda: swarm.unacknowledged() == 0)
    assert wait_until(lambda: setting.operator.states[-1].active == 1)
    sequences = [state.sequence for state in setting.operator.states]
    assert sequences == sorted(set(sequences))
    assert [str(event.uuid) for event in setting.operator.events] == [step.uuid for step in setting.ledger.steps()]


def test_a_cut_transfer_is_taken_up(setting: Setting, port: int) -> None:
    setting.give(1)
    setting.draws.drawn = CUT
    setting.device(port)
    assert wait_until(lambda: "download" in setting.operator.phases())
    time.sleep(0.3)
    setting.draws.drawn = FINE
    assert wait_until(lambda: setting.operator.phases()[-1:] == ["committed"])


def test_only_those_of_the_wave_begin_and_a_pause_holds_them(setting: Setting, port: int) -> None:
    setting.give(1, percent=0)
    swarm = setting.device(port)
    time.sleep(1.5)  # a poll and more
    setting.give(1, paused=True)
    swarm.announce(Announcement(channel="stable", release=1, window_s=0), lambda now: None)
    time.sleep(1.0)
    assert setting.operator.phases() == []
    setting.give(1)
    assert wait_until(lambda: setting.operator.phases()[-1:] == ["committed"])


@pytest.mark.parametrize("phase", ["rejected", "rolled_back"])
def test_a_release_that_fails_is_not_tried_again(setting: Setting, port: int, phase: Phase) -> None:
    setting.failing[1] = {"sim-1": phase}
    setting.give(1)
    setting.device(port)
    assert wait_until(lambda: setting.operator.phases()[-1:] == [phase])
    time.sleep(1.5)
    assert setting.operator.phases().count(phase) == 1
    assert setting.operator.states[-1].quarantined == (1,)
    assert setting.operator.states[-1].active is None


def test_a_revoked_release_is_left(setting: Setting, port: int) -> None:
    setting.give(1)
    setting.device(port)
    assert wait_until(lambda: setting.ledger.running(["sim-1"], 1) == 1)
    setting.give(2)
    assert wait_until(lambda: setting.ledger.running(["sim-1"], 2) == 1)
    setting.give(1, revoked=(2,))
    assert wait_until(lambda: setting.operator.phases()[-1:] == ["rolled_back"])
    assert setting.operator.events[-1].reason == "revoked: by channel stable"
    assert setting.ledger.running(["sim-1"], 1) == 1


def test_what_is_not_acknowledged_is_sent_again(setting: Setting, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "RESEND_S", 0.3)
    setting.operator.acknowledges = False
    setting.give(1)
    swarm = setting.device(port)
    assert wait_until(lambda: len(setting.operator.events) > 10 and swarm.unacknowledged() == 5)
    setting.operator.acknowledges = True
    assert wait_until(lambda: swarm.unacknowledged() == 0)


def test_twice_and_nonsense(setting: Setting, port: int) -> None:
    setting.give(1)
    setting.device(port, Fate(is_deferred=True, babbles=True, duplicates=True, pace=1.0))
    assert wait_until(lambda: setting.operator.phases()[-1:] == ["committed"])
    assert setting.operator.phases()[0] == "deferred"
    assert len(setting.operator.events) >= 2 * len(setting.operator.phases()) - 1
    assert setting.operator.unreadable


def test_a_broker_that_was_killed_has_everything_again(setting: Setting, port: int) -> None:
    setting.give(1)
    swarm = setting.device(port)
    assert wait_until(lambda: setting.operator.phases()[-1:] == ["committed"])
    setting.broker.kill()
    assert wait_until(lambda: swarm.connected() == 0)
    setting.operator.close()
    setting.broker.start()
    operator = setting.operator = Operator(setting.broker.port)
    assert wait_until(lambda: bool(operator.states and operator.states[-1].active == 1 and operator.online == [True]))


def test_a_device_that_vanishes_leaves_its_will(setting: Setting, port: int) -> None:
    swarm = setting.device(port)
    assert wait_until(lambda: setting.operator.online == [True])
    swarm.vanish(["sim-1"])
    assert wait_until(lambda: setting.operator.online == [True, False])
    swarm.appear(["sim-1"])
    assert wait_until(lambda: setting.operator.online[-1])


def test_messages_that_are_none_do_no_harm(setting: Setting, port: int) -> None:
    swarm = setting.device(port)
    swarm.babble("stable")
    assert wait_until(lambda: swarm.refused() >= 20)
    setting.give(1)
    swarm.announce(Announcement(channel="stable", release=1, window_s=0), lambda now: None)
    assert wait_until(lambda: setting.operator.phases()[-1:] == ["committed"])


def test_the_broker_has_the_limits_of_the_fleet() -> None:
    lines = dict(line.split() for line in limits())
    assert int(lines["max_queued_messages"]) > 1000
    assert int(lines["max_connections"]) > 10_000
