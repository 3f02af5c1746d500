from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.fleet.registry import rollouts
from deploy.fleet.registry.intake import Heard
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rows import Rollout
from deploy.fleet.rollout.controller import Controller
from deploy.fleet.rollout.plan import plan_rollout
from deploy.fleet.settings import RolloutSettings
from fissura.cohort import in_wave
from fissura.errors import FleetError
from fissura.release import Channel
from fissura.update_messages import Presence
from tests.deploy.fleet.rollout.fleet_fakes import CHANNEL, MODEL, FileSigner, ended, here, serials, start, state

SETTINGS = RolloutSettings(silence_s=100)
FLEET = serials(300)


class Fleet:
    """Devices that do at once what the channel says, and a clock."""

    def __init__(self, registry: Registry, signer: FileSigner) -> None:
        self.registry, self.signer = registry, signer
        self.now_s = 1000.0
        self.bad: set[str] = set()
        self.mute: set[str] = set()
        self._done: set[tuple[str, int]] = set()
        self._sequence = 10
        registry.store(here(FLEET, active=6), self.now_s)

    def react(self) -> None:
        """Every device does what the channel says."""
        channel = self.signer.channel(CHANNEL)
        if channel is None or channel.paused:
            return
        told: list[Heard] = []
        for name in FLEET:
            has_turn = in_wave(name, channel.release, channel.percent) and (name, channel.release) not in self._done
            if has_turn and name not in self.mute:
                self._done.add((name, channel.release))
                self._sequence += 1
                told += ended(name, channel.release, self._sequence, good=name not in self.bad)
        self.registry.store(told, self.now_s)

    def run(self, controller: Controller, steps: int = 40, step_s: float = 2.0) -> Rollout:
        """Step by step, until the roll-out is not running any more."""
        for _ in range(steps):
            self.now_s += step_s
            rollout = controller.step(self.now_s, 900.0)
            if rollout.state != "running":
                break
            self.react()
        return rollout

    @property
    def reached(self) -> set[str]:
        return {name for name, _ in self._done}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "fleet.sqlite") as registry:
        yield registry


@pytest.fixture
def signer(tmp_path: Path) -> FileSigner:
    signer = FileSigner(tmp_path / "channels")
    signer.set_channel(Channel(channel=CHANNEL, model=MODEL, release=6))
    return signer


@pytest.fixture
def fleet(registry: Registry, signer: FileSigner) -> Fleet:
    return Fleet(registry, signer)


def signed(signer: FileSigner) -> list[tuple[int, int]]:
    return [(channel.release, channel.percent) for channel in signer.history()]


def test_a_good_release_goes_through_all_waves(registry: Registry, signer: FileSigner, fleet: Fleet) -> None:
    announced: list[Rollout] = []
    controller = start(registry, signer, 7, SETTINGS, fleet.now_s, announced)
    assert fleet.run(controller).state == "done"
    assert signed(signer) == [(6, 100), (7, 1), (7, 10), (7, 50), (7, 100)]
    assert [rollout.percent for rollout in announced] == [1, 10, 50, 100]
    assert fleet.reached == set(FLEET)
    channel = signer.channel(CHANNEL)
    assert channel is not None
    assert (channel.fallback, channel.paused) == (6, False)
    waves = registry.waves(controller.rollout.id)
    assert [wave.percent for wave in waves] == [1, 10, 50, 100]
    assert all(wave.started_s and wave.ended_s for wave in waves)
    assert waves[-1].counts["committed"] == 300
    registry.verify_audit()


def test_a_bad_release_stops_early_and_nobody_else_begins(registry: Registry, signer: FileSigner, fleet: Fleet) -> None:
    fleet.bad = set(FLEET)
    rollout = fleet.run(start(registry, signer, 7, SETTINGS, fleet.now_s))
    assert rollout.state == "paused"
    assert rollout.reason is not None
    assert rollout.reason.startswith("failures: ")
    channel = signer.channel(CHANNEL)
    assert channel is not None
    assert channel.paused
    assert len(fleet.reached) == sum(in_wave(name, 7, 1) for name in FLEET)


