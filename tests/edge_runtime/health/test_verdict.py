from __future__ import annotations

import pytest

from edge_runtime.counters import Counts
from edge_runtime.health.outbox import OutboxState
from edge_runtime.health.verdict import OUTPUT_HOLD_S, WARM_UP_S, Judge, Verdict
from edge_runtime.spool import SpoolStats
from tests.edge_runtime.health.readings import Clock, counts

NOTHING = SpoolStats(0, 0, 0, {})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def judge(clock: Clock) -> Judge:
    return Judge(frame_limit_s=10, processing_limit_s=30, clock=clock)


def after(judge: Judge, clock: Clock, seconds: float, what: Counts) -> Verdict:
    """The verdict after so many seconds of looking once a second."""
    verdict = judge.look(what)
    for _ in range(int(seconds)):
        clock.now_s += 1
        verdict = judge.look(what)
    return verdict


def test_frames_that_come_and_are_processed_are_well(judge: Judge, clock: Clock) -> None:
    for frame in range(100):
        clock.now_s += 1
        verdict = judge.look(counts(frames=frame, done_age_s=0.02, front=0.01))
        assert (verdict.status, verdict.healthy, verdict.processing) == ("ok", True, True)


@pytest.mark.parametrize(("age_s", "status"), [(9.9, "ok"), (10.1, "failing")])
def test_a_camera_that_fell_silent_is_a_fault_and_no_reason_to_restart(
    judge: Judge, clock: Clock, age_s: float, status: str
) -> None:
    clock.now_s += 100
    verdict = judge.look(counts(frames=5, done_age_s=0.1, front=0.2, rear=age_s))
    assert (verdict.status, verdict.processing) == (status, True)
    assert [problem for problem in verdict.problems if "rear" not in problem] == []


@pytest.mark.parametrize("cameras", [{}, {"front": None}])
def test_before_the_first_frame_the_time_counts_from_the_start(
    judge: Judge, clock: Clock, cameras: dict[str, float | None]
) -> None:
    assert after(judge, clock, 10, counts(**cameras)).status == "ok"
    clock.now_s += 1
    verdict = judge.look(counts(**cameras))
    assert verdict.problems[0].startswith("no frame yet")
    # For ever: a camera that is switched on in the evening must not have caused restarts all day.
    assert after(judge, clock, 300, counts(**cameras)).processing


def test_a_file_that_has_come_to_its_end_may_be_silent(judge: Judge, clock: Clock) -> None:
    clock.now_s += 1000
    assert judge.look(counts(frames=9, done_age_s=0.1, ended=("film",), front=0.3, film=500.0)).healthy
    assert judge.look(counts(frames=9, done_age_s=0.1, ended=("film",), front=0.3, film=None)).healthy
    assert judge.look(counts(frames=9, done_age_s=0.1, ended=("film",), front=11.0, film=500.0)).problems == (
        "no frame from camera front for 11.0 s",
    )


def test_a_camera_that_is_lost_for_good_stays_a_fault(judge: Judge, clock: Clock) -> None:
    clock.now_s += 1000
    verdict = judge.look(counts(frames=9, done_age_s=0.1, lost={"rear": "its stream ended"}, front=0.3, rear=500.0))
    assert verdict.problems == ("camera rear is lost: its stream ended",) and verdict.processing


def test_a_camera_whose_frame_waits_for_room_is_not_silent(judge: Judge, clock: Clock) -> None:
    clock.now_s += 1000  # a network that takes longer for a frame than the camera may be silent
    assert judge.look(counts(frames=9, done_age_s=15, waits=("front",), front=20.0)).healthy
    verdict = after(judge, clock, 40, counts(frames=9, done_age_s=60, waits=("front",), front=50.0))
    assert verdict.problems[0].startswith("frames arrive and none was processed") and not verdict.processing


