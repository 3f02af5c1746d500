"""Memory and streams through NVIDIA's cuda-python."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines.tensorrt.memory import Block, Device, Memory, Pinned, Recording, Stream
from fissura.errors import EngineError, MissingDependencyError


class CudaPythonMemory(Memory):
    """See `Memory`."""

    records = True

    def __init__(self) -> None:
        try:
            from cuda.bindings import runtime
        except ImportError as error:
            raise MissingDependencyError(
                f"cuda-python cannot be imported: {error}",
                expected="the package `cuda-python` 12.6 or newer",
                fix="pip install 'fissura[tensorrt]', or choose `cuda: pycuda`",
            ) from error
        self._cuda = runtime
        try:
            count = _call(runtime, runtime.cudaGetDeviceCount())
        except (RuntimeError, EngineError) as error:  # the driver's library is not there at all, or finds nothing
            raise MissingDependencyError(
                f"there is no GPU: {error}", expected="an NVIDIA GPU with its driver"
            ) from error
        if not count:
            raise MissingDependencyError("there is no GPU", expected="an NVIDIA GPU with its driver")
        _call(runtime, runtime.cudaSetDevice(0))

    def device(self) -> Device:
        found = _call(self._cuda, self._cuda.cudaGetDeviceProperties(0))
        name = found.name.decode(errors="replace") if isinstance(found.name, bytes) else str(found.name)
        return Device(name.rstrip("\x00"), f"{found.major}.{found.minor}", int(found.totalGlobalMem))

    def pinned(self, size: int) -> Pinned:
        return _Pinned(self._cuda, size)

    def allocate(self, size: int) -> Block:
        return _Block(self._cuda, size)

    def stream(self) -> Stream:
        return _Stream(self._cuda)

    def close(self) -> None:
        """Nothing: the context belongs to the process, and TensorRT uses it too."""


class _Pinned(Pinned):
    def __init__(self, cuda: Any, size: int) -> None:
        self._cuda = cuda
        self.address = int(_call(cuda, cuda.cudaMallocHost(size)))
        memory = (ctypes.c_uint8 * size).from_address(self.address)
        self.array: NDArray[np.uint8] = np.ctypeslib.as_array(memory)

    def free(self) -> None:
        self.array = np.empty(0, np.uint8)
        _call(self._cuda, self._cuda.cudaFreeHost(self.address))


class _Block(Block):
    def __init__(self, cuda: Any, size: int) -> None:
        self._cuda = cuda
        self.address = int(_call(cuda, cuda.cudaMalloc(size)))

    def free(self) -> None:
        _call(self._cuda, self._cuda.cudaFree(self.address))


class _Recording(Recording):
    def __init__(self, cuda: Any, graph: Any) -> None:
        self._cuda = cuda
        self._graph = graph
        try:
            self.executable = _call(cuda, cuda.cudaGraphInstantiate(graph, 0))
        except EngineError:
            _call(cuda, cuda.cudaGraphDestroy(graph))
            raise

    def free(self) -> None:
        _call(self._cuda, self._cuda.cudaGraphExecDestroy(self.executable))
        _call(self._cuda, self._cuda.cudaGraphDestroy(self._graph))


class _Stream(Stream):
    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda
        # Not tied to the default stream, which waits for all others and cannot be recorded.
        self._stream = _call(cuda, cuda.cudaStreamCreateWithFlags(cuda.cudaStreamNonBlocking))
        # A waiting thread sleeps: the cores are needed for the rest of the pipeline.
        flags = cuda.cudaEventBlockingSync | cuda.cudaEventDisableTiming
        self._event = _call(cuda, cuda.cudaEventCreateWithFlags(flags))
        self.handle = int(self._stream)

    def to_device(self, block: Block, pinned: Pinned, size: int) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(block.address, pinned.array.ctypes.data, size, kind)

    def to_host(self, pinned: Pinned, block: Block, size: int) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(pinned.array.ctypes.data, block.address, size, kind)

    def mark(self) -> None:
        _call(self._cuda, self._cuda.cudaEventRecord(self._event, self._stream))

    def wait(self) -> None:
        _call(self._cuda, self._cuda.cudaEventSynchronize(self._event))

    def synchronize(self) -> None:
        _call(self._cuda, self._cuda.cudaStreamSynchronize(self._stream))

    def record(self) -> None:
        # Other threads may allocate meanwhile: only this thread's unsafe calls end the recording.
        mode = self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        _call(self._cuda, self._cuda.cudaStreamBeginCapture(self._stream, mode))

    def recorded(self) -> Recording:
        return _Recording(self._cuda, _call(self._cuda, self._cuda.cudaStreamEndCapture(self._stream)))

    def launch(self, recording: Recording) -> None:
        assert isinstance(recording, _Recording)
        _call(self._cuda, self._cuda.cudaGraphLaunch(recording.executable, self._stream))

    def free(self) -> None:
        _call(self._cuda, self._cuda.cudaEventDestroy(self._event))
        _call(self._cuda, self._cuda.cudaStreamDestroy(self._stream))

    def _copy(self, target: int, source: int, size: int, kind: Any) -> None:
        _call(self._cuda, self._cuda.cudaMemcpyAsync(target, source, size, kind, self._stream))


def _call(cuda: Any, answer: tuple[Any, ...]) -> Any:
    """What a call gives besides its error code; an EngineError for an error."""
    code, *values = answer
    if int(code) != 0:
        cuda.cudaGetLastError()  # forgets it: TensorRT would take it for an error of its own next call
        _, text = cuda.cudaGetErrorString(code)
        words = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        raise EngineError(f"CUDA: {words} ({code.name})", fix="look at nvidia-smi: driver, free memory, other programs")
    return values[0] if values else None
