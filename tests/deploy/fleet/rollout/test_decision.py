from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.fleet.registry.rows import Device
from deploy.fleet.rollout.decision import Advance, Pause, Wait, decide, threshold
from deploy.fleet.rollout.standing import HORIZON_S, MOST_SILENCES, Question, Tally, belongs, standing, standings, tally
from deploy.fleet.settings import RolloutSettings
from fissura.cohort import in_wave
from fissura.update_messages import Phase

LIMITS = RolloutSettings()
counts = st.integers(0, 300)
few = st.one_of(st.integers(0, 4), counts)
tallies = st.builds(Tally, committed=few, failed=few, running=few, deferred=few, silent=few, waiting=few, absent=few)


@settings(max_examples=500)
@given(wave=tallies, share=st.floats(0, 1), overdue=st.booleans(), last=st.booleans())
def test_it_never_goes_on_past_too_many_failures(wave: Tally, share: float, overdue: bool, last: bool) -> None:
    accepted = int(share * wave.failed)
    failed = wave.failed - accepted
    if isinstance(decide(wave, LIMITS, accepted, overdue=overdue, last=last), Advance):
        assert failed < max(2, 0.05 * (wave.committed + failed))
        assert wave.silent < max(2, 0.05 * (wave.committed + failed + wave.silent))
        assert wave.ended or not wave.members
        members = wave.members - accepted - (wave.absent if last else 0)
        assert wave.committed + failed >= min(LIMITS.minimum_reports, members)
        left = wave.running + wave.waiting
        assert not left or overdue
        if left:  # though all of them fail, it would not be too many
            worst = failed + wave.silent + left
            assert worst < max(2, 0.05 * (wave.committed + worst))


@settings(max_examples=500)
@given(wave=tallies)
def test_what_is_overdue_does_not_wait_for_those_who_are_not_there(wave: Tally) -> None:
    if decide(wave, LIMITS, overdue=True) == Wait():
        assert wave.running or wave.waiting


@settings(max_examples=500)
@given(wave=tallies)
def test_it_pauses_as_soon_as_enough_have_told(wave: Tally) -> None:
    if wave.ended >= LIMITS.minimum_reports and wave.failed >= threshold(wave.ended, LIMITS):
        decision = decide(wave, LIMITS)
        assert isinstance(decision, Pause)
        assert decision.reason.startswith("failures: ")


@settings(max_examples=500)
@given(wave=tallies)
def test_silence_pauses(wave: Tally) -> None:
    if wave.silent >= threshold(wave.ended + wave.silent, LIMITS):
        assert isinstance(decide(wave, LIMITS), Pause)


@pytest.mark.parametrize(
    ("wave", "expected"),
    [
        (Tally(), Advance()),  # nobody is meant: the controller sees to it that somebody is somewhere
        (Tally(gone=3), Advance()),
        (Tally(committed=1), Advance()),
        (Tally(committed=100, absent=40), Advance()),
        (Tally(committed=99, failed=1), Advance()),
        (Tally(committed=30, deferred=70), Advance()),
        (Tally(committed=98, silent=1), Advance()),
        (Tally(committed=19, failed=1, waiting=80), Wait()),
        (Tally(committed=3, deferred=1), Wait()),
        (Tally(committed=3, absent=1), Wait()),
        (Tally(committed=3, absent=997), Wait()),  # three say nothing about a thousand
        (Tally(committed=19, absent=997), Wait()),
        (Tally(committed=20, absent=997), Advance()),
        (Tally(absent=5), Wait()),
        (Tally(deferred=4), Wait()),
        (Tally(failed=9, running=20), Wait()),  # below the minimum
        (Tally(committed=99, running=1), Wait()),
    ],
)
def test_what_goes_on_and_what_waits(wave: Tally, expected: Advance | Wait) -> None:
    assert decide(wave, LIMITS) == expected


