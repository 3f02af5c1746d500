"""A GPU of host memory: allocations with bounds, and streams that do their work when somebody waits."""

from __future__ import annotations

import ctypes
import itertools
import os
from collections.abc import Callable
from typing import Any

COUNT = int(os.environ.get("FAKE_GPU_COUNT", "1"))
NAME = os.environ.get("FAKE_GPU_NAME", "Fake Orin")
CAPABILITY = tuple(int(part) for part in os.environ.get("FAKE_GPU_CAPABILITY", "8.7").split("."))
MEMORY_BYTES = int(float(os.environ.get("FAKE_GPU_MEMORY_MB", "512")) * 1e6)


class GpuError(Exception):
    """What CUDA would answer; `out_of_memory` or `invalid`."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


device_blocks: dict[int, Any] = {}
pinned_blocks: dict[int, Any] = {}
streams: dict[int, Stream] = {}
events: set[int] = set()
recordings: set[int] = set()
launches = 0
last_error = False  # stays until it is asked for
_numbers = itertools.count(1000)


def new_number() -> int:
    return next(_numbers)


def live() -> dict[str, int]:
    """What was taken and not given back."""
    held = {"device": device_blocks, "pinned": pinned_blocks, "streams": streams, "events": events}
    return {name: len(things) for name, things in (held | {"recordings": recordings}).items()}


def allocate(blocks: dict[int, Any], size: int) -> int:
    if blocks is device_blocks and sum(map(len, blocks.values())) + size > MEMORY_BYTES:
        raise GpuError("out_of_memory")
    memory = (ctypes.c_uint8 * size)()
    ctypes.memset(memory, 0xA5, size)  # fresh memory holds rubbish
    blocks[ctypes.addressof(memory)] = memory
    return ctypes.addressof(memory)


def free(blocks: dict[int, Any], address: int) -> None:
    if blocks.pop(address, None) is None:
        raise GpuError("invalid")


def check(blocks: dict[int, Any], address: int, size: int) -> None:
    """Refuse an access that does not lie within one allocation."""
    for start, memory in blocks.items():
        if start <= address and address + size <= start + len(memory):
            return
    raise GpuError("invalid")


def copy(target: int, source: int, size: int, *, to_device: bool) -> Callable[[], None]:
    check(device_blocks, target if to_device else source, size)
    check(pinned_blocks, source if to_device else target, size)

    def do() -> None:
        ctypes.memmove(target, source, size)

    return do


class Stream:
    def __init__(self) -> None:
        self.handle = new_number()
        self.pending: list[Callable[[], None]] = []
        self.recording: list[Callable[[], None]] | None = None
        self.refused = False  # what cannot be recorded has been asked for meanwhile
        streams[self.handle] = self

    def enqueue(self, do: Callable[[], None]) -> None:
        (self.pending if self.recording is None else self.recording).append(do)

    def synchronize(self) -> None:
        if self.recording is not None:
            raise GpuError("invalid")
        pending, self.pending = self.pending, []
        for do in pending:
            do()

    def free(self) -> None:
        if streams.pop(self.handle, None) is None:
            raise GpuError("invalid")
