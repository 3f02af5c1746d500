from __future__ import annotations

from pathlib import Path

import pytest

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.channels import promoted, without
from deploy.fleet.repository.repository import Repository
from fissura.errors import FleetError
from fissura.release import Channel
from tests.deploy.fleet.repository.fleets import MODEL, Device, another, served


@pytest.fixture
def three(repository: Repository, bundle: Path, tmp_path: Path) -> Repository:
    for number in (1, 2, 3):
        repository.publish(another(bundle, tmp_path / str(number), number))
    return repository


def test_a_release_widens_and_is_taken_back(home: FleetHome, three: Repository, tmp_path: Path) -> None:
    with served(home) as url:
        device = Device(home, url, tmp_path / "device")
        three.promote(MODEL, 1, "stable")
        three.promote(MODEL, 2, "stable", percent=10)
        assert device.channel() == Channel(channel="stable", model=MODEL, release=2, percent=10, fallback=1)
        three.promote(MODEL, 2, "stable", percent=100)
        assert device.channel() == Channel(channel="stable", model=MODEL, release=2, percent=100, fallback=1)
        assert three.revoke(MODEL, 2) == [Channel(channel="stable", model=MODEL, release=1, revoked=(2,))]
        assert device.channel() == three.channel("stable")


def test_a_revocation_reaches_all_channels_of_the_model_in_one_step(three: Repository) -> None:
    three.promote(MODEL, 1, "stable")
    three.promote(MODEL, 1, "beta")
    three.promote(MODEL, 2, "beta")
    three.revoke(MODEL, 2)
    assert {channel.channel: (channel.release, channel.revoked) for channel in three.channels()} == {
        "stable": (1, (2,)),
        "beta": (1, (2,)),
    }


def test_nothing_is_revoked_where_a_channel_would_have_nothing_left(three: Repository) -> None:
    three.promote(MODEL, 1, "stable")
    three.promote(MODEL, 2, "stable")
    three.promote(MODEL, 2, "beta")
    with pytest.raises(FleetError, match=r"beta .*nothing to fall back to"):
        three.revoke(MODEL, 2)
    assert all(not channel.revoked for channel in three.channels())
    three.revoke(MODEL, 2, fallback=1)
    assert {channel.release for channel in three.channels()} == {1}


def test_a_wave_that_knows_nothing_of_a_revocation_is_refused(three: Repository) -> None:
    three.promote(MODEL, 1, "stable")
    wave = three.promote(MODEL, 2, "stable", percent=10)
    three.revoke(MODEL, 2)
    with pytest.raises(FleetError, match="revokes release 2"):
        three.set_channel(wave.model_copy(update={"percent": 50}))
    assert three.channel("stable") == Channel(channel="stable", model=MODEL, release=1, revoked=(2,))


def test_the_same_again_signs_nothing(home: FleetHome, three: Repository) -> None:
    three.promote(MODEL, 1, "stable")
    before = (home.metadata / "timestamp.json").read_bytes()
    three.promote(MODEL, 1, "stable")
    assert (home.metadata / "timestamp.json").read_bytes() == before


def test_a_channel_gives_out_what_there_is(three: Repository) -> None:
    with pytest.raises(FleetError, match="no release 4"):
        three.set_channel(Channel(channel="stable", model=MODEL, release=4))
    with pytest.raises(FleetError, match="no release 9"):
        three.promote(MODEL, 2, "stable", percent=50, fallback=9)
    assert three.channel("stable") is None


BEFORE = Channel(channel="stable", model=MODEL, release=5, percent=10, fallback=4, revoked=(3,))


@pytest.mark.parametrize(
    ("before", "release", "expected"),
    [
        (None, 1, None),
        (BEFORE, 5, 4),  # wider: what it was
        (BEFORE, 6, 4),  # instead of a release that few have got
        (BEFORE.model_copy(update={"percent": 100}), 6, 5),
    ],
)
def test_the_others_go_on_with_what_all_have(before: Channel | None, release: int, expected: int | None) -> None:
    after = promoted(before, "stable", MODEL, release, 50)
    assert (after.release, after.percent, after.fallback) == (release, 50, expected)
    assert after.revoked == (() if before is None else (3,))


@pytest.mark.parametrize(
    ("model", "release", "percent", "fallback", "found"),
    [
        ("other", 6, 50, None, "gives out the model"),
        (MODEL, 3, 50, None, "was revoked"),
        (MODEL, 4, 50, None, "no device goes back"),
        (MODEL, 6, 50, 6, "fallback of itself"),
        (MODEL, 6, 50, 3, "revokes"),
        (MODEL, 6, 101, None, "percent"),
        (MODEL, 6, -1, None, "percent"),
    ],
)
def test_what_devices_cannot_follow_is_refused(
    model: str, release: int, percent: int, fallback: int | None, found: str
) -> None:
    with pytest.raises(FleetError, match=found):
        promoted(BEFORE, "stable", model, release, percent, fallback)


@pytest.mark.parametrize(
    ("release", "expected"),
    [(5, (4, 100, None, (3, 5))), (4, (5, 10, None, (3, 4))), (2, (5, 10, 4, (2, 3))), (3, (5, 10, 4, (3,)))],
)
def test_what_is_left_without_a_release(release: int, expected: tuple[int, int, int | None, tuple[int, ...]]) -> None:
    after = without(BEFORE, release)
    assert (after.release, after.percent, after.fallback, after.revoked) == expected


def test_devices_may_fetch_what_a_paused_channel_falls_back_to() -> None:
    paused = BEFORE.model_copy(update={"paused": True})
    assert not without(paused, 5).paused
    assert without(paused, 2).paused


def test_a_channel_that_somebody_else_has_changed_is_not_overwritten(three: Repository) -> None:
    """As the roll-out: it has read the channel, and then somebody promotes."""
    read = three.promote(MODEL, 2, "stable", percent=10)
    theirs = three.promote(MODEL, 3, "stable")
    with pytest.raises(FleetError, match="somebody else"):
        three.set_channel(read.model_copy(update={"percent": 50}), expected=read)
    with pytest.raises(FleetError, match="somebody else"):
        three.set_channel(read, expected=None)
    assert three.channel("stable") == theirs
    three.set_channel(theirs.model_copy(update={"percent": 50}), expected=theirs)
    three.set_channel(Channel(channel="beta", model=MODEL, release=1), expected=None)
    assert three.channel("beta") is not None


def test_a_revoked_release_does_not_come_back_in_a_new_channel(three: Repository) -> None:
    three.promote(MODEL, 2, "stable")
    three.promote(MODEL, 3, "stable")
    three.revoke(MODEL, 3)
    for refused in (
        lambda: three.promote(MODEL, 3, "beta"),
        lambda: three.set_channel(Channel(channel="beta", model=MODEL, release=3)),
        lambda: three.promote(MODEL, 1, "beta", percent=10, fallback=3),
    ):
        with pytest.raises(FleetError, match=r"release 3 .* was revoked in another channel"):
            refused()
    assert three.channel("beta") is None
    assert three.promote(MODEL, 1, "beta") == Channel(channel="beta", model=MODEL, release=1, revoked=(3,))
    three.set_channel(Channel(channel="late", model=MODEL, release=1))
    late = three.channel("late")
    assert late is not None and late.revoked == (3,)
