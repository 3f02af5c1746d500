"""Frames in memory that two processes share: written in the reader process, read in the run's.

Three slots: one that the run reads from, one with the newest frame, one to write the next into. A picture larger than
the slots gets three new ones behind them, so that what is being read stays where it is.
"""

from __future__ import annotations

import math
import mmap
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

SLOTS = 3


@dataclass(frozen=True, eq=False)
class Slot:
    """A place for one frame.

    Attributes:
        offset: bytes from the start of the shared memory.
        memory: (n,) uint8.
    """

    offset: int
    memory: Pixels

    def view(self, shape: tuple[int, ...]) -> Pixels:
        """Its first bytes as an image."""
        return self.memory[: math.prod(shape)].reshape(shape)


class RingWriter:
    """The reader process's end.

    Args:
        fd: of the shared memory, empty at first.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._slots: list[Slot] = []
        self._end = 0

    def slot(self, size: int, taken: tuple[Slot | None, ...]) -> Slot:
        """A slot of `size` bytes or more that is none of those taken (at most two)."""
        if not self._slots or len(self._slots[0].memory) < size:
            self._grow(size)
        return next(slot for slot in self._slots if not any(slot is other for other in taken))

    def _grow(self, size: int) -> None:
        size = -(-size // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        start, self._end = self._end, self._end + SLOTS * size
        os.ftruncate(self._fd, self._end)
        memory = np.frombuffer(mmap.mmap(self._fd, SLOTS * size, offset=start), np.uint8)
        self._slots = [Slot(start + n * size, memory[n * size : (n + 1) * size]) for n in range(SLOTS)]


class RingReader:
    """The run's end.

    Args:
        fd: of the shared memory.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._memory: NDArray[Any] = np.empty(0, np.uint8)

    def view(self, offset: int, shape: tuple[int, ...]) -> Pixels:
        """A frame where it lies; good until the next one is asked for."""
        end = offset + math.prod(shape)
        if end > len(self._memory):
            size = os.fstat(self._fd).st_size
            self._memory = np.frombuffer(mmap.mmap(self._fd, size, prot=mmap.PROT_READ), np.uint8)
        return self._memory[offset:end].reshape(shape)
