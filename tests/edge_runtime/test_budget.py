"""The time of a frame is held, whatever a tile turns out to cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.budget import FrameBudget, TileCost


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_ms(self, milliseconds: float) -> None:
        self.now += milliseconds / 1e3


def test_what_comes_after_the_inference_is_held_back_from_the_second_frame_on() -> None:
    clock = Clock()
    budget = FrameBudget(100, clock)
    for expected in (100, 70):
        budget.start()
        assert abs(budget.left_ms() - expected) < 1e-6
        clock.pass_ms(20)
        assert abs(budget.left_ms() - (expected - 20)) < 1e-6
        inferred_s = clock()
        clock.pass_ms(30)
        budget.finish(inferred_s)


@given(st.lists(st.tuples(st.floats(0.1, 1e3), st.integers(1, 16)), min_size=1, max_size=50), st.floats(-50, 1e4))
def test_never_more_tiles_than_the_mean_cost_allows(samples: list[tuple[float, int]], left_ms: float) -> None:
    cost = TileCost()
    assert cost.affordable(left_ms) == (1 if left_ms > 0 else 0)
    for milliseconds, tiles in samples:
        cost.add(milliseconds, tiles)
    cheapest = min(milliseconds / tiles for milliseconds, tiles in samples)
    assert 0 <= cost.affordable(left_ms) * cheapest <= max(0.0, left_ms) * (1 + 1e-9)


def test_the_cost_follows_the_device() -> None:
    cost = TileCost()
    for _ in range(50):
        cost.add(40, 4)
    assert 9 <= cost.affordable(100) <= 10
    for _ in range(50):  # throttled to half the speed
        cost.add(80, 4)
    assert cost.affordable(100) == 4


def test_one_slow_start_does_not_rule_for_ever() -> None:
    cost = TileCost()
    cost.add(90, 1)  # the engine made itself ready
    frames = 0
    while not cost.affordable(60):
        cost.starved()
        frames += 1
        assert frames < 60
    cost.add(30, 1)
    assert frames > 5
