"""Camera frames in, crack detections out: source -> slot -> inference -> cracks -> sinks.

One thread reads the source, the caller's thread does the rest. An exception of one frame costs that frame: it is
counted by its cause and the pipeline goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from edge_runtime.budget import FrameBudget
from edge_runtime.counters import Counters
from edge_runtime.frame import Frame
from edge_runtime.fusion import FusionConfig, TemporalFusion
from edge_runtime.inference import Inference
from edge_runtime.masks import Region
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.reader import Reader
from edge_runtime.sinks.sink import Deadline, Sink
from edge_runtime.slot import FrameSlot, Policy
from edge_runtime.sources.source import Source
from edge_runtime.stages import StageTimes
from fissura.errors import EngineError, FissuraError, SinkError, SourceError
from fissura.imaging.decode import MIN_LENGTH_PX, Crack, find_cracks
from fissura.imaging.hysteresis import low_for
from fissura.messages import Detection, ModelStamp

logger = logging.getLogger(__name__)

POLL_S = 0.1  # how soon a signal is noticed while no frame comes
READER_TIMEOUT_S = 2.0
PROGRESS_S = 10.0


@dataclass(frozen=True)
class Task:
    """What to look for, and what to say about it.

    Attributes:
        serial: of the device.
        mission_id: of the run.
        model: stamp of every detection; its threshold decides what is crack. The bundle's low threshold, where it has
            one, moves along; see `fissura.imaging.hysteresis.low_for`.
        region: where to look; None: everywhere.
        gsd_mm_per_px: ground sampling distance, where the frame does not bring its own.
        min_length_px: shorter cracks are left out; camera-frame pixels.
        fusion: how successive frames are fused; None: each stands alone.
    """

    serial: str
    mission_id: str
    model: ModelStamp
    region: Region | None = None
    gsd_mm_per_px: float | None = None
    min_length_px: float = MIN_LENGTH_PX
    fusion: FusionConfig | None = None


class Pipeline:
    """Runs a source through a model into sinks, once.

    Args:
        source: gives the frames; stays open.
        inference: finds the crack probability.
        sinks: take the detections; stay open.
        task: what to look for.
        policy: `latest` or `every_frame`.
        counters: where frames, drops and detections are counted.
        times: where the stages' latencies go.
        budget: of a frame; the inference's own, which has to know when a frame starts and ends.

    Attributes:
        failure: what `fail` was called with.
        source_is_free: False after a run whose source hangs in a read: closing it now could crash.
    """

    def __init__(
        self,
        source: Source,
        inference: Inference,
        sinks: Sequence[Sink],
        task: Task,
        policy: Policy,
        counters: Counters,
        times: StageTimes,
        budget: FrameBudget | None = None,
    ) -> None:
        self._inference = inference
        low = inference.low_threshold
        self._low_threshold = None if low is None else low_for(inference.threshold, low, task.model.threshold)
        self._budget = budget
        self._fusion = None if task.fusion is None else TemporalFusion(task.fusion, inference.scale)
        self._sinks = sinks
        self._task = task
        self._counters = counters
        self._times = times
        self._slot = FrameSlot(policy)
        self._reader = Reader(source, self._slot, counters)
        self._log = RateLimitedLog(logger)
        self._last_error: Exception | None = None
        # By output, and whether the frame had a crack: what became of the frames that the output was given.
        self._taken: set[tuple[Sink, bool]] = set()
        self._refused: dict[tuple[Sink, bool], Exception] = {}
        self._next_progress_s = time.monotonic() + PROGRESS_S
        self._stopping = False
        self.failure: FissuraError | None = None
        self.source_is_free = True

    def run(self, max_frames: int | None = None) -> None:
        """Process frames until the source ends, `max_frames` are done, or `stop` is called.

        Raises:
            SourceError: the source failed, or gave nothing that could be read.
            FissuraError: what `fail` was called with, or the cause if no frame at all could be processed, or if an
                output refused every frame.
        """
        left = max_frames
        self._reader.start()
        try:
            while not (self._stopping or self._slot.exhausted or left == 0):
                frame = self._slot.get(POLL_S)
                if frame is not None:
                    self._process(frame)
                    left = None if left is None else left - 1
                    self._report_progress()
        finally:
            self.source_is_free = self._reader.stop(READER_TIMEOUT_S)
            self._counters.dropped("stopped", len(self._slot))
            if self._fusion is not None:
                logger.info("fused %d frames, %d stood alone", self._fusion.joined, self._fusion.alone)
        if self.failure is not None:
            raise self.failure
        if not self._stopping:
            self._check_outcome(source_ended=left != 0)
        self._check_outputs()

    def stop(self) -> None:
        """End after the frame in hand. May be called from a signal handler or another thread."""
        self._stopping = True

    def fail(self, error: FissuraError) -> None:
        """End after the frame in hand; `run` then raises the error. May be called from another thread."""
        self.failure = error
        self._stopping = True

    def _report_progress(self) -> None:
        now = time.monotonic()
        if now >= self._next_progress_s:
            self._next_progress_s = now + PROGRESS_S
            counts = self._counters.snapshot()
            logger.info(
                "%d frames, %.1f a second, %d detections", counts.frames, counts.frames_per_second, counts.detections
            )

    def _process(self, frame: Frame) -> None:
        if self._budget is not None:
            self._budget.start()
        try:
            with self._times.measure("frame"):
                self._detect(frame)
        except Exception as error:
            self._last_error = error
            self._counters.dropped("failed")
            self._log.warning("failed", f"frame {frame.sequence} {frame.name or ''} failed: {_words(error)}")
        else:
            if self._budget is not None:
                self._budget.finish()

    def _detect(self, frame: Frame) -> None:
        task = self._task
        if frame.gsd_mm_per_px is None and task.gsd_mm_per_px is not None:
            frame = replace(frame, gsd_mm_per_px=task.gsd_mm_per_px)
        keep = task.region.for_frame(*frame.image.shape[:2]) if task.region else None
        probability = self._inference.run(frame.image, self._times)
        if self._budget is not None:
            self._budget.inference_done()
        if (tiles := self._inference.tiles) is not None:
            self._counters.tiles_done(tiles.proposed, tiles.refined)
        low_threshold = self._low_threshold
        if self._fusion is not None:
            with self._times.measure("fuse"):
                probability = self._fusion.update(
                    frame.image, probability, task.model.threshold, keep, low_threshold=low_threshold
                )
            low_threshold = None  # the fused map has it in it
        with self._times.measure("decode"):
            cracks = find_cracks(
                probability,
                threshold=task.model.threshold,
                low_threshold=low_threshold,
                temperature=self._inference.temperature,
                scale=self._inference.scale,
                gsd_mm_per_px=frame.gsd_mm_per_px,
                min_length_px=task.min_length_px,
                keep=keep,
            )
            detections = self._detections(frame, cracks)
        self._counters.frame_done(len(detections))
        for sink in self._sinks:
            self._give(sink, frame, detections, probability)

    def _detections(self, frame: Frame, cracks: Sequence[Crack]) -> list[Detection]:
        stamp, now, task = frame.stamp(), datetime.now(timezone.utc), self._task
        return [
            Detection(
                serial=task.serial,
                sent_utc=now,
                event_id=uuid4(),
                phase="new",
                mission_id=task.mission_id,
                frame=stamp,
                crack=crack.geometry,
                confidence=crack.confidence,
                model=task.model,
            )
            for crack in cracks
        ]

    def _give(
        self, sink: Sink, frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32]
    ) -> None:
        """One output that fails must not keep the others from theirs."""
        try:
            with self._times.measure(sink.stage):
                sink.put(frame, detections, probability)
            self._taken.add((sink, bool(detections)))
        except Exception as error:
            self._refused[sink, bool(detections)] = error
            self._counters.sink_failed(sink.stage)
            self._log.warning(
                f"sink {sink.stage}", f"frame {frame.sequence} did not reach {sink.stage}: {_words(error)}"
            )

    def _check_outcome(self, *, source_ended: bool) -> None:
        if self._reader.failure is not None and source_ended:
            raise self._reader.failure
        if self._counters.snapshot().frames:
            return
        if self._last_error is not None:
            if isinstance(self._last_error, FissuraError):
                raise self._last_error
            raise EngineError(f"no frame could be processed: {_words(self._last_error)}") from self._last_error
        if self._reader.last_unreadable is not None:
            raise SourceError(f"no frame could be read; the last: {self._reader.last_unreadable.found}")
        raise SourceError("the source ended before its first frame")

    def _check_outputs(self) -> None:
        """An output that lost all it was for is an error, also where the others have it."""
        # Most outputs pass over frames without a crack, however broken they are: those tell something only
        # where there are no others.
        crack = self._counters.snapshot().detections > 0
        for sink in self._sinks:
            error = self._refused.get((sink, crack))
            if error is None or (sink, crack) in self._taken:
                continue
            if isinstance(error, FissuraError):
                raise error
            raise SinkError(f"no frame reached {sink.stage}: {_words(error)}") from error


def _words(error: Exception) -> str:
    """An error in one line; one of ours speaks for itself."""
    return error.found if isinstance(error, FissuraError) else f"{type(error).__name__}: {error}"


def run_to_end(pipeline: Pipeline, sinks: Sequence[Sink], deadline: Deadline, max_frames: int | None = None) -> None:
    """Run a pipeline, then flush and close every output, also after an error.

    Raises:
        FissuraError: the first of the errors, after all outputs are closed.
    """
    errors: list[FissuraError] = []
    with _collecting(errors):
        pipeline.run(max_frames)
    deadline.start()
    for sink in sinks:
        with _collecting(errors):
            sink.flush(deadline)
    if pipeline.failure is not None:  # the broker may refuse as late as during the flush
        errors.append(pipeline.failure)
    for sink in sinks:
        with _collecting(errors):
            sink.close(errors[0] if errors else None)
    if errors:
        raise errors[0]


@contextmanager
def _collecting(errors: list[FissuraError]) -> Iterator[None]:
    """Note an error instead of raising it."""
    try:
        yield
    except FissuraError as error:
        errors.append(error)
    except OSError as error:
        errors.append(SinkError(f"an output could not be finished: {error}"))
