"""`fissura fleet rollout` and its siblings as processes: signed repository, real broker, played devices."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from deploy.fleet.home import FleetHome
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rollouts import Plan, advance, begin
from deploy.fleet.repository.repository import Repository
from deploy.fleet.rollout.channel import essence
from edge_runtime.local_broker import LocalBroker
from fissura.cli import main
from fissura.release import Channel
from tests.bundles import make_bundle
from tests.deploy.fleet.repository.fleets import PASSPHRASE, another, make_home
from tests.deploy.fleet.rollout import fleet_fakes
from tests.deploy.fleet.rollout.fleet_fakes import CHANNEL, ended, serials
from tests.deploy.fleet.rollout.played_fleet import PlayedFleet
from tests.mosquitto import Subscriber, wait_until

NAMES = serials(60)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> FleetHome:
    """A fleet with two releases, the first of which every device has."""
    folder = tmp_path_factory.mktemp("template")
    home = make_home(folder / "fleet")
    repository = Repository.open(home, PASSPHRASE)
    bundle = make_bundle(folder / "bundle")
    first = repository.publish(bundle)
    repository.publish(another(bundle, folder / "other", 7))
    repository.set_channel(Channel(channel=CHANNEL, model=first.model, release=1))
    return home


@pytest.fixture
def home(template: FleetHome, tmp_path: Path, broker: LocalBroker, monkeypatch: pytest.MonkeyPatch) -> FleetHome:
    home = FleetHome(Path(shutil.copytree(template.root, tmp_path / "fleet")))
    settings = yaml.safe_load(home.settings.read_text())
    settings["broker"] = f"mqtt://127.0.0.1:{broker.port}"
    settings["rollout"] = {"waves": [5, 25, 60, 100], "silence_s": 120.0}
    home.settings.write_text(yaml.safe_dump(settings))
    monkeypatch.setattr(fleet_fakes, "MODEL", Repository.open(home, None).models()[0])
    monkeypatch.setenv("FISSURA_FLEET", str(home.root))
    monkeypatch.setenv("FISSURA_FLEET_PASSPHRASE", PASSPHRASE)
    return home


def start_rollout(*words: str, release: int = 2) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fissura", "fleet", "rollout", fleet_fakes.MODEL, str(release)]
    command += ["--channel", CHANNEL]
    command += ["--window", "0", *words]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def signed_channel(home: FleetHome) -> Channel:
    channel = Repository.open(home, None).channel(CHANNEL)
    assert channel is not None
    return channel


def status(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    capsys.readouterr()
    assert main(["fleet", "status", "--json"]) == 0
    view: dict[str, object] = json.loads(capsys.readouterr().out)
    return view


@pytest.mark.slow
def test_a_bad_release_is_paused_and_aborted(
    home: FleetHome, broker: LocalBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    with PlayedFleet(broker.port, NAMES, Repository.open(home, None), bad=NAMES) as fleet:
        process = start_rollout()
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 1, output
        assert "failures: " in output
        assert signed_channel(home).paused
        # Those that were under way when it ended tell the next one that listens.
        assert main(["fleet", "status", "--listen"]) == 0
        reached = len(fleet.reached(2))
    assert 0 < reached <= len(NAMES) / 2
    (rollout,) = status(capsys)["rollouts"]  # type: ignore[misc]
    assert (rollout["state"], rollout["release"]) == ("paused", 2)
    assert rollout["failures"] == {"golden": reached}
    assert main(["fleet", "status"]) == 0
    out = capsys.readouterr().out
    assert "is paused, failures: " in out
    assert f"golden      {reached}" in out
    assert main(["fleet", "pause"]) == 2  # it is
    assert main(["fleet", "abort", "--reason", "sees cracks everywhere"]) == 0
    channel = signed_channel(home)
    assert (channel.release, channel.percent, channel.revoked, channel.paused) == (1, 100, (2,), False)
    assert main(["fleet", "abort"]) == 2
    assert main(["fleet", "rollout", fleet_fakes.MODEL, "2", "--channel", CHANNEL]) == 2
    assert "revoked" in capsys.readouterr().err
    with Registry(home.registry) as registry:
        registry.verify_audit()
        assert [entry.action for entry in registry.audit()][-4:] == ["ask abort", "aborting", "sign", "aborted"]


@pytest.mark.slow
def test_pause_and_resume_while_it_runs_and_while_it_does_not(home: FleetHome, broker: LocalBroker) -> None:
    with PlayedFleet(broker.port, NAMES, Repository.open(home, None)) as fleet:
        fleet.lazy = True
        process = start_rollout("--stay")
        assert wait_until(lambda: signed_channel(home).percent == 5, 60)
        began = time.monotonic()
        assert main(["fleet", "pause", "--reason", "storm"]) == 0
        assert signed_channel(home).paused
        assert time.monotonic() - began < 15
        assert process.poll() is None  # --stay
        assert main(["fleet", "resume"]) == 0
        assert not signed_channel(home).paused
        assert main(["fleet", "rollout", fleet_fakes.MODEL, "2", "--channel", CHANNEL]) == 2  # one at a time
        process.terminate()
        output, _ = process.communicate(timeout=30)
        assert "goes on" in output
        assert main(["fleet", "pause"]) == 0
        assert signed_channel(home).paused
        process = start_rollout()
        process.communicate(timeout=60)
        assert process.returncode == 1  # it is paused
        assert main(["fleet", "resume"]) == 0
        fleet.lazy = False
        process = start_rollout()
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
        assert signed_channel(home).percent == 100


@pytest.mark.slow
def test_a_rollout_outlives_kills_of_its_controller_and_of_the_broker(home: FleetHome, broker: LocalBroker) -> None:
    random_ = random.Random(3)
    kills = 0
    with PlayedFleet(broker.port, NAMES, Repository.open(home, None)) as fleet:
        code: int | None = None
        for attempt in range(40):
            process = start_rollout()
            if attempt == 1:
                broker.kill()
                time.sleep(2)
                broker.start()
            try:
                process.communicate(timeout=random_.uniform(1, 8) if kills < 4 else 120)
                code = process.returncode
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
        assert code == 0
        assert wait_until(lambda: not fleet.unacknowledged, 30) or process.poll() is not None
    assert kills >= 2
    assert fleet.reached(2) == set(NAMES)
    channel = signed_channel(home)
    assert (channel.release, channel.percent) == (2, 100)
    with Registry(home.registry) as registry:
        (rollout,) = registry.rollouts()
        assert [wave.percent for wave in registry.waves(rollout.id)] == [5, 25, 60, 100]
        entries = registry.audit()
        registry.verify_audit()
    signs = [entry.details["channel"]["percent"] for entry in entries if entry.action == "sign"]  # type: ignore[index]
    assert signs == [5, 25, 60, 100]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["rollout", "nothing", "2", "--channel", CHANNEL], "no release 2 of nothing"),
        (["rollout", "{model}", "9", "--channel", CHANNEL], "no release 9"),
        (["rollout", "{model}", "2", "--channel", CHANNEL, "--waves", "10,5,100"], "--waves"),
        (["rollout", "{model}", "2", "--channel", CHANNEL, "--waves", "x"], "--waves"),
        (["rollout", "{model}", "2", "--channel", CHANNEL, "--window", "-1"], "--window"),
        (["rollout", "{model}", "2", "--channel", CHANNEL, "--broker", "ftp://x"], "not understood"),
        (["rollout", "{model}", "2", "--channel", "Not A Channel"], "no name of a channel"),
        (["rollout", "{model}", "2", "--channel", "stabel"], "'stable'?"),
        (["rollout", "{model}", "2", "--channel", "beta"], "promote {model} 2 --channel beta --percent 0"),
        (["pause"], "nothing to pause"),
        (["resume"], "nothing to resume"),
        (["abort", "--channel", "beta"], "to take a release back"),
    ],
)
def test_what_cannot_be_done_is_said(
    home: FleetHome, capsys: pytest.CaptureFixture[str], words: list[str], found: str
) -> None:
    assert main(["fleet", *(word.format(model=fleet_fakes.MODEL) for word in words)]) == 2
    assert found.format(model=fleet_fakes.MODEL) in capsys.readouterr().err
    assert [one.channel for one in Repository.open(home, None).channels()] == [CHANNEL]
    with Registry(home.registry) as registry:
        assert registry.rollouts() == []


def test_a_rollout_that_is_done_although_devices_failed(home: FleetHome, capsys: pytest.CaptureFixture[str]) -> None:
    channel = Channel(channel=CHANNEL, model=fleet_fakes.MODEL, release=2, fallback=1)
    Repository.open(home, PASSPHRASE).set_channel(channel)
    with Registry(home.registry) as registry:
        plan = Plan(fleet_fakes.MODEL, 2, CHANNEL, 1, (100,), signed=essence(channel))
        for number, name in enumerate(NAMES[:3]):
            registry.store(ended(name, 2, number, good=number == 0))
        advance(registry, begin(registry, plan, 1.0), {"committed": 1, "failed": 2}, 2.0)
    assert main(["fleet", "rollout", fleet_fakes.MODEL, "2", "--channel", CHANNEL]) == 1
    assert "100 %: done, but 2 of 3 devices failed: 2 golden" in capsys.readouterr().out


def test_a_rollout_that_is_paused_says_what_to_do(home: FleetHome, capsys: pytest.CaptureFixture[str]) -> None:
    channel = Channel(channel=CHANNEL, model=fleet_fakes.MODEL, release=2, fallback=1, percent=5, paused=True)
    Repository.open(home, PASSPHRASE).set_channel(channel)
    assert main(["fleet", "rollout", fleet_fakes.MODEL, "2", "--channel", CHANNEL]) == 1
    out = capsys.readouterr().out
    assert "look at `fissura fleet status`" in out
    assert f"fissura fleet resume --channel {CHANNEL}, or fissura fleet abort --channel {CHANNEL}" in out


def test_status_reads_the_settings_too(home: FleetHome, capsys: pytest.CaptureFixture[str]) -> None:
    home.settings.write_text("name: roads\nbrokr: mqtt://127.0.0.1\n")
    assert main(["fleet", "status"]) == 2
    assert "brokr" in capsys.readouterr().err


def test_status_of_a_fleet_that_has_done_nothing(home: FleetHome, capsys: pytest.CaptureFixture[str]) -> None:
    view = status(capsys)
    assert view["devices"] == {"known": 0, "online": 0, "by_phase": {}, "by_active": {}}
    assert main(["fleet", "status"]) == 0
    assert "0 devices" in capsys.readouterr().out


def test_status_can_listen(
    home: FleetHome, broker: LocalBroker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.fleet.rollout.listener.SETTLED_S", 0.5)
    with PlayedFleet(broker.port, NAMES, Repository.open(home, None)):
        kept = Subscriber(broker.port, "fissura/v1/+/update/+")
        assert wait_until(lambda: len({topic for topic, _ in kept.messages}) == 2 * len(NAMES))  # presence and state
        kept.close()
        capsys.readouterr()
        assert main(["fleet", "status", "--listen", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["devices"]["online"] == len(NAMES)


@pytest.mark.slow
def test_status_can_be_watched(home: FleetHome) -> None:
    command = [sys.executable, "-m", "fissura", "fleet", "status", "--watch", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    views = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert views[0] == views[1]
    assert process.returncode == 130


@pytest.mark.slow
def test_a_revocation_ends_a_rollout(home: FleetHome, broker: LocalBroker) -> None:
    with PlayedFleet(broker.port, NAMES, Repository.open(home, None)) as fleet:
        fleet.lazy = True
        process = start_rollout()
        assert wait_until(lambda: signed_channel(home).percent == 5, 60)
        assert main(["fleet", "revoke", fleet_fakes.MODEL, "2"]) == 0
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "superseded" in output
    assert (signed_channel(home).release, signed_channel(home).revoked) == (1, (2,))
