"""A plan on the GPU: checked against the manifest, run batch by batch."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines.checks import check_by_running, check_ports
from edge_runtime.engines.tensorrt.config import TensorRtConfig
from edge_runtime.engines.tensorrt.lane import Lane
from edge_runtime.engines.tensorrt.library import library_version, make_logger
from edge_runtime.engines.tensorrt.memory import Memory
from edge_runtime.engines.tensorrt.ports import plan_ports
from edge_runtime.engines.tensorrt.shapes import Profile, Shape, clamped, fits, profile_for
from fissura.bundle import Graph
from fissura.errors import EngineError


class PlanDamagedError(EngineError):
    """TensorRT does not load the plan."""


class PlanRunner:
    """Runs a plan.

    Args:
        trt: the module.
        plan: its file, made for this library and GPU.
        path: the graph it was built from, for messages.
        graph: what the manifest says.
        config: options of the engine.
        memory: of the GPU.

    Raises:
        PlanDamagedError: TensorRT does not load it.
        ModelShapeError: its inputs or outputs are not what the manifest says.
        EngineError: there is not enough memory.
    """

    def __init__(self, trt: Any, plan: Path, path: Path, graph: Graph, config: TensorRtConfig, memory: Memory) -> None:
        self._path = path
        self._statistics = graph.statistics
        self._problems: list[str] = []
        self._logger = make_logger(trt, self._problems)
        self._runtime = trt.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan.read_bytes())
        if self._engine is None:
            raise PlanDamagedError(f"TensorRT does not load {plan}: {self._last_problem()}")
        image = check_ports(path, graph, *plan_ports(trt, self._engine))
        self._profile = clamped(profile_for(graph.input, config.first_size, config.max_batch), image.shape)
        names = (graph.input.name, graph.statistics, graph.output.name)
        record = config.cuda_graph and memory.records
        self._lanes: list[Lane] = []
        self._held = ExitStack()
        try:
            for _ in range(config.contexts):
                lane = Lane(
                    trt,
                    self._engine,
                    library_version(trt),
                    memory,
                    names,
                    record=record,
                    largest=self._profile.largest,
                )
                self._held.callback(lane.close)
                self._lanes.append(lane)
            self._free = deque(self._lanes)
            self._busy: deque[Lane] = deque()
            check_by_running(path, graph, image, self.run)
            if self._profile.largest[0] > 1:
                check_by_running(path, graph, image, self.run, images=2)
        except BaseException:
            self._held.close()
            raise

    @property
    def profile(self) -> Profile:
        """The shapes that it takes."""
        return self._profile

    @property
    def idle(self) -> bool:
        """Whether no batch is in flight."""
        return not self._busy

    def submit(self, batch: NDArray[np.uint8], statistics: NDArray[np.float32] | None = None) -> None:
        """Send a batch, which has to fit the plan as a whole, to the GPU; see `TensorRtEngine.submit`."""
        if not self._free:
            raise EngineError(f"{len(self._lanes)} batches are in flight already", expected="`collect` first")
        if not fits(batch.shape, self._profile):
            raise EngineError(
                f"{self._path.name} cannot run a batch of shape {batch.shape}: the plan takes "
                f"{self._profile.smallest} to {self._profile.largest}",
                fix="set `size` and `max_batch` of the engine to what comes",
            )
        if (statistics is None) != (self._statistics is None):
            given = "without" if statistics is None else "with"
            raise EngineError(f"{self._path.name} cannot run a batch {given} statistics", expected="the other way")
        lane = self._free[0]
        self._problems.clear()
        try:
            lane.start(batch, statistics)
        except EngineError as error:
            raise self._explained(batch.shape, error) from error
        self._busy.append(self._free.popleft())

    def collect(self) -> NDArray[np.float32]:
        """Wait for the oldest batch in flight; see `TensorRtEngine.collect`."""
        if not self._busy:
            raise EngineError("no batch is in flight", expected="`submit` first")
        lane = self._busy.popleft()
        self._free.append(lane)
        try:
            return lane.finish()
        except EngineError as error:
            raise EngineError(f"{self._path.name} failed on the GPU: {error.found}", fix=error.fix) from error

    def run(self, batch: NDArray[np.uint8], statistics: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """See `TensorRtEngine.run`; more images than the plan takes at once run one part after another."""
        if not self.idle:  # the oldest output would be another batch's
            raise EngineError(f"{len(self._busy)} batches are in flight", expected="`collect` first")
        most = self._profile.largest[0]
        if len(batch) <= most:
            self.submit(batch, statistics)
            return self.collect()
        parts = [batch[first : first + most] for first in range(0, len(batch), most)]
        return np.concatenate([self.run(part, statistics).copy() for part in parts])

    def close(self) -> None:
        """Let go of the GPU's memory."""
        self._held.close()
        self._lanes.clear()
        del self._engine, self._runtime

    def _explained(self, shape: Shape, error: EngineError) -> EngineError:
        reason = f"{error.found}: {self._last_problem()}" if self._problems else error.found
        return EngineError(f"{self._path.name} cannot run a batch of shape {shape}: {reason}", fix=error.fix)

    def _last_problem(self) -> str:
        return self._problems[-1] if self._problems else "it gives no reason"
