"""What the benchmark is made of."""

from __future__ import annotations

import _thread
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_runtime.bench.charts import round_ticks, shares_chart
from edge_runtime.bench.decoded import Decoded, Exit, OneByOne
from edge_runtime.bench.energy import PowerMeter
from edge_runtime.bench.every_time import EveryTime
from edge_runtime.bench.processor import ForeignThreads
from edge_runtime.bench.rounds import Part, Rounds
from edge_runtime.counters import Counters
from edge_runtime.frame import EndOfStream, Frame, Timeout
from edge_runtime.stages import REMEMBERED
from tests.edge_runtime.conftest import pavement
from tests.edge_runtime.hardware.trees import jetson

NOTHING = np.zeros((1, 1), np.float32)


def test_no_latency_is_forgotten() -> None:
    times = EveryTime()
    for number in range(REMEMBERED + 1):
        times.add("frame", number)
    assert times.all()["frame"][0] == 0 and len(times.all()["frame"]) == REMEMBERED + 1
    before = times.last_s
    times.add("other", 1.0)
    assert before is not None and times.last_s is not None and times.last_s >= before
    assert times.take().keys() == {"frame", "other"} and times.all() == {}


def test_waiting_costs_a_stage_no_processor() -> None:
    times = EveryTime(["busy", "asleep"])
    with times.measure("busy"):
        _be_busy(0.1)
    with times.measure("asleep"):
        time.sleep(0.1)
    with times.measure("other"):
        _be_busy(0.01)
    assert times.processor_s.keys() == {"busy", "asleep"}
    assert times.processor_s["busy"] >= 0.1 > 0.05 > times.processor_s["asleep"]
    assert times.all()["asleep"][0] >= 100
    assert times.all()["other"][0] >= 10


def test_threads_that_python_does_not_know_are_the_engines() -> None:
    there, go, done, end = (threading.Event() for _ in range(4))

    def engine() -> None:
        there.set()
        go.wait(30)
        _be_busy(0.2)
        done.set()
        end.wait(30)

    _thread.start_new_thread(engine, ())
    assert there.wait(30)
    foreign = ForeignThreads()
    known = threading.Thread(target=_be_busy, args=(0.2,))
    known.start()
    known.join()
    assert foreign.used_s() < 0.1
    go.set()
    assert done.wait(30)
    assert foreign.used_s() >= 0.19
    end.set()


def test_host_cpu_is_what_the_engines_do_not_take() -> None:
    rounds = Rounds(
        100, Part(cpu_s=[1.0]), {"throughput": Part(cpu_s=[1.5], engine_cpu_s=[1.2])}, Counters(), Counter(), {}
    )
    assert rounds.host_cpus_ms("throughput") == pytest.approx([3.0])
    assert rounds.cpu_over_bare_ms("throughput") == pytest.approx([5.0])


def _be_busy(processor_s: float) -> None:
    began_s = time.thread_time()
    while time.thread_time() - began_s < processor_s:
        pass


def test_one_by_one_waits_until_the_frame_before_has_left() -> None:
    leaving, counters = Exit(), Counters()
    source = OneByOne([pavement()], 3, leaving, counters)
    first = source.read()
    assert isinstance(first, Frame) and isinstance(source.read(), Timeout)
    leaving.put(first, (), NOTHING)
    second = source.read()
    assert isinstance(second, Frame) and second.sequence == 1
    assert second.captured_monotonic_ns <= time.monotonic_ns()
    assert isinstance(source.read(), Timeout)
    counters.dropped("failed")  # leaves by no exit
    third = source.read()
    assert isinstance(third, Frame) and third.sequence == 2
    leaving.put(third, (), NOTHING)
    assert isinstance(source.read(), EndOfStream)


def test_decoded_frames_take_turns() -> None:
    scenes = [pavement(0), pavement(1)]
    source = Decoded(scenes, 3)
    frames = [source.read() for _ in range(3)]
    assert [frame.image is scenes[number % 2] for number, frame in enumerate(frames) if isinstance(frame, Frame)] == [
        True
    ] * 3
    assert isinstance(source.read(), EndOfStream)


def test_power_of_a_board(tmp_path: Path) -> None:
    meter = PowerMeter(jetson(tmp_path))
    assert meter.watts() == {}
    for _ in range(2):
        with meter:
            pass
    assert meter.watts() == {"VDD_GPU_SOC": pytest.approx(12.27264), "VDD_CPU_CV": pytest.approx(4.60224)}


def test_a_device_that_does_not_say(tmp_path: Path) -> None:
    with PowerMeter(tmp_path) as meter:
        pass
    assert meter.watts() == {}


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_are_few_and_reach_around(low: float, span: float) -> None:
    ticks = round_ticks(low, low + span)
    assert 2 <= len(ticks) <= 9
    slack = 1e-6 * max(1.0, abs(low) + span)
    assert ticks[0] <= low + slack and ticks[-1] >= low + span - slack
    assert ticks == sorted(set(ticks))


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=40))
@example([0.010000000000000002])
def test_shares_rise_from_left_to_right(values: list[float]) -> None:
    chart = shares_chart({"one": values})
    (line,) = chart.series
    assert line.points, "something is drawn"
    for (x, y), (after_x, after_y) in zip(line.points, line.points[1:], strict=False):
        assert after_x >= x - 1e-6 and after_y <= y