def test_silence_pauses(registry: Registry, signer: FileSigner, fleet: Fleet) -> None:
    fleet.mute = set(FLEET)
    rollout = fleet.run(start(registry, signer, 7, SETTINGS, fleet.now_s), steps=80)
    assert rollout.state == "paused"
    assert rollout.reason is not None
    assert rollout.reason.startswith("silence: ")
    assert fleet.now_s > 1100


def test_offline_devices_hold_nothing_up(registry: Registry, signer: FileSigner, fleet: Fleet) -> None:
    fleet.mute = set(FLEET[::3])
    registry.store([Heard(Presence(serial=name, online=False)) for name in fleet.mute], fleet.now_s)
    assert fleet.run(start(registry, signer, 7, SETTINGS, fleet.now_s)).state == "done"
    assert fleet.reached == set(FLEET) - fleet.mute


def test_nothing_is_decided_while_nobody_is_heard(registry: Registry, signer: FileSigner, fleet: Fleet) -> None:
    controller = start(registry, signer, 7, SETTINGS, fleet.now_s)
    controller.step(fleet.now_s, None)
    fleet.react()
    for _ in range(20):
        fleet.now_s += 3600
        assert controller.step(fleet.now_s, None).percent == 1
    assert controller.step(fleet.now_s + 1, fleet.now_s).percent == 10


def test_an_empty_registry_widens_nothing(registry: Registry, signer: FileSigner) -> None:
    controller = start(registry, signer, 7, SETTINGS, 1000.0)
    for step in range(50):
        assert controller.step(1000.0 + step * 60, 1000.0).percent == 1


def test_pause_and_resume(registry: Registry, signer: FileSigner, fleet: Fleet) -> None:
    controller = start(registry, signer, 7, SETTINGS, fleet.now_s)
    controller.step(fleet.now_s, 900.0)
    rollouts.ask(registry, controller.rollout, "pause", "storm")
    rollout = controller.step(fleet.now_s + 1, 900.0)
    assert (rollout.state, rollout.reason, rollout.intent) == ("paused", "operator: storm", None)
    channel = signer.channel(CHANNEL)
    assert channel is not None
    assert channel.paused
    rollouts.ask(registry, rollout, "resume", "")
    assert controller.step(fleet.now_s + 2, 900.0).state == "running"
    channel = signer.channel(CHANNEL)
    assert channel is not None
    assert not channel.paused
    assert fleet.run(controller).state == "done"
    assert [entry.action for entry in registry.audit()][:7] == [
        *("rollout", "sign", "ask pause", "paused", "sign", "ask resume", "running")
    ]


def test_a_resume_accepts_the_failures_so_far_and_no_more(registry: Registry, signer: FileSigner, fleet: Fleet) -> None:
    first = [name for name in FLEET if in_wave(name, 7, 10)]
    fleet.bad = set(first[:3])
    controller = start(registry, signer, 7, RolloutSettings(waves=(10, 50, 100)), fleet.now_s)
    assert fleet.run(controller).state == "paused"
    rollouts.ask(registry, controller.rollout, "resume", "known")
    assert fleet.run(controller).state == "done"
    assert controller.rollout.accepted == 3


def test_an_abort_goes_back_and_revokes(registry: Registry, signer: FileSigner, fleet: Fleet) -> None:
    controller = start(registry, signer, 7, SETTINGS, fleet.now_s)
    controller.step(fleet.now_s, 900.0)
    rollouts.ask(registry, controller.rollout, "abort", "cracks where there are none")
    assert controller.step(fleet.now_s + 1, 900.0).state == "aborted"
    channel = signer.channel(CHANNEL)
    assert channel is not None
    assert (channel.release, channel.percent, channel.fallback, channel.revoked) == (6, 100, None, (7,))
    controller.step(fleet.now_s + 60, 900.0)
    assert signed(signer)[-1] == (6, 100)
    with pytest.raises(FleetError, match="revoked"):
        plan_rollout(MODEL, 7, CHANNEL, (1, 100), channel)
    assert fleet.run(start(registry, signer, 8, SETTINGS, fleet.now_s)).state == "done"
    channel = signer.channel(CHANNEL)
    assert channel is not None
    assert channel.revoked == (7,)


