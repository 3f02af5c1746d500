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
    settings = RolloutSettings(waves=(20, 50, 100), silence_s=100)
    assert fleet.run(start(registry, signer, 7, settings, fleet.now_s)).state == "done"
    assert fleet.reached == set(FLEET) - fleet.mute


def test_a_few_devices_do_not_release_to_a_fleet_that_is_offline(
    registry: Registry, signer: FileSigner, fleet: Fleet
) -> None:
    awake = [name for name in FLEET if in_wave(name, 7, 10)][:3]
    fleet.mute = set(FLEET) - set(awake)
    registry.store([Heard(Presence(serial=name, online=False)) for name in fleet.mute], fleet.now_s)
    settings = RolloutSettings(waves=(10, 100), silence_s=100)
    rollout = fleet.run(start(registry, signer, 7, settings, fleet.now_s), steps=80)
    assert (rollout.state, rollout.percent) == ("paused", 10)
    assert rollout.reason is not None
    assert rollout.reason.startswith("absence: too few devices are there: 3 of at least 20 ")
    assert fleet.now_s > 1100


def test_after_a_week_without_listening_it_waits_for_reports(
    registry: Registry, signer: FileSigner, fleet: Fleet
) -> None:
    """All that came in between is what the broker had kept."""
    assert fleet.run(start(registry, signer, 7, SETTINGS, fleet.now_s)).state == "done"
    fleet.now_s += 8 * 86_400
    fleet.mute = set(FLEET)
    registry.store([Heard(message.message, retained=True) for message in here(FLEET, active=6)], fleet.now_s)
    controller, heard_since_s = start(registry, signer, 8, SETTINGS, fleet.now_s), fleet.now_s
    for _ in range(30):
        fleet.now_s += 2
        rollout = controller.step(fleet.now_s, heard_since_s)
    assert (rollout.state, rollout.percent) == ("running", 1)
    rollout = controller.step(fleet.now_s + 60, heard_since_s)
    assert (rollout.state, rollout.percent) == ("paused", 1)
    assert rollout.reason is not None
    assert rollout.reason.startswith("silence: ")


def test_devices_that_lived_while_nobody_listened_are_not_gone(
    registry: Registry, signer: FileSigner, fleet: Fleet
) -> None:
    fleet.now_s += 8 * 86_400
    fleet.mute = set(FLEET[3:])
    told = [Heard(Presence(serial=name, online=False), retained=True) for name in fleet.mute]
    registry.store(told, fleet.now_s)
    settings = RolloutSettings(waves=(99, 100), silence_s=1e6)
    rollout = fleet.run(start(registry, signer, 7, settings, fleet.now_s))
    assert (rollout.state, rollout.percent) == ("running", 99)
    assert registry.waves(rollout.id)[-1].counts["gone"] == 0


def test_one_device_that_never_ends_does_not_hold_the_rest_up(
    registry: Registry, signer: FileSigner, fleet: Fleet
) -> None:
    (endless, *_) = (name for name in FLEET if in_wave(name, 7, 20))
    fleet.mute = {endless}
    settings = RolloutSettings(waves=(20, 100), silence_s=100)
    controller = start(registry, signer, 7, settings, fleet.now_s)
    for sequence in range(100, 160):
        fleet.now_s += 5
        registry.store([Heard(state(endless, "download", 7, sequence))], fleet.now_s)
        percent = controller.step(fleet.now_s, 900.0).percent
        fleet.react()
        assert percent == (20 if fleet.now_s < 1110 else 100)


def test_a_clock_that_is_set_back_does_not_stop_the_looks(registry: Registry, signer: FileSigner, fleet: Fleet) -> None:
    clock_s = [0.0]
    rollout = start(registry, signer, 7, SETTINGS, fleet.now_s).rollout
    controller = Controller(registry, rollout, signer, SETTINGS, lambda rollout: None, clock=lambda: clock_s[0])
    controller.step(fleet.now_s, 900.0)
    fleet.react()
    assert controller.step(fleet.now_s + 3600, 900.0).percent == 1  # it has just looked
    clock_s[0] += 6
    assert controller.step(fleet.now_s - 50, 900.0).percent == 10


