"""`pycuda.driver`, as far as it is used: raises, and gives memory back with its objects."""

from __future__ import annotations

import ctypes
from typing import Any

import fake_gpu
import numpy as np


class Error(Exception):
    pass


class MemoryError(Error):
    pass


class event_flags:
    BLOCKING_SYNC = 1
    DISABLE_TIMING = 2


def init() -> None:
    if fake_gpu.COUNT == 0:
        raise Error("cuInit failed: no CUDA-capable device is detected")


class Context:
    def push(self) -> None:
        fake_gpu.events.add(id(self))

    def pop(self) -> None:
        fake_gpu.events.remove(id(self))


class Device:
    def __init__(self, number: int) -> None:
        self.number = number

    @staticmethod
    def count() -> int:
        return fake_gpu.COUNT

    def retain_primary_context(self) -> Context:
        return Context()

    def name(self) -> str:
        return fake_gpu.NAME

    def compute_capability(self) -> tuple[int, ...]:
        return fake_gpu.CAPABILITY

    def total_memory(self) -> int:
        return fake_gpu.MEMORY_BYTES


def _allocate(blocks: dict[int, Any], size: int) -> int:
    try:
        return fake_gpu.allocate(blocks, size)
    except fake_gpu.GpuError as error:
        raise MemoryError("cuMemAlloc failed: out of memory") from error


class DeviceAllocation:
    def __init__(self, size: int) -> None:
        self._address = _allocate(fake_gpu.device_blocks, size)

    def __int__(self) -> int:
        return self._address

    def free(self) -> None:
        fake_gpu.free(fake_gpu.device_blocks, self._address)


mem_alloc = DeviceAllocation


class PagelockedHostAllocation(np.ndarray):
    """What the array's `base` is in pycuda."""

    def free(self) -> None:
        fake_gpu.free(fake_gpu.pinned_blocks, self.ctypes.data)


def pagelocked_empty(size: int, dtype: Any) -> Any:
    address = _allocate(fake_gpu.pinned_blocks, size)
    memory = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
    return _Held(memory.view(dtype))


class _Held(np.ndarray):
    def __new__(cls, array: Any) -> _Held:
        return array.view(cls)

    @property
    def base(self) -> Any:
        return np.asarray(self).view(PagelockedHostAllocation)


class Stream:
    def __init__(self) -> None:
        self._stream = fake_gpu.Stream()
        self.handle = self._stream.handle

    def synchronize(self) -> None:
        _try(self._stream.synchronize)

    def __del__(self) -> None:
        self._stream.free()


class Event:
    def __init__(self, flags: int = 0) -> None:
        self._stream: Any = None

    def record(self, stream: Stream) -> Event:
        self._stream = stream._stream
        return self

    def synchronize(self) -> Event:
        if self._stream is not None:
            _try(self._stream.synchronize)
        return self


def memcpy_htod_async(dest: int, src: Any, stream: Stream) -> None:
    _try(lambda: stream._stream.enqueue(fake_gpu.copy(dest, src.ctypes.data, src.nbytes, to_device=True)))


def memcpy_dtoh_async(dest: Any, src: int, stream: Stream) -> None:
    _try(lambda: stream._stream.enqueue(fake_gpu.copy(dest.ctypes.data, src, dest.nbytes, to_device=False)))


def _try(do: Any) -> None:
    try:
        do()
    except fake_gpu.GpuError as error:
        raise Error(f"failed: {error.kind}") from error
