"""Bare engines and whole pipeline measured in turn, in one process, round after round.

eta = frames a second through the pipeline / frames a second of the same engines run back to back; the median over the
rounds, so that what else the machine does hits both alike. The pipeline gets frames that are decoded already, under
`every_frame`; its time runs until the last message is acknowledged.

Scenario `throughput` gives frames as fast as they are taken. `singlestream` is that of MLPerf: the next frame is given
when the last one has left the pipeline; the figure there is the 90th percentile of the latency.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_runtime.bench.bare import BareEngines
from edge_runtime.bench.decoded import Decoded, Exit, OneByOne
from edge_runtime.bench.energy import PowerMeter
from edge_runtime.bench.every_time import EveryTime
from edge_runtime.bench.processor import ForeignThreads
from edge_runtime.bench.rig import Rig
from edge_runtime.camera import Camera
from edge_runtime.counters import Counters
from edge_runtime.pipeline import Pipeline
from edge_runtime.sinks.sink import Deadline, Sink
from fissura.errors import SinkError
from fissura.imaging.images import RgbImage

Scenario = Literal["throughput", "singlestream"]
SCENARIOS: tuple[Scenario, ...] = ("throughput", "singlestream")
WARM_UP = 3
FLUSH_TIMEOUT_S = 60.0


@dataclass
class Part:
    """What one side of the rounds took.

    Attributes:
        wall_s: of each round.
        cpu_s: of all threads, each round.
        engine_cpu_s: of the calls of the engines and of their own threads; all of it, where nothing else is measured.
        latencies_ms: by stage; of the bare engines the stage `engine`.
    """

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    engine_cpu_s: list[float] = field(default_factory=list)
    latencies_ms: dict[str, list[float]] = field(default_factory=dict)

    def took(self, wall_s: float, cpu_s: float, engine_cpu_s: float, latencies_ms: dict[str, list[float]]) -> None:
        """Count a round."""
        self.wall_s.append(wall_s)
        self.cpu_s.append(cpu_s)
        self.engine_cpu_s.append(engine_cpu_s)
        for stage, values in latencies_ms.items():
            self.latencies_ms.setdefault(stage, []).extend(values)


@dataclass
class Rounds:
    """What was measured.

    Attributes:
        frames: of each part of a round.
        engine: the bare engines.
        pipelines: by scenario.
        counters: of all frames of all pipelines.
        sent: what the output did, by name.
        watts: of each supply rail, while the first of the pipelines ran.
    """

    frames: int
    engine: Part
    pipelines: dict[Scenario, Part]
    counters: Counters
    sent: Counter[str]
    watts: dict[str, float]

    def etas(self, scenario: Scenario) -> list[float]:
        """The pipeline's frame rate by the bare engines', each round."""
        return [float(eta) for eta in np.divide(self.engine.wall_s, self.pipelines[scenario].wall_s)]

    def fps(self, part: Part) -> float:
        """Median frame rate."""
        return self.frames / float(np.median(part.wall_s))

    def host_cpus_ms(self, scenario: Scenario) -> list[float]:
        """Processor time of a frame that is not the engines', each round.

        A slow net makes a good eta, this it cannot hide.
        """
        part = self.pipelines[scenario]
        return self._each_ms(np.subtract(part.cpu_s, part.engine_cpu_s))

    def cpu_over_bare_ms(self, scenario: Scenario) -> list[float]:
        """Processor time of a frame beyond that of the bare engines, each round.

        What the rest costs the engine in caches is in it, and what the machine's other guests do to two long runs: the
        small difference of two large figures, which scatters.
        """
        return self._each_ms(np.subtract(self.pipelines[scenario].cpu_s, self.engine.cpu_s))

    def _each_ms(self, seconds: NDArray[np.float64]) -> list[float]:
        return [float(one) / self.frames * 1e3 for one in seconds]


def measure_rounds(
    rig: Rig, scenes: Sequence[RgbImage], scenarios: Iterable[Scenario], *, frames: int, rounds: int
) -> Rounds:
    """Run the rounds, after a few frames to warm up.

    Args:
        rig: what is measured.
        scenes: (H, W, 3) uint8 RGB frames, used in turn.
        scenarios: what follows the bare engines in each round.
        frames: of each part of a round.
        rounds: how many.

    Raises:
        FissuraError: what the pipeline raises; the broker does not acknowledge.
    """
    bare = rig.thread.call(lambda: BareEngines(rig.whole, scenes))
    chosen = [scenario for scenario in SCENARIOS if scenario in scenarios]
    for scenario in chosen:
        _stream(rig, scenes, scenario, WARM_UP, Counters(), Part())
    before = Counter(rig.sink.totals())
    measured = Rounds(frames, Part(), {scenario: Part() for scenario in chosen}, Counters(), Counter(), {})
    meter = PowerMeter()
    for _ in range(rounds):
        _run_bare(rig, bare, frames, measured.engine)
        for scenario, part in measured.pipelines.items():
            with meter if scenario == chosen[0] else nullcontext():
                _stream(rig, scenes, scenario, frames, measured.counters, part)
    measured.watts.update(meter.watts())
    measured.sent.update(rig.sink.totals())
    measured.sent.subtract(before)
    return measured


def _run_bare(rig: Rig, bare: BareEngines, frames: int, part: Part) -> None:
    cpu_s, began_s = time.process_time(), time.perf_counter()
    milliseconds = rig.thread.call(lambda: bare.run(frames))
    wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    part.took(wall_s, cpu_s, cpu_s, {"engine": milliseconds})


def _stream(
    rig: Rig, scenes: Sequence[RgbImage], scenario: Scenario, frames: int, counters: Counters, part: Part
) -> None:
    """One pipeline from its first frame to its last acknowledgement."""
    times = EveryTime(step.stage for step in rig.whole.steps)
    sinks: list[Sink] = [rig.sink]
    source = Decoded(scenes, frames)
    if scenario == "singlestream":
        sinks.append(exit := Exit())
        source = OneByOne(scenes, frames, exit, counters)
    pipeline = Pipeline([Camera(source, "every_frame")], rig.model, rig.thread, sinks, rig.task, counters, times)
    engine_threads = ForeignThreads()
    cpu_s, began_s = time.process_time(), time.perf_counter()
    pipeline.run()
    left_s = time.perf_counter()
    deadline = Deadline(FLUSH_TIMEOUT_S)
    deadline.start()
    rig.sink.flush(deadline)
    flushed_s, cpu_s = time.perf_counter(), time.process_time() - cpu_s
    engine_cpu_s = engine_threads.used_s() + sum(times.processor_s[step.stage] for step in rig.whole.steps)
    if deadline.remaining_s() <= 0:
        raise SinkError("the messages of the benchmark were not acknowledged in a minute")
    # The output tells of each acknowledgement; that it has no more to do it tells later. One that tells nothing of
    # acknowledgements (a file) is done when it is flushed.
    acknowledged_s = rig.sink_times.last_s
    reported = rig.sink_times.take()
    ended_s = flushed_s if acknowledged_s is None or not reported else max(left_s, acknowledged_s)
    stages = times.take()
    stages.pop(Exit.stage, None)
    part.took(ended_s - began_s, cpu_s, engine_cpu_s, stages | reported)