def test_a_wave_is_not_over_because_its_presences_are_still_on_their_way(
    registry: Registry, signer: FileSigner
) -> None:
    """A broker tells the states first; on a busy machine a device of a later wave may be the first that is there."""
    now_s = 1000.0
    first, later = ([name for name in FLEET if in_wave(name, 7, 20) is belongs] for belongs in (True, False))
    registry.store([Heard(state(name, "idle", None, 1, active=6)) for name in FLEET], now_s)
    registry.store([Heard(Presence(serial=later[0], online=True))], now_s)
    controller = start(registry, signer, 7, RolloutSettings(waves=(20, 100)), now_s)
    for second in range(1, 10):
        assert controller.step(now_s + second, now_s).wave == 0
    registry.store([Heard(Presence(serial=name, online=True)) for name in first], now_s + 9.5)
    assert controller.step(now_s + 30, now_s).wave == 0


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
    assert set(controller.rollout.accepted) == set(first[:3])


def test_an_accepted_device_that_gets_well_excuses_no_other(
    registry: Registry, signer: FileSigner, fleet: Fleet
) -> None:
    first = [name for name in FLEET if in_wave(name, 7, 10)]
    fleet.bad = set(first[:8])
    controller = start(registry, signer, 7, RolloutSettings(waves=(10, 50, 100)), fleet.now_s)
    assert fleet.run(controller).state == "paused"
    rollouts.ask(registry, controller.rollout, "resume", "known")
    assert set(controller.settle(fleet.now_s).accepted) == set(first[:8])
    registry.store([heard for name in first[:8] for heard in ended(name, 7, 1000, good=True)], fleet.now_s)
    fleet.bad = set([name for name in FLEET if in_wave(name, 7, 50) and name not in first][:8])
    rollout = fleet.run(controller)
    assert (rollout.state, rollout.percent) == ("paused", 50)


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

    def sign(channel: Channel, *, expected: Channel | None) -> None:
        """As the repository: the other's signature came first, and ours would undo it."""
        really_sign(emergency)
        raise FleetError("forgets a revocation")

    monkeypatch.setattr(signer, "set_channel", sign)
    assert controller.step(fleet.now_s + 2, 900.0).state == "superseded"
    assert signer.channel(CHANNEL) == emergency


@pytest.mark.parametrize(
    ("theirs", "state"),
    [
        (Channel(channel=CHANNEL, model=MODEL, release=9), "superseded"),
        (Channel(channel=CHANNEL, model=MODEL, release=7, percent=1, fallback=6, revoked=(3,)), "running"),
    ],
)
def test_what_somebody_says_between_its_look_and_its_signature_is_not_overwritten(
    registry: Registry,
    signer: FileSigner,
    fleet: Fleet,
    monkeypatch: pytest.MonkeyPatch,
    theirs: Channel,
    state: str,
) -> None:
    controller = start(registry, signer, 7, SETTINGS, fleet.now_s)
    controller.step(fleet.now_s, 900.0)
    fleet.react()
    really_sign = signer.set_channel

    def sign(channel: Channel, *, expected: Channel | None) -> None:
        monkeypatch.undo()
        really_sign(theirs)
        really_sign(channel, expected=expected)

    monkeypatch.setattr(signer, "set_channel", sign)
    assert controller.step(fleet.now_s + 2, 900.0).state == state
    channel = signer.channel(CHANNEL)
    assert channel is not None
    assert (channel.release, channel.revoked) == (theirs.release, theirs.revoked)
    assert channel.percent == (100 if state == "superseded" else 10)


@pytest.mark.parametrize(("wish", "state"), [("pause", "paused"), ("abort", "aborted")])
def test_a_wish_that_waits_while_a_kill_left_a_signature_unrecorded(
    registry: Registry, signer: FileSigner, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, wish: str, state: str
) -> None:
    controller = start(registry, signer, 7, SETTINGS, fleet.now_s)
    really_sign = signer.set_channel

    def sign_and_die(channel: Channel, *, expected: Channel | None) -> None:
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
        patch.setattr(
            signer, "set_channel", lambda channel, expected: (_ for _ in ()).throw(FleetError("the disk is full"))
        )
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
