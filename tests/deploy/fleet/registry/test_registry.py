from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.fleet.registry import audit, rollouts
from deploy.fleet.registry.forget import forget
from deploy.fleet.registry.intake import Heard, fits
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rollouts import Plan
from fissura.errors import FleetError
from fissura.update_messages import Presence
from tests.deploy.fleet.rollout.fleet_fakes import CHANNEL, MODEL, ended, event, state


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "state" / "fleet.sqlite") as registry:
        yield registry


def test_what_a_device_says_is_there_afterwards(registry: Registry) -> None:
    registry.store([*ended("a", 7, 3, good=False), Heard(Presence(serial="a", online=True))], now_s=100.0)
    device = registry.device("a")
    assert device is not None
    assert (device.phase, device.release, device.quarantined, device.online) == ("rejected", 7, (7,), True)
    assert (device.seen_s, device.reported_s, device.channel) == (100.0, 100.0, CHANNEL)
    assert [one.reason for one in registry.events("a")] == ["golden: mask IoU 0.4"]
    assert registry.ends(MODEL, 7) == {"a": ("rejected", "golden: mask IoU 0.4")}
    assert registry.device("b") is None
    assert registry.devices("beta") == []


messages = st.lists(
    st.one_of(
        st.builds(
            lambda serial, phase, sequence: state(serial, phase, 7, sequence),
            st.sampled_from("ab"),
            st.sampled_from(["idle", "download", "committed", "rejected"]),
            st.integers(0, 30),
        ),
        st.builds(
            lambda serial, phase, sequence: event(serial, phase, 7, sequence),
            st.sampled_from("ab"),
            st.sampled_from(["download", "committed", "rejected"]),
            st.integers(0, 30),
        ),
    ),
    max_size=12,
    unique_by=lambda message: (message.serial, message.sequence, type(message)),
)


