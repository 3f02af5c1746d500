from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.health.governor import FASTER_AFTER_S, LONGEST_WAIT_S, MOST, SLOWER_AFTER_S, Governor
from tests.edge_runtime.health.readings import Clock, reading


def run(governor: Governor, clock: Clock, seconds: int, *, throttled: bool) -> int:
    """Update once a second; the share after that."""
    for _ in range(seconds):
        clock.now_s += 1
        governor.update(reading(throttled=throttled))
    return governor.every


def test_share_of_the_frames() -> None:
    clock = Clock()
    governor = Governor(clock=clock)
    assert [governor.leave_out() for _ in range(5)] == [None] * 5
    run(governor, clock, 1, throttled=True)
    assert [governor.leave_out() for _ in range(6)].count("throttled") == 3
    run(governor, clock, int(SLOWER_AFTER_S), throttled=True)
    assert [governor.leave_out() for _ in range(9)].count(None) == 3


def test_cameras_in_turn_get_the_same_share() -> None:
    clock = Clock()
    governor = Governor(clock=clock)
    run(governor, clock, 1, throttled=True)
    causes = [(governor.leave_out("left"), governor.leave_out("right")) for _ in range(10)]
    assert [side.count("throttled") for side in zip(*causes, strict=True)] == [5, 5]


def test_slower_step_by_step_to_the_bound_and_back() -> None:
    clock = Clock()
    governor = Governor(clock=clock)
    steps = [run(governor, clock, int(SLOWER_AFTER_S), throttled=True) for _ in range(9)]
    assert steps == [2, 3, 4, 5, 6, 7, 8, 8, 8]
    assert run(governor, clock, int(FASTER_AFTER_S), throttled=False) == 8
    back = [run(governor, clock, int(FASTER_AFTER_S), throttled=False) for _ in range(8)]
    assert back == [7, 6, 5, 4, 3, 2, 1, 1]


def test_a_step_up_that_makes_it_hot_again_waits_twice_as_long_the_next_time() -> None:
    clock = Clock()
    governor = Governor(clock=clock)
    for wait_s in (60, 120, 240, 480, 960, 960):
        run(governor, clock, 1, throttled=True)
        assert (governor.every, governor.wait_s) == (2, min(wait_s, LONGEST_WAIT_S))
        assert run(governor, clock, wait_s, throttled=False) == 2
        assert run(governor, clock, 1, throttled=False) == 1
        clock.now_s += SLOWER_AFTER_S
    run(governor, clock, int(LONGEST_WAIT_S), throttled=False)
    assert governor.wait_s == FASTER_AFTER_S  # the full rate has lasted


def test_hot_with_hysteresis() -> None:
    clock = Clock()
    governor = Governor(hot_c=85, clock=clock)
    governor.update(reading(cpu=84.9, gpu=60))
    assert governor.every == 1
    clock.now_s += 1
    governor.update(reading(cpu=60, gpu=85))
    assert governor.every == 2
    for _ in range(200):
        clock.now_s += 1
        governor.update(reading(cpu=60, gpu=81))  # neither hot nor cool
    assert governor.every == 2
    for _ in range(int(FASTER_AFTER_S) + 1):
        clock.now_s += 1
        governor.update(reading(cpu=60, gpu=80))
    assert governor.every == 1


def test_a_device_that_says_nothing_is_left_alone() -> None:
    clock = Clock()
    governor = Governor(hot_c=85, clock=clock)
    for _ in range(100):
        clock.now_s += 1
        governor.update(reading(throttled=None))
    assert governor.every == 1


@given(st.lists(st.tuples(st.floats(0.1, 200), st.sampled_from([None, False, True]), st.floats(20, 110)), max_size=300))
def test_whatever_the_device_says(story: list[tuple[float, bool | None, float]]) -> None:
    clock = Clock()
    governor = Governor(hot_c=90, clock=clock)
    slower_s = faster_s = clock.now_s - LONGEST_WAIT_S
    for seconds, throttled, celsius in story:
        before = governor.every
        clock.now_s += seconds
        governor.update(reading(throttled=throttled, tj=celsius))
        step = governor.every - before
        assert 1 <= governor.every <= MOST and abs(step) <= 1
        assert FASTER_AFTER_S <= governor.wait_s <= LONGEST_WAIT_S
        if step > 0:  # only while hot, and not in a hurry
            assert throttled or celsius >= 90
            assert clock.now_s - max(slower_s, faster_s) >= SLOWER_AFTER_S - 1e-6
            slower_s = clock.now_s
        if step < 0:  # only while cool, and after a wait
            assert not throttled and celsius <= 85
            assert clock.now_s - max(slower_s, faster_s) >= FASTER_AFTER_S - 1e-6
            faster_s = clock.now_s
        kept = [governor.leave_out("front") for _ in range(3 * governor.every)].count(None)
        assert 2 <= kept <= 4 or governor.every == 1 == kept / 3  # whatever the position was before the change