@pytest.mark.parametrize("full_queue", [False, True])
def test_an_engine_that_stalls_is_a_fault_and_a_reason_to_restart(judge: Judge, clock: Clock, full_queue: bool) -> None:
    judge.look(counts(frames=7, done_age_s=0.1, front=0.2))
    for second in range(1, 40):
        clock.now_s += 1
        # A queue that is full keeps its camera waiting: the last frame arrived just after the last one was finished.
        arrived_s = second - 0.05 if full_queue else 0.03
        verdict = judge.look(counts(frames=7, done_age_s=second + 0.1, drops={"superseded": second}, front=arrived_s))
        assert verdict.processing == (second <= 31), second
    assert any("none was processed" in problem for problem in verdict.problems)


@pytest.mark.parametrize("camera_dies", [True, False])
def test_a_camera_that_dies_with_a_frame_that_was_left_out_is_no_stall(
    judge: Judge, clock: Clock, camera_dies: bool
) -> None:
    judge.look(counts(frames=7, done_age_s=0.1, drops={"throttled": 20}, front=0.05))
    for second in range(1, 60):
        clock.now_s += 1
        left_out = 21 if camera_dies else 20 + second
        arrived_s = second - 0.95 if camera_dies else 0.05
        verdict = judge.look(counts(frames=7, done_age_s=second + 0.1, drops={"throttled": left_out}, front=arrived_s))
        assert verdict.processing == (camera_dies or second <= 31), second


def test_frames_that_all_fail_are_a_stall_too(judge: Judge, clock: Clock) -> None:
    judge.look(counts(frames=7, done_age_s=0.1, front=0.2))
    verdict = after(judge, clock, 40, counts(frames=7, done_age_s=41, drops={"failed": 400}, front=0.03))
    assert not verdict.processing
    assert verdict.problems[0].endswith("400 failed")


def test_a_camera_that_comes_back_after_an_hour_is_no_stall(judge: Judge, clock: Clock) -> None:
    judge.look(counts(frames=7, done_age_s=0.1, front=0.2))
    clock.now_s += 3600
    assert judge.look(counts(frames=7, done_age_s=3600.1, front=3600.2)).processing
    clock.now_s += 1
    assert judge.look(counts(frames=7, done_age_s=3601.1, front=0.01)).healthy


def test_the_first_frame_may_take_longer(judge: Judge, clock: Clock) -> None:
    assert after(judge, clock, WARM_UP_S, counts(front=0.1)).processing
    assert not after(judge, clock, 1, counts(front=0.1)).processing


def test_paused_is_well_and_says_so_and_resuming_has_its_time(judge: Judge, clock: Clock) -> None:
    verdict = after(judge, clock, 500, counts(frames=3, done_age_s=400, paused=True, front=300.0))
    assert (verdict.status, verdict.healthy, verdict.processing) == ("paused", True, True)
    clock.now_s += 1
    assert judge.look(counts(frames=3, done_age_s=401, front=301.0)).status == "ok"
    clock.now_s += 10
    assert judge.look(counts(frames=3, done_age_s=411, front=311.0)).status == "failing"


def test_a_broker_out_of_reach_is_normal_on_a_vehicle(judge: Judge) -> None:
    verdict = judge.look(counts(front=0.1), [OutboxState(NOTHING, False, None)])
    assert (verdict.status, verdict.healthy, verdict.degraded) == ("degraded", True, ("the broker is out of reach",))


def test_a_store_that_cannot_be_written_is_a_fault(judge: Judge) -> None:
    verdict = judge.look(counts(front=0.1), [OutboxState(NOTHING, True, "disk full")])
    assert (verdict.status, verdict.problems, verdict.processing) == ("failing", ("disk full",), True)


def test_an_output_that_refused_a_frame_is_a_fault_for_a_while(judge: Judge, clock: Clock) -> None:
    assert judge.look(counts(front=0.1)).healthy
    refused = counts(frames=1, done_age_s=0.1, front=0.1, sink_errors={"spool": 1})
    assert judge.look(refused).problems == ("output spool refuses frames",)
    clock.now_s += OUTPUT_HOLD_S - 1
    assert not judge.look(refused).healthy
    clock.now_s += 1
    assert judge.look(refused).healthy
