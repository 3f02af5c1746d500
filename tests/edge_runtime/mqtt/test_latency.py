from __future__ import annotations

from edge_runtime.mqtt.latency import REMEMBERED, STAGE, CaptureToAck
from edge_runtime.stages import StageTimes


def test_the_latency_is_taken_once_and_only_of_messages_that_it_knows() -> None:
    times = StageTimes()
    latency = CaptureToAck(times)
    latency.captured(["a", "b", "c"], 1_000_000)
    latency.delivered([("b", 8_500_000), ("of an earlier run", 9_000_000), ("c", 8_000_000)])
    latency.delivered([("b", 9_000_000)])
    assert times.all() == {STAGE: [7.5, 7.0]}


def test_what_it_remembers_is_bounded() -> None:
    times = StageTimes()
    latency = CaptureToAck(times)
    for n in range(REMEMBERED + 10):
        latency.captured([str(n)], n)
    for n in range(REMEMBERED + 10):
        latency.delivered([(str(n), n + 1_000_000)])
    assert len(latency._captured_ns) == 0
    assert STAGE in times.all()
    latency.captured(map(str, range(2 * REMEMBERED)), 0)
    assert len(latency._captured_ns) == REMEMBERED
