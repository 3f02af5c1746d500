"""One batch in flight: a stream, its buffers, and a prepared context for each shape that came by."""

from __future__ import annotations

import logging
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines.tensorrt.buffers import Buffer
from edge_runtime.engines.tensorrt.contexts import activation_bytes, create_context
from edge_runtime.engines.tensorrt.memory import Memory, Recording
from edge_runtime.engines.tensorrt.plan_header import Version
from edge_runtime.engines.tensorrt.shapes import Shape
from fissura.errors import EngineError

logger = logging.getLogger(__name__)

MOST_SHAPES = 4  # a camera has one; tiles come in as many as the batch allows
STATISTICS_SHAPE = (2, 3)


@dataclass
class _Prepared:
    """A context whose shapes and addresses are set.

    TensorRT settles what depends on the shape during the first run, which therefore must not be recorded.
    """

    context: Any
    output: Shape
    runs: int = 0
    recording: Recording | None = field(default=None)


class Lane:
    """Runs batches one after another, each in two halves: `start` and `finish`.

    Args:
        trt: the module.
        engine: a deserialized plan.
        version: of the library.
        memory: of the GPU.
        names: of the image, the statistics (None: no such input) and the output.
        record: replay recorded CUDA graphs. Work that cannot be recorded is done without, from then on.
        largest: the largest input; memory is reserved for it now, so that it does not run out later.

    Raises:
        EngineError: there is not enough memory.
    """

    def __init__(
        self,
        trt: Any,
        engine: Any,
        version: Version,
        memory: Memory,
        names: tuple[str, str | None, str],
        *,
        record: bool,
        largest: Shape,
    ) -> None:
        self._trt = trt
        self._engine = engine
        self._version = version
        self._image_name, self._statistics_name, self._output_name = names
        self._record = record
        self._prepared: OrderedDict[Shape, _Prepared] = OrderedDict()
        self._current: _Prepared | None = None
        self._held = ExitStack()
        try:
            self._stream = memory.stream()
            self._held.callback(self._stream.free)
            self._image = Buffer(memory, np.uint8)
            self._statistics = Buffer(memory, np.float32)
            self._output = Buffer(memory, np.float32)
            for buffer in (self._image, self._statistics, self._output):
                self._held.callback(buffer.free)
            self._activation_bytes = activation_bytes(engine, version)
            self._activations = memory.allocate(self._activation_bytes)
            self._held.callback(self._activations.free)
            self._prepare(largest)
        except BaseException:
            self._held.close()
            raise

    def start(self, batch: NDArray[np.uint8], statistics: NDArray[np.float32] | None) -> None:
        """Send a batch to the GPU and return at once.

        Raises:
            EngineError: TensorRT or CUDA refuses.
        """
        prepared = self._prepare(batch.shape)
        np.copyto(self._image.host(batch.shape), batch)
        if self._statistics_name is not None and statistics is not None:
            np.copyto(self._statistics.host(STATISTICS_SHAPE), statistics)
        if self._record and prepared.runs == 1:
            prepared.recording = self._recorded(prepared, batch.shape)
        if prepared.recording is None:
            self._enqueue(prepared, batch.shape)
        else:
            self._stream.launch(prepared.recording)
        prepared.runs += 1
        self._stream.mark()
        self._current = prepared

    def finish(self) -> NDArray[np.float32]:
        """Wait for the batch that was started.

        Returns:
            The output; a view that is valid until the next `start`.
        """
        prepared, self._current = self._current, None
        assert prepared is not None
        self._stream.wait()
        return cast("NDArray[np.float32]", self._output.host(prepared.output))

    def close(self) -> None:
        """Wait for what still runs, and give everything back."""
        with self._held:
            self._forget_shapes()
            self._stream.synchronize()

    def _enqueue(self, prepared: _Prepared, shape: Shape) -> None:
        self._image.upload(self._stream, shape)
        if self._statistics_name is not None:
            self._statistics.upload(self._stream, STATISTICS_SHAPE)
        if not prepared.context.execute_async_v3(self._stream.handle):
            raise EngineError("TensorRT could not run it", fix="the log has TensorRT's reason")
        self._output.download(self._stream, prepared.output)

    def _recorded(self, prepared: _Prepared, shape: Shape) -> Recording | None:
        """The work of a batch, not yet done; None where it cannot be recorded, which is not tried again."""
        try:
            self._stream.record()
            try:
                self._enqueue(prepared, shape)
            except EngineError:
                self._stream.recorded().free()  # a stream left recording would be of no use any more
                raise
            return self._stream.recorded()
        except EngineError as error:
            self._record = False
            logger.warning("no CUDA graph can be recorded, so each layer is launched by itself: %s", error.found)
            return None

    def _prepare(self, shape: Shape) -> _Prepared:
        if shape in self._prepared:
            self._prepared.move_to_end(shape)
            return self._prepared[shape]
        context = create_context(
            self._trt, self._engine, self._version, self._activations.address, self._activation_bytes
        )
        if not context.set_input_shape(self._image_name, shape):
            raise EngineError(f"TensorRT refuses a batch of shape {shape}")
        output = tuple(context.get_tensor_shape(self._output_name))
        moved = self._image.reserve(shape) | self._output.reserve(output)
        if self._statistics_name is not None:
            moved |= self._statistics.reserve(STATISTICS_SHAPE)
        if moved:
            self._forget_shapes()  # they hold the addresses from before
        context.set_tensor_address(self._image_name, self._image.address)
        context.set_tensor_address(self._output_name, self._output.address)
        if self._statistics_name is not None:
            context.set_tensor_address(self._statistics_name, self._statistics.address)
        self._prepared[shape] = _Prepared(context, output)
        if len(self._prepared) > MOST_SHAPES:
            self._free(self._prepared.popitem(last=False)[1])
        return self._prepared[shape]

    def _forget_shapes(self) -> None:
        while self._prepared:
            self._free(self._prepared.popitem()[1])

    @staticmethod
    def _free(prepared: _Prepared) -> None:
        if prepared.recording is not None:
            prepared.recording.free()
