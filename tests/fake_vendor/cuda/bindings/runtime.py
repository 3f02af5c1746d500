"""`cuda.bindings.runtime` of cuda-python, as far as it is used: every call gives a tuple, its error first."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import fake_gpu

cudaStreamNonBlocking = 1
cudaEventBlockingSync = 1
cudaEventDisableTiming = 2


class cudaError_t(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorNoDevice = 100
    cudaErrorStreamCaptureInvalidated = 901


class cudaMemcpyKind(enum.IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class cudaStreamCaptureMode(enum.IntEnum):
    cudaStreamCaptureModeGlobal = 0
    cudaStreamCaptureModeThreadLocal = 1


class cudaDeviceProp:
    name = fake_gpu.NAME.encode()
    major, minor = fake_gpu.CAPABILITY
    totalGlobalMem = fake_gpu.MEMORY_BYTES


class cudaStream_t:
    def __init__(self) -> None:
        self.stream = fake_gpu.Stream()

    def __int__(self) -> int:
        return self.stream.handle


def _answer(do: Callable[[], Any]) -> tuple[Any, ...]:
    try:
        return (cudaError_t.cudaSuccess, do())
    except fake_gpu.GpuError as error:
        out = error.kind == "out_of_memory"
        return (cudaError_t.cudaErrorMemoryAllocation if out else cudaError_t.cudaErrorInvalidValue, None)


def _status(do: Callable[[], Any]) -> tuple[Any]:
    return (_answer(do)[0],)


def cudaGetErrorString(error: cudaError_t) -> tuple[Any, bytes]:
    texts = {cudaError_t.cudaErrorMemoryAllocation: b"out of memory", cudaError_t.cudaErrorNoDevice: b"no device"}
    return cudaError_t.cudaSuccess, texts.get(error, b"invalid argument")


def cudaGetLastError() -> tuple[Any]:
    fake_gpu.last_error = False
    return (cudaError_t.cudaSuccess,)


def cudaGetDeviceCount() -> tuple[Any, Any]:
    if fake_gpu.COUNT == 0:
        return cudaError_t.cudaErrorNoDevice, None
    return cudaError_t.cudaSuccess, fake_gpu.COUNT


def cudaSetDevice(device: int) -> tuple[Any]:
    return (cudaError_t.cudaSuccess if device < fake_gpu.COUNT else cudaError_t.cudaErrorInvalidValue,)


def cudaGetDeviceProperties(device: int) -> tuple[Any, Any]:
    return cudaError_t.cudaSuccess, cudaDeviceProp()


def cudaMalloc(size: int) -> tuple[Any, ...]:
    return _answer(lambda: fake_gpu.allocate(fake_gpu.device_blocks, size))


def cudaFree(address: int) -> tuple[Any]:
    return _status(lambda: fake_gpu.free(fake_gpu.device_blocks, address))


def cudaMallocHost(size: int) -> tuple[Any, ...]:
    return _answer(lambda: fake_gpu.allocate(fake_gpu.pinned_blocks, size))


def cudaFreeHost(address: int) -> tuple[Any]:
    return _status(lambda: fake_gpu.free(fake_gpu.pinned_blocks, address))


def cudaStreamCreateWithFlags(flags: int) -> tuple[Any, ...]:
    return _answer(cudaStream_t)


def cudaStreamDestroy(stream: cudaStream_t) -> tuple[Any]:
    return _status(stream.stream.free)


def cudaStreamSynchronize(stream: cudaStream_t) -> tuple[Any]:
    return _status(stream.stream.synchronize)


def cudaEventCreateWithFlags(flags: int) -> tuple[Any, Any]:
    event = _Event()
    fake_gpu.events.add(id(event))
    return cudaError_t.cudaSuccess, event


def cudaEventDestroy(event: _Event) -> tuple[Any]:
    fake_gpu.events.remove(id(event))
    return (cudaError_t.cudaSuccess,)


def cudaEventRecord(event: _Event, stream: cudaStream_t) -> tuple[Any]:
    event.stream = stream.stream
    return (cudaError_t.cudaSuccess,)


def cudaEventSynchronize(event: _Event) -> tuple[Any]:
    return _status(event.stream.synchronize if event.stream is not None else lambda: None)


class _Event:
    stream: fake_gpu.Stream | None = None


def cudaMemcpyAsync(target: int, source: int, size: int, kind: Any, stream: cudaStream_t) -> tuple[Any]:
    to_device = kind == cudaMemcpyKind.cudaMemcpyHostToDevice
    return _status(lambda: stream.stream.enqueue(fake_gpu.copy(target, source, size, to_device=to_device)))


def cudaStreamBeginCapture(stream: cudaStream_t, mode: cudaStreamCaptureMode) -> tuple[Any]:
    if stream.stream.recording is not None:
        return (cudaError_t.cudaErrorInvalidValue,)
    stream.stream.recording = []
    return (cudaError_t.cudaSuccess,)


def cudaStreamEndCapture(stream: cudaStream_t) -> tuple[Any, Any]:
    work, stream.stream.recording = stream.stream.recording, None
    refused, stream.stream.refused = stream.stream.refused, False
    if work is None:
        return cudaError_t.cudaErrorInvalidValue, None
    if refused:
        fake_gpu.last_error = True
        return cudaError_t.cudaErrorStreamCaptureInvalidated, None
    return cudaError_t.cudaSuccess, _Graph(work)


def cudaGraphInstantiate(graph: _Graph, flags: int) -> tuple[Any, Any]:
    return cudaError_t.cudaSuccess, _Graph(graph.work)


def cudaGraphLaunch(graph: _Graph, stream: cudaStream_t) -> tuple[Any]:
    fake_gpu.launches += 1
    for do in graph.work:
        stream.stream.enqueue(do)
    return (cudaError_t.cudaSuccess,)


def cudaGraphExecDestroy(graph: _Graph) -> tuple[Any]:
    return _status(graph.free)


def cudaGraphDestroy(graph: _Graph) -> tuple[Any]:
    return _status(graph.free)


class _Graph:
    def __init__(self, work: list[Callable[[], None]]) -> None:
        self.work = work
        fake_gpu.recordings.add(id(self))

    def free(self) -> None:
        fake_gpu.recordings.remove(id(self))
