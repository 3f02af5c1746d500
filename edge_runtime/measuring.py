"""Bare engine and whole pipeline measured in turn, in one process, pair after pair.

eta = frames a second through the pipeline / frames a second of the same engines run back to back; the median over the
pairs, so that what else the machine does hits both alike. The pipeline gets frames that are decoded already, under
`every_frame`; its time runs until the last message is acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edge_runtime.counters import Counters
from edge_runtime.frame import EndOfStream, Frame, Timeout
from edge_runtime.pipeline import Pipeline, Task
from edge_runtime.sinks.sink import Deadline, Sink
from edge_runtime.sources.source import Source
from edge_runtime.stages import StageTimes
from edge_runtime.step import to_uint8
from edge_runtime.whole_frame import WholeFrame
from fissura.config import Config
from fissura.errors import SinkError
from fissura.imaging.encode import encode
from fissura.imaging.images import RgbImage

WARM_UP = 3
FLUSH_TIMEOUT_S = 60.0

Batch = NDArray[np.uint8]


@dataclass
class Pairs:
    """What was measured.

    Attributes:
        frames: of each half of a pair.
        engine_s: wall time of the engine's half of each pair.
        pipeline_s: wall time of the pipeline's half.
        engine_ms: of each frame in the bare engine.
        engine_cpu_s: processor time of all threads, all pairs.
        pipeline_cpu_s: the same of the pipeline.
    """

    frames: int
    engine_s: list[float] = field(default_factory=list)
    pipeline_s: list[float] = field(default_factory=list)
    engine_ms: list[float] = field(default_factory=list)
    engine_cpu_s: float = 0.0
    pipeline_cpu_s: float = 0.0

    @property
    def eta(self) -> float:
        """The pipeline's frame rate by the bare engine's."""
        return float(np.median(np.divide(self.engine_s, self.pipeline_s)))

    @property
    def engine_fps(self) -> float:
        """Median frame rate of the bare engine."""
        return self.frames / float(np.median(self.engine_s))

    @property
    def end_to_end_fps(self) -> float:
        """Median frame rate of the pipeline."""
        return self.frames / float(np.median(self.pipeline_s))

    @property
    def host_cpu_ms(self) -> float:
        """Processor time of a frame that is not the engine's: a slow net makes a good eta, this it cannot hide."""
        return (self.pipeline_cpu_s - self.engine_cpu_s) / (self.frames * len(self.engine_s)) * 1e3


def warm_up(whole: WholeFrame, scenes: Sequence[RgbImage], sink: Sink, task: Task) -> None:
    """Run a few frames through engines, pipeline and sink, so that none of them is measured at its first steps."""
    source = Decoded(scenes, WARM_UP)
    _run_pipeline(Pipeline(source, whole, [sink], task, "every_frame", Counters(), StageTimes()), sink)


def measure_pairs(
    whole: WholeFrame,
    scenes: Sequence[RgbImage],
    sink: Sink,
    task: Task,
    counters: Counters,
    times: StageTimes,
    *,
    frames: int,
    pairs: int,
) -> Pairs:
    """Run the pairs; `warm_up` comes before.

    Args:
        whole: the engines.
        scenes: (H, W, 3) uint8 RGB frames, used in turn.
        sink: takes the detections; is flushed in each pair and stays open.
        task: for the pipeline.
        counters: count the pipeline's frames.
        times: get the pipeline's latencies.
        frames: of each half of a pair.
        pairs: how many.

    Raises:
        FissuraError: what the pipeline raises.
    """
    measured = Pairs(frames)
    batches = [_batches(whole, scene) for scene in scenes]
    for _ in range(pairs):
        _run_engines(whole, batches, measured)
        source = Decoded(scenes, frames)
        pipeline = Pipeline(source, whole, [sink], task, "every_frame", counters, times)
        cpu_s, began_s = time.process_time(), time.perf_counter()
        _run_pipeline(pipeline, sink)
        measured.pipeline_s.append(time.perf_counter() - began_s)
        measured.pipeline_cpu_s += time.process_time() - cpu_s
    return measured


class Decoded(Source):
    """Frames that lie in memory."""

    config_class: ClassVar[type[Config]] = Config
    live: ClassVar[bool] = False

    def __init__(self, scenes: Sequence[RgbImage], count: int) -> None:
        self._scenes = scenes
        self._count = count
        self._sequence = 0

    def read(self) -> Frame | Timeout | EndOfStream:
        sequence = self._sequence
        if sequence == self._count:
            return EndOfStream()
        self._sequence += 1
        return Frame(
            image=self._scenes[sequence % len(self._scenes)],
            captured_monotonic_ns=time.monotonic_ns(),
            captured_utc=datetime.now(timezone.utc),
            clock_quality="unsynchronised",
            sequence=sequence,
            source="decoded",
        )

    def close(self) -> None:
        pass


def _batches(whole: WholeFrame, scene: RgbImage) -> list[Batch]:
    """What each engine is fed with for a scene, made beforehand."""
    batches, image = [], scene
    for step in whole.steps:
        batch, _ = encode(image, step.graph.input)
        batches.append(batch.copy())
        if step is not whole.steps[-1]:
            image = to_uint8(step.run(image, StageTimes()))
    return batches


def _run_engines(whole: WholeFrame, batches: Sequence[Sequence[Batch]], measured: Pairs) -> None:
    cpu_s, began_s = time.process_time(), time.perf_counter()
    for index in range(measured.frames):
        frame_s = time.perf_counter()
        for step, batch in zip(whole.steps, batches[index % len(batches)], strict=True):
            step.engine.run(batch)
        measured.engine_ms.append((time.perf_counter() - frame_s) * 1e3)
    measured.engine_s.append(time.perf_counter() - began_s)
    measured.engine_cpu_s += time.process_time() - cpu_s


def _run_pipeline(pipeline: Pipeline, sink: Sink) -> None:
    pipeline.run()
    deadline = Deadline(FLUSH_TIMEOUT_S)
    deadline.start()
    sink.flush(deadline)
    if deadline.remaining_s() <= 0:
        raise SinkError("the messages of the benchmark were not acknowledged in a minute")
