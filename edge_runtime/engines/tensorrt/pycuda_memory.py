"""Memory and streams through pycuda, which has no CUDA graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines.tensorrt.memory import Block, Device, Memory, Pinned, Recording, Stream
from fissura.errors import EngineError, MissingDependencyError


class PyCudaMemory(Memory):
    """See `Memory`. Uses the process's primary context, as TensorRT does."""

    records = False

    def __init__(self) -> None:
        try:
            import pycuda.driver as cuda
        except ImportError as error:
            raise MissingDependencyError(
                f"pycuda cannot be imported: {error}",
                expected="the package `pycuda`",
                fix="pip install pycuda (needs CUDA's headers), or choose `cuda: cuda-python`",
            ) from error
        self._cuda = cuda
        try:
            cuda.init()
            count = cuda.Device.count()
        except cuda.Error as error:
            raise MissingDependencyError(
                f"there is no GPU: {error}", expected="an NVIDIA GPU with its driver"
            ) from error
        if not count:
            raise MissingDependencyError("there is no GPU", expected="an NVIDIA GPU with its driver")
        self._device = cuda.Device(0)
        self._context = self._device.retain_primary_context()
        self._context.push()

    def device(self) -> Device:
        major, minor = self._device.compute_capability()
        return Device(self._device.name(), f"{major}.{minor}", int(self._device.total_memory()))

    def pinned(self, size: int) -> Pinned:
        return _Pinned(self._cuda, size)

    def allocate(self, size: int) -> Block:
        return _Block(self._cuda, size)

    def stream(self) -> Stream:
        return _Stream(self._cuda)

    def close(self) -> None:
        self._context.pop()


class _Pinned(Pinned):
    def __init__(self, cuda: Any, size: int) -> None:
        try:
            self._held = cuda.pagelocked_empty(size, np.uint8)
        except cuda.Error as error:
            raise _explained(error) from error
        self.array: NDArray[np.uint8] = self._held

    def free(self) -> None:
        self.array = np.empty(0, np.uint8)
        self._held.base.free()


class _Block(Block):
    def __init__(self, cuda: Any, size: int) -> None:
        try:
            self.held = cuda.mem_alloc(size)
        except cuda.Error as error:
            raise _explained(error) from error
        self.address = int(self.held)

    def free(self) -> None:
        self.held.free()


class _Stream(Stream):
    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda
        self._stream = cuda.Stream()
        self._event = cuda.Event(cuda.event_flags.BLOCKING_SYNC | cuda.event_flags.DISABLE_TIMING)
        self.handle = int(self._stream.handle)

    def to_device(self, block: Block, pinned: Pinned, size: int) -> None:
        self._try(self._cuda.memcpy_htod_async, block.address, pinned.array[:size], self._stream)

    def to_host(self, pinned: Pinned, block: Block, size: int) -> None:
        self._try(self._cuda.memcpy_dtoh_async, pinned.array[:size], block.address, self._stream)

    def mark(self) -> None:
        self._try(self._event.record, self._stream)

    def wait(self) -> None:
        self._try(self._event.synchronize)

    def synchronize(self) -> None:
        self._try(self._stream.synchronize)

    def record(self) -> None:
        raise EngineError("pycuda has no CUDA graphs", fix="choose `cuda: cuda-python`")

    def recorded(self) -> Recording:
        raise EngineError("pycuda has no CUDA graphs", fix="choose `cuda: cuda-python`")

    def launch(self, recording: Recording) -> None:
        raise EngineError("pycuda has no CUDA graphs", fix="choose `cuda: cuda-python`")

    def free(self) -> None:
        """Nothing: pycuda gives streams and events back with the last reference to them."""

    def _try(self, call: Any, *arguments: Any) -> None:
        try:
            call(*arguments)
        except self._cuda.Error as error:
            raise _explained(error) from error


def _explained(error: Exception) -> EngineError:
    return EngineError(f"CUDA: {error}", fix="look at nvidia-smi: driver, free memory, other programs")
