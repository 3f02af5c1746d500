"""Camera frames in, crack detections out: cameras -> slots -> engine -> cracks -> sinks.

A thread reads each camera, one runs the engine (`edge_runtime.stream`), the caller's thread does the rest. An exception
of one frame costs that frame: it is counted by its cause and the pipeline goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from edge_runtime.arrivals import Arrivals
from edge_runtime.budget import FrameBudget
from edge_runtime.camera import Camera, check_names
from edge_runtime.counters import Counters
from edge_runtime.crack_finder import CrackFinder
from edge_runtime.engine_thread import EngineThread
from edge_runtime.error_words import in_words
from edge_runtime.latest import Latest
from edge_runtime.model import Model
from edge_runtime.outputs import Outputs
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.reader import Reader, keep_all
from edge_runtime.sinks.sink import Deadline, Sink
from edge_runtime.stages import StageTimes
from edge_runtime.stream import Inferred, Stream
from edge_runtime.tap import Finished, Tap
from edge_runtime.task import Task
from fissura.errors import EngineError, FissuraError, SinkError, SourceError

logger = logging.getLogger(__name__)

POLL_S = 0.25  # how soon a signal is noticed while no frame comes
READER_TIMEOUT_S = 2.0
ENGINE_PATIENCE_S = 30.0  # for the frame in hand at the end, and five times what a frame takes where that is more
PROGRESS_S = 10.0


class Pipeline:
    """Runs cameras through a model into sinks, once.

    Args:
        cameras: give the frames; their sources stay open.
        model: what looks at them, built in `thread`, where it is to run.
        thread: the engine's; stays open.
        sinks: take the detections; stay open.
        task: what to look for.
        counters: where frames, drops and detections are counted.
        times: where the stages' latencies go.
        budget: of a frame; the inference's own, which has to know when a frame starts and ends.
        leave_out: asked, with the camera's name, for each frame of a live one: why it is left out, or None.

    Attributes:
        failure: what `fail` was called with.
        latest: the newest frame of each camera that was looked at.
        tap: the newest frame as the model left it, for whoever watches the model.
        hung: cameras whose source hangs in a read after the run: closing it now could crash.
        engine_hangs: the engine did not come back from a frame: nothing can be asked of its thread any more.
    """

    def __init__(
        self,
        cameras: Sequence[Camera],
        model: Model,
        thread: EngineThread,
        sinks: Sequence[Sink],
        task: Task,
        counters: Counters,
        times: StageTimes,
        budget: FrameBudget | None = None,
        leave_out: Callable[[str], str | None] = keep_all,
    ) -> None:
        check_names(cameras)
        self._model = model
        self._thread = thread
        self._outputs = Outputs(sinks, counters, times)
        self._finder = CrackFinder(task, times)
        self._counters = counters
        self._times = times
        self._budget = budget
        self._paused = threading.Event()
        self._arrivals = Arrivals(cameras)
        self._readers = [
            Reader(camera, slot, counters, lambda name: "paused" if self._paused.is_set() else leave_out(name))
            for camera, slot in zip(cameras, self._arrivals.slots, strict=True)
        ]
        self._cameras = cameras
        self._stream = Stream(self._arrivals, thread, lambda: self._model, times, budget, self._paused)
        self._log = RateLimitedLog(logger)
        self._last_error: Exception | None = None
        self._next_progress_s = time.monotonic() + PROGRESS_S
        self._stopping = False
        self._hurried = False
        self.engine_hangs = False
        self.failure: FissuraError | None = None
        self.latest = Latest(camera.name for camera in cameras)
        self.tap = Tap()
        self.hung: list[Camera] = []

    def run(self, max_frames: int | None = None) -> None:
        """Process frames until every source ends, `max_frames` are done, or `stop` is called.

        Raises:
            SourceError: a source failed, or none gave anything that could be read.
            FissuraError: what `fail` was called with, or the cause if no frame at all could be processed, or if an
                output refused every frame.
        """
        for reader in self._readers:
            reader.start()
        self._stream.start(max_frames)
        done = 0
        try:
            while not (self._stopping or self._stream.ended):
                inferred = self._stream.get(POLL_S)
                if inferred is not None:
                    self._finish(inferred)
                    done += 1
                self._report_progress()
        finally:
            self._wind_up()
        if self.failure is not None:
            raise self.failure
        self._stream.check()
        if not self._stopping:
            self._check_outcome(sources_ended=done != max_frames)
        self._outputs.check()

    def stop(self) -> None:
        """End after the frames in hand. May be called from a signal handler or another thread."""
        self._stopping = True

    def fail(self, error: FissuraError) -> None:
        """End after the frames in hand; `run` then raises the error. May be called from another thread."""
        self.failure = error
        self._stopping = True

    def pause(self, yes: bool) -> None:
        """Leave frames out from now on, or no longer: a live camera's are dropped, others wait."""
        if yes:
            self._paused.set()
        self._empty_live_slots()  # what waits there would be old news after the pause
        if not yes:
            self._paused.clear()
        self._counters.paused(yes)

    @property
    def model(self) -> Model:
        """What frames are given to that are begun from now on."""
        return self._model

    def use(self, model: Model) -> None:
        """Look at frames that are begun from now on with another model; no frame is lost by it.

        The model before is closed if nothing of it is in the new one. While a stream runs, this returns when the new
        one has taken over.
        """
        if model.inference is self._model.inference:
            self._model = model
        else:
            self._thread.call(lambda: self._take_over(model))

    def _take_over(self, model: Model) -> None:
        """In the engine's thread, between two frames; what comes out of the old engine is not its memory."""
        before, self._model = self._model, model
        try:
            before.inference.close()
        except Exception:  # the new one runs: what the old one left behind is no reason to go back
            logger.exception("the engine of %s could not be closed", before.stamp.name)

    def hurry(self) -> None:
        """Wait no longer for an engine that hangs. May be called from a signal handler."""
        self._hurried = True

    def _empty_live_slots(self) -> None:
        for camera, slot in zip(self._cameras, self._arrivals.slots, strict=True):
            while camera.source.live and slot.take() is not None:
                self._counters.dropped("paused", 1, camera.name)

    def _wind_up(self) -> None:
        """Bring the frames in hand to their end, and the threads to theirs."""
        for reader in self._readers:
            reader.ask_to_stop()
        self._stream.stop()
        patience_s = max(ENGINE_PATIENCE_S, 5e-3 * self._times.medians().get("frame", 0.0))
        deadline = time.monotonic() + patience_s
        while not self._stream.ended:
            if (inferred := self._stream.get(POLL_S)) is not None:
                self._finish(inferred)
            elif not self._stream.ended and (self._hurried or time.monotonic() > deadline):
                self.engine_hangs = True
                self.failure = self.failure or EngineError("the engine hangs: it did not finish the frame in hand")
                break
        for found in self._finder.finish():
            self._outputs.tell(found)
        for name, frames in self._arrivals.waiting().items():
            self._counters.dropped("stopped", frames, name)
        limit_s = time.monotonic() + READER_TIMEOUT_S
        for camera, reader in zip(self._cameras, self._readers, strict=True):
            if not reader.join(max(0.0, limit_s - time.monotonic())):
                self.hung.append(camera)
        self._finder.report()

    def _report_progress(self) -> None:
        now = time.monotonic()
        if now >= self._next_progress_s:
            self._next_progress_s = now + PROGRESS_S
            counts = self._counters.snapshot()
            logger.info(
                "%d frames, %.1f a second, %d detections", counts.frames, counts.frames_per_second, counts.detections
            )

    def _finish(self, inferred: Inferred) -> None:
        frame = inferred.frame
        try:
            if inferred.error is not None:
                raise inferred.error
            self._look(inferred)
        except Exception as error:
            self._last_error = error
            self._counters.dropped("failed", source=inferred.camera.name)
            self._log.warning("failed", f"frame {frame.sequence} {frame.name or ''} failed: {in_words(error)}")
        else:
            milliseconds = (time.perf_counter_ns() - inferred.began_ns) / 1e6
            self._times.add("frame", milliseconds)
            assert inferred.probability is not None  # or there was an error
            engine_ms = (inferred.inferred_ns - inferred.began_ns) / 1e6
            self.tap.put(
                Finished(frame.image, inferred.probability, inferred.model, inferred.began_ns, milliseconds, engine_ms)
            )
            if self._budget is not None:
                self._budget.finish(inferred.inferred_s)
        finally:
            self._stream.done(inferred)

    def _look(self, inferred: Inferred) -> None:
        if inferred.tiles is not None:
            self._counters.tiles_done(inferred.tiles.proposed, inferred.tiles.refined)
        found = self._finder.find(inferred)
        self._counters.frame_done(len(found.seen), inferred.camera.name)
        self.latest.put(inferred.camera.name, found.frame, found.seen, found.probability)
        self._outputs.give(found)

    def _check_outcome(self, *, sources_ended: bool) -> None:
        failures = [reader.failure for reader in self._readers if reader.failure is not None]
        if failures and sources_ended:
            raise failures[0]
        if self._counters.snapshot().frames:
            return
        if self._last_error is not None:
            if isinstance(self._last_error, FissuraError):
                raise self._last_error
            raise EngineError(f"no frame could be processed: {in_words(self._last_error)}") from self._last_error
        for reader in self._readers:
            if reader.last_unreadable is not None:
                raise SourceError(f"no frame could be read; the last: {reader.last_unreadable.found}")
        raise SourceError("the source ended before its first frame")


def run_to_end(
    pipeline: Pipeline,
    sinks: Sequence[Sink],
    deadline: Deadline,
    max_frames: int | None = None,
    ending: Callable[[], None] = lambda: None,
) -> None:
    """Run a pipeline, then flush and close every output, also after an error.

    Args:
        pipeline: to run.
        sinks: its outputs.
        deadline: of the flush.
        max_frames: end after so many.
        ending: called when the last frame is done, before the flush.

    Raises:
        FissuraError: the first of the errors, after all outputs are closed.
    """
    errors: list[FissuraError] = []
    with _collecting(errors):
        pipeline.run(max_frames)
    ending()
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