@pytest.mark.parametrize(
    ("wave", "word"),
    [
        (Tally(failed=1), "failures"),  # below the minimum of two, but nobody has committed
        (Tally(committed=18, failed=2, waiting=80), "failures"),
        (Tally(committed=95, failed=5), "failures"),
        (Tally(committed=1, failed=2), "failures"),
        (Tally(silent=1), "silence"),
        (Tally(committed=3, silent=2, running=5), "silence"),
        (Tally(committed=95, silent=5), "silence"),
    ],
)
def test_what_pauses(wave: Tally, word: str) -> None:
    decision = decide(wave, LIMITS)
    assert isinstance(decision, Pause)
    assert decision.reason.startswith(f"{word}: ")


@pytest.mark.parametrize(
    "wave", [Tally(committed=3, absent=997), Tally(absent=5), Tally(deferred=4), Tally(committed=19, deferred=5)]
)
def test_too_few_devices_pause_when_it_is_overdue(wave: Tally) -> None:
    decision = decide(wave, LIMITS, overdue=True)
    assert isinstance(decision, Pause)
    assert decision.reason.startswith("absence: too few devices are there: ")


def test_a_few_that_do_not_end_hold_nothing_up_for_ever() -> None:
    assert decide(Tally(committed=99, running=1), LIMITS, overdue=True) == Advance()
    assert decide(Tally(committed=90, running=10), LIMITS, overdue=True) == Wait()  # all of them may fail
    assert decide(Tally(committed=96, failed=1, running=3), LIMITS, overdue=True) == Advance()
    assert decide(Tally(committed=95, failed=2, running=3), LIMITS, overdue=True) == Wait()
    assert decide(Tally(committed=19, running=1), LIMITS, overdue=True) == Wait()  # it can still be judged


def test_the_last_wave_does_not_wait_for_who_is_offline() -> None:
    """All have the release on offer; a pause would keep it from those that come back."""
    assert decide(Tally(committed=8, absent=2), LIMITS, last=True) == Advance()
    assert decide(Tally(absent=2), LIMITS, overdue=True, last=True) == Wait()


def test_accepted_failures_do_not_pause_again_but_new_ones_do() -> None:
    assert isinstance(decide(Tally(committed=30, failed=5, waiting=9), LIMITS), Pause)
    assert decide(Tally(committed=30, failed=5, waiting=9), LIMITS, accepted=5) == Wait()
    assert isinstance(decide(Tally(committed=30, failed=7, waiting=9), LIMITS, accepted=5), Pause)


@settings(max_examples=100, deadline=None)
@given(size=st.integers(1, 2000), failing=st.floats(0.15, 1.0), seed=st.integers(0, 2**31))
def test_the_number_of_devices_that_get_a_bad_release_is_bounded(size: int, failing: float, seed: int) -> None:
    """Whatever order devices report in: the roll-out ends in the first wave that is large enough to show it."""
    random_ = random.Random(seed)
    names = [f"truck-{seed}-{number}" for number in range(size)]
    bad = {name for name in names if random_.random() < failing}
    given_to: set[str] = set()
    for percent in LIMITS.waves:
        wave = [name for name in names if in_wave(name, 7, percent)]
        given_to |= set(wave)
        random_.shuffle(wave)
        failed = 0
        for position, name in enumerate(wave, start=1):
            failed += name in bad
            tally_now = Tally(committed=position - failed, failed=failed, waiting=len(wave) - position)
            if isinstance(decide(tally_now, LIMITS), Pause):
                # No larger wave was begun than the first with so many failures in it.
                assert all(
                    len(bad & {one for one in names if in_wave(one, 7, earlier)})
                    < threshold(sum(in_wave(one, 7, earlier) for one in names), LIMITS)
                    for earlier in LIMITS.waves
                    if earlier < percent
                )
                return
        assert decide(tally_now, LIMITS) == Advance() if wave else True
    assert len(bad) < threshold(size, LIMITS)


def device(phase: Phase = "idle", release: int | None = None, **fields: object) -> Device:
    values: dict[str, object] = {
        "serial": "truck-07",
        "channel": "stable",
        "hardware": "x86_64",
        "version": "0.1.0",
        "phase": phase,
        "model": "crack" if release else None,
        "release": release,
        "reason": None,
        "active": 6,
        "previous": None,
        "quarantined": (),
        "sequence": 1,
        "online": True,
        "seen_s": 10_000.0,
        "reported_s": 10_000.0,
        **fields,
    }
    return Device(**values)  # type: ignore[arg-type]


