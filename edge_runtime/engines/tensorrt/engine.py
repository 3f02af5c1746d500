"""The engine `tensorrt`: a plan on the GPU, or ONNX Runtime and the reason why.

Super-resolution and segmentation run on the device without a copy to the host in between when they are one graph:
that is what the role `fused` of a bundle is, and mode `full` prefers it. Chaining two plans instead would need the
rounding to uint8 that stands between the two graphs; the fused graph leaves it out, has a threshold calibrated without
it, and gives TensorRT both networks to optimise at once. So there is no class for a chain.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines.engine import Engine
from edge_runtime.engines.tensorrt.config import TensorRtConfig
from edge_runtime.engines.tensorrt.library import library_version, load_tensorrt
from edge_runtime.engines.tensorrt.memory import Memory, open_memory
from edge_runtime.engines.tensorrt.plan_header import version_text
from edge_runtime.engines.tensorrt.prepare import open_plan
from edge_runtime.engines.tensorrt.runner import PlanRunner
from edge_runtime.engines.tensorrt.shapes import size_beyond
from fissura.bundle import Graph, VariantName
from fissura.config import Config
from fissura.errors import ConfigError, EngineError, FissuraError, MissingDependencyError, ModelShapeError

logger = logging.getLogger(__name__)

LONGEST_REASON = 120


class TensorRtEngine(Engine):
    """A graph in TensorRT.

    Where TensorRT is not to be had (no library, no GPU, a build that failed or took too long, not enough memory, the
    wrong precision), the same file runs in ONNX Runtime, since the threshold that the caller uses belongs to this
    file; `name` says so, and every message with it. Option `fallback: false` makes it an error.

    Attributes:
        convolutions: their number by the precision they really run in: int8, fp16, fp32; None in ONNX Runtime.

    Raises:
        ConfigError: options that this graph or this TensorRT does not have.
        ModelShapeError: graph and manifest do not belong together.
        EngineError, MissingDependencyError: TensorRT is not to be had, without `fallback`.
    """

    config_class: ClassVar[type[Config]] = TensorRtConfig
    # NVIDIA's parser takes symmetric integers only.
    variants: ClassVar[frozenset[VariantName]] = frozenset(("fp16", "int8-portable"))

    def __init__(self, path: Path, graph: Graph, config: TensorRtConfig) -> None:
        self._memory: Memory | None = None
        self._plan: PlanRunner | None = None
        self._instead: Engine | None = None
        self.convolutions: Mapping[str, int] | None = None
        self._waiting: deque[NDArray[np.float32]] = deque()
        self._path, self._graph, self._config = path, graph, config
        self._too_large: dict[tuple[int, int], str] = {}  # and why
        self._lost = "it was closed"  # why there is no plan, where there is none
        try:
            self._open()
        except (ConfigError, ModelShapeError):
            raise
        except (EngineError, MissingDependencyError) as error:
            if not config.fallback:
                raise
            self._fall_back(error)

    def run(self, batch: NDArray[np.uint8], statistics: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """See `Engine.run`. Its output is the caller's until the next `submit` or `run`, or until `close`.

        Raises:
            EngineError: the engine cannot run this batch, or batches are in flight.
        """
        if self._instead is not None:
            if self._waiting:
                raise EngineError(f"{len(self._waiting)} batches are in flight", expected="`collect` first")
            return self._instead.run(batch, statistics)
        return self._plan_for(batch).run(batch, statistics)

    def submit(self, batch: NDArray[np.uint8], statistics: NDArray[np.float32] | None = None) -> None:
        """Start a batch and return at once; as many may be in flight as there are `contexts`.

        Unlike `run`, it does not cut a batch of more than `max_batch` images into parts. ONNX Runtime, where it runs
        instead, computes the batch before this returns, and takes any number of them.

        Args:
            batch: as in `run`; may be changed as soon as this returns.
            statistics: as in `run`.

        Raises:
            EngineError: the engine cannot run this batch, or too many are in flight.
        """
        if self._instead is not None:
            self._waiting.append(self._instead.run(batch, statistics))
            return
        self._plan_for(batch).submit(batch, statistics)

    def collect(self) -> NDArray[np.float32]:
        """Wait for the oldest batch in flight; its output is the caller's until the next `submit` or `run`, or `close`.

        Raises:
            EngineError: the GPU failed, or nothing is in flight.
        """
        if self._instead is not None:
            if not self._waiting:
                raise EngineError("no batch is in flight", expected="`submit` first")
            return self._waiting.popleft()
        return self._open_plan().collect()

    def close(self) -> None:
        if self._instead is not None:
            self._instead.close()
        if self._plan is not None:
            self._plan.close()
            self._plan = None
        self._close_memory()

    def _open(self) -> None:
        trt, config = load_tensorrt(), self._config
        try:
            self._memory = open_memory(config.cuda)
            device = self._memory.device()
            self._plan, layers = open_plan(trt, self._path, self._graph, config, self._memory)
        except Exception as error:
            self._close_memory()
            if isinstance(error, FissuraError):
                raise
            raise EngineError(f"TensorRT failed unexpectedly: {type(error).__name__}: {error}") from error
        self.convolutions = Counter(layers.values())
        self.takes_batches = self._plan.profile.largest[0] > 1
        precision = config.precision or self._graph.precision
        self.name = f"tensorrt {version_text(library_version(trt))} {precision} {device.name}"

    def _plan_for(self, batch: NDArray[np.uint8]) -> PlanRunner:
        """The plan, made anew for an image that is larger than any before, unless `size` forbids that."""
        plan = self._open_plan()
        size = size_beyond(batch.shape, plan.profile, self._graph.input)
        if self._config.size is not None or size is None:
            return plan
        if size in self._too_large:
            raise self._refused(size)
        if not plan.idle:
            raise EngineError("a larger image while batches are in flight", expected="`collect` first")
        first = self._config
        logger.info("%s: images of %dx%d pixels need a plan of their own", self._path.name, *size)
        self.close()
        try:
            self._config = first.model_copy(update={"size": size})
            self._open()
        except FissuraError as error:  # the name is in messages already: too late for another engine
            self._too_large[size] = error.found
            self._config = first
            self._reopen(size)
            raise self._refused(size) from error
        finally:
            self._config = first
        return self._open_plan()

    def _reopen(self, size: tuple[int, int]) -> None:
        """Go back to the plan of before, where that can still be had."""
        try:
            self._open()
        except FissuraError as error:
            self._lost = (
                f"images of {size[0]}x{size[1]} pixels needed a plan of their own ({self._too_large[size]}), and then "
                f"the first one did not open again: {error.found}"
            )
            raise self._without_plan() from error

    def _open_plan(self) -> PlanRunner:
        if self._plan is None:
            raise self._without_plan()
        return self._plan

    def _without_plan(self) -> EngineError:
        return EngineError(
            f"{self._path.name} has no TensorRT plan any more: {self._lost}",
            fix="start again, with `size` set to the largest image",
        )

    def _refused(self, size: tuple[int, int]) -> EngineError:
        return EngineError(
            f"{self._path.name} cannot run images of {size[0]}x{size[1]} pixels: {self._too_large[size]}",
            fix="choose `size` before the start, or another engine",
        )

    def _fall_back(self, error: FissuraError) -> None:
        from edge_runtime.engines.onnxruntime import OnnxRuntimeConfig, OnnxRuntimeEngine

        self._instead = OnnxRuntimeEngine(self._path, self._graph, OnnxRuntimeConfig(threads=self._config.threads))
        self.takes_batches, self.keeps_outputs = self._instead.takes_batches, self._instead.keeps_outputs
        reason = " ".join(error.found.split())
        if len(reason) > LONGEST_REASON:
            reason = reason[: LONGEST_REASON - 3] + "..."
        self.name = f"{self._instead.name} (no tensorrt: {reason})"
        # As text: a log handler that keeps the exception would keep all that its frames hold.
        logger.warning("%s runs in ONNX Runtime instead of TensorRT: %s", self._path.name, str(error))

    def _close_memory(self) -> None:
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.close()