@settings(max_examples=25, deadline=None)
@given(told=messages, seed=st.integers(0, 1000))
def test_order_and_repetition_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, told: list[object], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("registry")
    shuffled = [*told, *told, *told[: len(told) // 2]]
    random.Random(seed).shuffle(shuffled)
    with Registry(folder / "a") as one, Registry(folder / "b") as other:
        one.store([Heard(message) for message in told], now_s=1.0)  # type: ignore[arg-type]
        for message in shuffled:
            other.store([Heard(message)], now_s=1.0)  # type: ignore[arg-type]
        assert one.devices() == other.devices()
        assert one.ends(MODEL, 7) == other.ends(MODEL, 7)
        assert {event.uuid for event in one.events()} == {event.uuid for event in other.events()}
        assert len(one.events()) == len(other.events())


def test_what_the_broker_had_kept_is_no_sign_of_life(registry: Registry) -> None:
    registry.store([Heard(state("a", "shadow", 7, 3), retained=True)], now_s=100.0)
    device = registry.device("a")
    assert device is not None
    assert (device.phase, device.reported_s, device.seen_s) == ("shadow", 0.0, 100.0)  # new to us


def test_a_device_that_is_gone_is_known_for_what_it_was(registry: Registry) -> None:
    registry.store([Heard(state("a", "idle", None, 3, active=6)), Heard(Presence(serial="a", online=True))], now_s=5.0)
    registry.store([Heard(Presence(serial="a", online=False))], now_s=9.0)
    device = registry.device("a")
    assert device is not None
    assert (device.online, device.active, device.seen_s) == (False, 6, 5.0)


def test_a_device_that_floods_pushes_out_its_own_events_only(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.fleet.registry.intake.MOST_EVENTS", 20)
    registry.store([Heard(event("quiet", "committed", 7, 1))])
    for number in range(10):
        registry.store([Heard(event("loud", "download", 7, 10 * number + step)) for step in range(10)])
    assert [one.sequence for one in registry.events("loud", limit=1000)] == list(range(99, 79, -1))
    assert len(registry.events("quiet")) == 1


def test_numbers_beyond_all_bounds_do_not_fit() -> None:
    assert fits(state("a", "idle", 2**63 - 1, 1), 0.0)
    assert not fits(state("a", "idle", 2**63, 1), 0.0)
    assert not fits(state("a", "idle", 7, 1, active=2**70), 0.0)


def test_a_sequence_that_would_silence_a_device_does_not_fit() -> None:
    now_s = 1.7e9
    assert fits(state("a", "idle", 7, int((now_s + 86_000) * 1e3)), now_s)
    assert not fits(state("a", "idle", 7, int((now_s + 87_000) * 1e3)), now_s)
    assert not fits(event("a", "committed", 7, 2**63 - 1), now_s)


def test_a_device_is_forgotten_with_all_that_it_said(registry: Registry) -> None:
    poisoned = 10**15
    registry.store([*ended("a", 7, poisoned, good=False), *ended("b", 7, 3, good=True)])
    forget(registry, "a")
    assert [device.serial for device in registry.devices()] == ["b"]
    assert set(registry.ends(MODEL, 7)) == {"b"}
    registry.store(ended("a", 7, 4, good=True))
    device = registry.device("a")
    assert device is not None
    assert (device.phase, device.sequence) == ("committed", 4)
    assert registry.ends(MODEL, 7)["a"] == ("committed", None)
    assert [(entry.action, entry.details) for entry in registry.audit()] == [("forget", {"serial": "a"})]
    with pytest.raises(FleetError, match="no device 'c'"):
        forget(registry, "c")


def test_what_the_broker_kept_is_a_sign_of_life_where_it_is_news(registry: Registry) -> None:
    registry.store([Heard(state("a", "idle", None, 3)), Heard(Presence(serial="a", online=True))], now_s=5.0)
    for number, message, seen_s in (
        (10.0, state("a", "idle", None, 3), 5.0),
        (20.0, Presence(serial="a", online=True), 5.0),
        (30.0, state("a", "idle", None, 4), 30.0),
        (40.0, Presence(serial="a", online=False), 40.0),
        (50.0, Presence(serial="a", online=False), 40.0),
    ):
        registry.store([Heard(message, retained=True)], now_s=number)
        device = registry.device("a")
        assert device is not None
        assert (device.seen_s, device.reported_s) == (seen_s, 5.0)


def test_two_processes_may_write(registry: Registry) -> None:
    with Registry(registry.path) as other:
        before = registry.stamp()
        other.store([Heard(state("a", "idle", None, 1))])
        assert registry.stamp() != before
        assert registry.device("a") is not None


def test_one_rollout_holds_a_channel(registry: Registry) -> None:
    plan = Plan(MODEL, 7, CHANNEL, None, (1, 100))
    rollout = rollouts.begin(registry, plan, 1.0)
    with pytest.raises(FleetError, match="holds the channel"):
        rollouts.begin(registry, plan, 2.0)
    rollouts.move(registry, rollout, "aborted", 3.0)
    assert rollouts.begin(registry, plan, 4.0).id == rollout.id + 1
    assert rollouts.open_rollout(registry, "beta") is None


def filled(registry: Registry) -> None:
    rollout = rollouts.begin(registry, Plan(MODEL, 7, CHANNEL, None, (1, 50, 100)), 1.0)
    rollouts.advance(registry, rollout, {"committed": 3}, 2.0)
    rollouts.ask(registry, rollout, "pause", "lunch, naïvely")


def test_the_audit_is_a_chain(registry: Registry) -> None:
    assert registry.verify_audit() == audit.BEGINNING
    filled(registry)
    assert [entry.number for entry in registry.audit()] == [1, 2, 3]
    assert registry.verify_audit() == registry.audit()[-1].hash
    assert [entry.number for entry in registry.audit(limit=2)] == [2, 3]


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit", "REPLACE INTO audit SELECT 1, 1, '', '', '', ''"]
)
def test_the_audit_is_append_only(registry: Registry, statement: str) -> None:
    filled(registry)
    before = registry.audit()
    with closing(sqlite3.connect(registry.path)) as other, pytest.raises(sqlite3.IntegrityError):
        other.execute(statement)
        other.commit()
    assert registry.audit() == before


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE audit SET details = '{\"rollout\":2}' WHERE number = 2",
        "UPDATE audit SET at_s = at_s + 1 WHERE number = 1",
        "UPDATE audit SET actor = 'nobody' WHERE number = 3",
        "DELETE FROM audit WHERE number = 2",
        "DELETE FROM audit WHERE number = 1",
        "UPDATE audit SET number = number + 1",
    ],
)
def test_who_gets_around_that_is_found_out(registry: Registry, forgery: str) -> None:
    filled(registry)
    with closing(sqlite3.connect(registry.path)) as other:
        other.execute("DROP TRIGGER audit_stays")
        other.execute("DROP TRIGGER audit_keeps")
        if "number + 1" in forgery:
            other.execute("UPDATE audit SET number = -number")
            other.execute("UPDATE audit SET number = 1 - number")
        else:
            other.execute(forgery)
        other.commit()
    with pytest.raises(FleetError, match="line"):
        registry.verify_audit()


def test_a_cut_end_shows_in_the_newest_hash(registry: Registry) -> None:
    filled(registry)
    newest = registry.verify_audit()
    with closing(sqlite3.connect(registry.path)) as other:
        other.execute("DROP TRIGGER audit_keeps")
        other.execute("DELETE FROM audit WHERE number = 3")
        other.commit()
    assert registry.verify_audit() != newest


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, and long enough to be looked at " * 100)
    with pytest.raises(FleetError, match="not a database"):
        Registry(tmp_path / "text")
    with closing(sqlite3.connect(tmp_path / "other")) as other:
        other.execute("CREATE TABLE x (y)")
    with pytest.raises(FleetError, match="another program"):
        Registry(tmp_path / "other")
    with Registry(tmp_path / "newer") as newer, newer.writing() as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(FleetError, match="newer fissura"):
        Registry(tmp_path / "newer")