def test_an_abort_without_an_earlier_release_gives_it_to_nobody_else(tmp_path: Path, registry: Registry) -> None:
    signer = FileSigner(tmp_path / "empty")
    controller = start(registry, signer, 1, SETTINGS, 1000.0)
    controller.step(1000.0, 900.0)
    rollouts.ask(registry, controller.rollout, "abort", "")
    assert controller.step(1001.0, 900.0).state == "aborted"
    channel = signer.channel(CHANNEL)
    assert channel is not None
    assert (channel.release, channel.percent, channel.paused) == (1, 0, True)


def test_a_wish_that_makes_no_sense_is_forgotten(registry: Registry, signer: FileSigner, fleet: Fleet) -> None:
    controller = start(registry, signer, 7, SETTINGS, fleet.now_s)
    rollouts.ask(registry, controller.rollout, "resume", "")
    rollout = controller.step(fleet.now_s, 900.0)
    assert (rollout.state, rollout.intent) == ("running", None)


def test_it_gives_way_to_somebody_elses_change(registry: Registry, signer: FileSigner, fleet: Fleet) -> None:
    controller = start(registry, signer, 7, SETTINGS, fleet.now_s)
    controller.step(fleet.now_s, 900.0)
    emergency = Channel(channel=CHANNEL, model=MODEL, release=6, revoked=(7,))
    signer.set_channel(emergency)
    rollout = fleet.run(controller)
    assert rollout.state == "superseded"
    assert signer.channel(CHANNEL) == emergency
    rollouts.ask(registry, rollout, "abort", "")
    controller.step(fleet.now_s + 60, 900.0)
    assert signer.channel(CHANNEL) == emergency


