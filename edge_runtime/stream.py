"""The engine's half of the pipeline: waiting frames -> encode -> engine -> probability maps, up to two in flight.

While the caller's thread finds the cracks of one frame, the engine is in the next one already. What an engine is given
and what it has been given before is never more than the frames in flight: a slow output makes cameras drop frames,
not memory grow.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from edge_runtime.arrivals import Arrival, Arrivals
from edge_runtime.budget import FrameBudget
from edge_runtime.camera import Camera
from edge_runtime.engine_thread import EngineThread
from edge_runtime.frame import Frame
from edge_runtime.model import Model
from edge_runtime.stages import StageTimes
from edge_runtime.tiles import TileCounts
from fissura.errors import EngineError

IN_FLIGHT = 2  # batches: one in the engine, one whose cracks are looked for
MOST_AT_ONCE = 4  # frames of a batch
POLL_S = 0.1


@dataclass(frozen=True)
class Inferred:
    """What the engine made of a frame.

    Attributes:
        camera: that took it.
        frame: the frame.
        model: that it was given to.
        probability: (H*s, W*s) float32; None where it failed.
        error: why it failed.
        tiles: what became of its tiles, in modes that have them.
        began_ns: when it was taken, by `time.perf_counter_ns`.
        inferred_ns: when the map was there, by the same clock.
        inferred_s: the same by the budget's clock; 0 without a budget.
        last: the last of its batch: whoever is done with it makes room for another batch.
    """

    camera: Camera
    frame: Frame
    model: Model
    probability: NDArray[np.float32] | None
    error: Exception | None
    tiles: TileCounts | None
    began_ns: int
    inferred_ns: int
    inferred_s: float
    last: bool


class Stream:
    """Runs frames through the model of the moment, on the engine's thread.

    Args:
        arrivals: where frames wait.
        thread: the engine's.
        model: of the moment; asked before each batch.
        times: where the stages' latencies go.
        budget: of a frame; the inference's own, which has to know when a frame starts.
        paused: while True no frame is taken.
    """

    def __init__(
        self,
        arrivals: Arrivals,
        thread: EngineThread,
        model: Callable[[], Model],
        times: StageTimes,
        budget: FrameBudget | None,
        paused: threading.Event,
    ) -> None:
        self._arrivals = arrivals
        self._thread = thread
        self._model = model
        self._times = times
        self._budget = budget
        self._paused = paused
        self._room: SimpleQueue[None] = SimpleQueue()  # a token each; `threading.Semaphore` is Python code
        for _ in range(IN_FLIGHT):
            self._room.put(None)
        self._found: SimpleQueue[Inferred | None] = SimpleQueue()  # None, the last: there will be no more
        self._stopping = False
        self._ended = False
        self._running: Future[None] | None = None

    def start(self, max_frames: int | None = None) -> None:
        """Begin, and end by itself when no more frames will come or `max_frames` were taken."""
        self._running = self._thread.start(lambda: self._run(max_frames))

    def stop(self) -> None:
        """End after the batch in hand."""
        self._stopping = True
        self._arrivals.wake()

    def get(self, timeout_s: float) -> Inferred | None:
        """The next frame in the order of the engine; None when there is none within the time, or the end has come."""
        try:
            return self._found.get(timeout=timeout_s)
        except Empty:
            return None

    def check(self) -> None:
        """After the end: raise what ended it, where that was not the last frame.

        Raises:
            EngineError: the thread failed outside of any frame, which should not be.
        """
        error = None if self._running is None else self._running.exception()
        if error is not None:
            raise EngineError(f"the engine's thread failed: {type(error).__name__}: {error}") from error

    def done(self, inferred: Inferred) -> None:
        """A frame from `get` has left the pipeline."""
        if inferred.last:
            self._room.put(None)

    @property
    def ended(self) -> bool:
        """The engine is idle for good, and every frame was got."""
        return self._ended and self._found.empty()

    def _run(self, max_frames: int | None) -> None:
        left = max_frames
        try:
            while not self._stopping and left != 0:
                self._thread.do_waiting()
                batch = self._next_batch(left)
                if batch:
                    left = None if left is None else left - len(batch)
                    self._infer(batch)
                elif self._arrivals.exhausted:
                    break
        finally:
            self._ended = True
            self._found.put(None)

    def _next_batch(self, left: int | None) -> list[Arrival]:
        """Frames to run now, taken as late as can be: a camera's newest should be new."""
        if self._paused.is_set():
            time.sleep(POLL_S)
            return []
        try:
            self._room.get(timeout=POLL_S)
        except Empty:
            return []
        most = MOST_AT_ONCE if self._model().inference.takes_batches else 1
        batch = self._arrivals.take(most if left is None else min(most, left), POLL_S)
        if not batch:
            self._room.put(None)
        return batch

    def _infer(self, batch: Sequence[Arrival]) -> None:
        began_ns = time.perf_counter_ns()
        model = self._model()
        if self._budget is not None:
            self._budget.start()
        results: list[NDArray[np.float32] | Exception]
        try:
            images = [arrival.frame.image for arrival in batch]
            if len(images) == 1:
                results = [model.inference.run(images[0], self._times)]
            else:
                results = [*model.inference.run_batch(images, self._times)]
            if len(results) != len(batch):
                raise EngineError(f"a batch of {len(batch)} frames gave {len(results)} maps")
        except Exception as error:
            results = [error] if len(batch) == 1 else [self._alone(model, arrival) for arrival in batch]
        inferred_ns = time.perf_counter_ns()
        inferred_s = 0.0 if self._budget is None else self._budget.clock()
        tiles = model.inference.tiles
        for number, (arrival, result) in enumerate(zip(batch, results, strict=True), start=1):
            failed = isinstance(result, Exception)
            self._found.put(
                Inferred(
                    arrival.camera,
                    arrival.frame,
                    model,
                    None if isinstance(result, Exception) else result,
                    result if isinstance(result, Exception) else None,
                    None if failed else tiles,
                    began_ns,
                    inferred_ns,
                    inferred_s,
                    last=number == len(batch),
                )
            )

    def _alone(self, model: Model, arrival: Arrival) -> NDArray[np.float32] | Exception:
        """One frame of a batch that failed: which one it was shows when they are run one by one."""
        try:
            return model.inference.run(arrival.frame.image, self._times)
        except Exception as error:
            return error