def question(now_s: float = 10_100.0, **fields: object) -> Question:
    values: dict[str, object] = {
        "model": "crack",
        "release": 7,
        "percent": 100,
        "hardware": ("*",),
        "ends": {},
        "since_s": 10_000.0,
        "silence_s": 600.0,
        "now_s": now_s,
        **fields,
    }
    return Question(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (device(), "waiting"),
        (device(online=False), "absent"),
        (device("check", 7), "running"),
        (device("canary", 7, active=7), "running"),  # the link is exchanged before it has proved itself
        (device("committed", 7, active=7), "committed"),
        (device("idle", None, active=7), "committed"),
        (device("rejected", 7), "failed"),
        (device("rolled_back", 7, active=6), "failed"),
        (device("quarantined", 7), "failed"),
        (device("idle", None, quarantined=(7,)), "failed"),
        (device("idle", None, active=7, quarantined=(7,)), "failed"),  # committed, and crashed later
        (device("deferred", 7), "deferred"),
        (device("deferred", 7, online=False), "absent"),
        (device("idle", None, active=7, model="other"), "waiting"),  # came from another channel
        (device("committed", 7, active=7, model="other"), "waiting"),
        (device("idle", None, quarantined=(7,), model="other"), "waiting"),
        (device("rejected", 6), "waiting"),  # another release's end
        (device("rejected", 7, model="other"), "waiting"),
    ],
)
def test_where_a_device_stands(one: Device, expected: str) -> None:
    assert standing(one, question()) == expected


def test_who_begins_and_is_not_heard_again_is_silent_even_when_offline() -> None:
    broken = device("selftest", 7, online=False)
    assert standing(broken, question()) == "running"
    assert standing(broken, question(now_s=10_700.0)) == "silent"


def test_who_is_online_and_does_not_begin_is_silent() -> None:
    assert standing(device(), question(now_s=10_700.0)) == "silent"
    assert standing(device(), question(now_s=10_700.0, since_s=10_600.0)) == "waiting"  # we have only begun to listen
    assert standing(device(online=False), question(now_s=10_700.0)) == "absent"


def test_an_online_device_is_never_absent_however_long_nobody_listened() -> None:
    late_s = 10_001.0 + HORIZON_S
    assert standing(device(), question(now_s=late_s, since_s=late_s - 60)) == "waiting"
    assert standing(device(), question(now_s=late_s)) == "silent"
    assert standing(device(online=False), question(now_s=late_s - 2)) == "absent"
    assert standing(device(online=False), question(now_s=late_s)) == "gone"


def test_a_device_that_talks_and_talks_but_does_not_end_is_silent_at_last() -> None:
    limit_s = MOST_SILENCES * 600.0
    assert standing(device("download", 7, reported_s=10_000 + limit_s), question(10_000 + limit_s)) == "running"
    assert standing(device("download", 7, reported_s=10_001 + limit_s), question(10_001 + limit_s)) == "silent"


def test_a_failure_stays_one_while_the_device_tries_again() -> None:
    ends = {"truck-07": ("rejected", "golden: 0.4")}
    assert standing(device("download", 7), question(ends=ends)) == "failed"
    assert standing(device("committed", 7, active=7), question(ends=ends)) == "committed"


def test_other_kinds_of_devices_do_not_belong_to_a_wave() -> None:
    jetson = question(hardware=("jetson-orin-*",))
    assert belongs(device(hardware="jetson-orin-nx"), jetson)
    assert not belongs(device(hardware="x86_64"), jetson)
    refusing = device("rejected", 7, hardware="x86_64", reason="hardware: x86_64")
    good = device("committed", 7, active=7, hardware="jetson-orin-nano", serial="truck-08")
    assert tally(standings([refusing, good], jetson).values()) == Tally(committed=1)