def test_it_gives_way_to_a_revocation_that_comes_while_it_signs(
    registry: Registry, signer: FileSigner, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = start(registry, signer, 7, SETTINGS, fleet.now_s)
    controller.step(fleet.now_s, 900.0)
    fleet.react()
    emergency = Channel(channel=CHANNEL, model=MODEL, release=6, revoked=(7,))
    really_sign = signer.set_channel

    def sign(channel: Channel) -> None:
        """As the repository: the other's signature came first, and ours would undo it."""
        really_sign(emergency)
        raise FleetError("forgets a revocation")

    monkeypatch.setattr(signer, "set_channel", sign)
    assert controller.step(fleet.now_s + 2, 900.0).state == "superseded"
    assert signer.channel(CHANNEL) == emergency


@pytest.mark.parametrize(("wish", "state"), [("pause", "paused"), ("abort", "aborted")])
def test_a_wish_that_waits_while_a_kill_left_a_signature_unrecorded(
    registry: Registry, signer: FileSigner, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, wish: str, state: str
) -> None:
    controller = start(registry, signer, 7, SETTINGS, fleet.now_s)
    really_sign = signer.set_channel

    def sign_and_die(channel: Channel) -> None:
        really_sign(channel)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(signer, "set_channel", sign_and_die)
        with pytest.raises(KeyboardInterrupt):
            controller.step(fleet.now_s, 900.0)
    rollouts.ask(registry, controller.rollout, wish, "")  # type: ignore[arg-type]
    again = Controller(registry, controller.rollout, signer, SETTINGS, announce=lambda rollout: None)
    assert again.settle(fleet.now_s + 1).state == state
    actions = [entry.action for entry in registry.audit()]
    assert actions[:3] == ["rollout", f"ask {wish}", "sign"]


def test_a_signature_that_fails_is_made_up_for(
    registry: Registry, signer: FileSigner, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = start(registry, signer, 7, SETTINGS, fleet.now_s)
    with monkeypatch.context() as patch:
        patch.setattr(signer, "set_channel", lambda channel: (_ for _ in ()).throw(FleetError("the disk is full")))
        with pytest.raises(FleetError, match="full"):
            controller.step(fleet.now_s, 900.0)
    assert fleet.run(controller).state == "done"


def test_an_old_release_may_be_revoked_meanwhile(registry: Registry, signer: FileSigner, fleet: Fleet) -> None:
    controller = start(registry, signer, 7, SETTINGS, fleet.now_s)
    controller.step(fleet.now_s, 900.0)
    channel = signer.channel(CHANNEL)
    assert channel is not None
    signer.set_channel(channel.model_copy(update={"revoked": (3,)}))
    assert fleet.run(controller).state == "done"
    channel = signer.channel(CHANNEL)
    assert channel is not None
    assert channel.revoked == (3,)


@pytest.mark.parametrize("bad_share", [0, 1])
@pytest.mark.parametrize("lost_at", [1, 10, 50])
def test_a_lost_registry_leads_to_the_same_decision(
    tmp_path: Path, signer: FileSigner, bad_share: int, lost_at: int
) -> None:
    """From the states that the broker has kept, and the signed channel."""
    settings = RolloutSettings(waves=(lost_at, 100), silence_s=100)
    with Registry(tmp_path / "first") as registry:
        fleet = Fleet(registry, signer)
        fleet.bad = set(FLEET) if bad_share else set()
        controller = start(registry, signer, 7, settings, fleet.now_s)
        controller.step(fleet.now_s, 900.0)
        fleet.react()
        kept = [
            state(one.serial, one.phase, one.release, one.sequence, active=one.active, quarantined=one.quarantined)
            for one in registry.devices()
        ]
        expected = controller.step(fleet.now_s + 2, 900.0)
    with Registry(tmp_path / "second") as registry:
        if not bad_share:  # as it was before the wave was widened
            signer.set_channel(Channel(channel=CHANNEL, model=MODEL, release=7, percent=lost_at, fallback=6))
        else:
            assert expected.state == "paused"
            signer.set_channel(signer.history()[-2])
        controller = start(registry, signer, 7, settings, 2000.0)
        registry.store([Heard(message, retained=True) for message in kept], 2000.0)
        registry.store([Heard(Presence(serial=name, online=True), retained=True) for name in FLEET], 2000.0)
        again = controller.step(2002.0, 2001.0)
        assert (again.state, again.percent, again.reason) == (expected.state, expected.percent, expected.reason)


def test_a_lost_registry_keeps_a_pause_and_never_narrows(
    tmp_path: Path, signer: FileSigner, registry: Registry
) -> None:
    signer.set_channel(Channel(channel=CHANNEL, model=MODEL, release=7, percent=30, fallback=6, paused=True))
    controller = start(registry, signer, 7, SETTINGS, 1000.0)
    rollout = controller.step(1001.0, 900.0)
    assert (rollout.state, rollout.percent, rollout.percents) == ("paused", 30, (1, 10, 30, 50, 100))
    assert signed(signer)[-1] == (7, 30)


@pytest.mark.parametrize(
    ("now", "word"),
    [
        (Channel(channel=CHANNEL, model="other", release=1), "serves"),
        (Channel(channel=CHANNEL, model=MODEL, release=6, revoked=(7,)), "revoked"),
        (Channel(channel=CHANNEL, model=MODEL, release=9), "do not go back"),
        (Channel(channel=CHANNEL, model=MODEL, release=5, percent=10), "10 %"),
        (Channel(channel=CHANNEL, model=MODEL, release=5, paused=True), "paused"),
    ],
)
def test_what_cannot_be_rolled_out(now: Channel, word: str) -> None:
    with pytest.raises(FleetError, match=word):
        plan_rollout(MODEL, 7, CHANNEL, (1, 100), now)
