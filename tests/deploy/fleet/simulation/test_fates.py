from __future__ import annotations

from collections import Counter

from deploy.fleet.simulation.fates import drawn, failing, fate, in_waves, serials

WAVES = (1, 10, 50, 100)
FLEET = serials(10_000)


def test_the_seed_decides_everything() -> None:
    assert failing(FLEET, 2, 0.03, WAVES, 1) == failing(FLEET, 2, 0.03, WAVES, 1)
    assert failing(FLEET, 2, 0.03, WAVES, 1) != failing(FLEET, 2, 0.03, WAVES, 2)
    assert [fate(serial, 1) for serial in FLEET[:50]] == [fate(serial, 1) for serial in FLEET[:50]]
    assert drawn(FLEET, 0.3, 1, "offline") != drawn(FLEET, 0.3, 2, "offline")


def test_the_share_that_fails_holds_in_every_wave() -> None:
    failed = set(failing(FLEET, 2, 0.03, WAVES, 1))
    for percent in WAVES:
        members = in_waves(FLEET, 2, percent)
        assert abs(len(failed & set(members)) - 0.03 * len(members)) <= len(WAVES) / 2


def test_two_of_three_fail_in_the_self_test() -> None:
    phases = Counter(failing(FLEET, 2, 0.03, WAVES, 1).values())
    assert abs(phases["rejected"] - 2 * phases["rolled_back"]) <= 2 * len(WAVES)
