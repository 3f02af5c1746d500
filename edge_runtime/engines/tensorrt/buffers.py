"""A tensor's memory on both sides of the bus. It lasts as long as the engine, and only grows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines.tensorrt.memory import Block, Memory, Pinned, Stream
from edge_runtime.engines.tensorrt.shapes import Shape


class Buffer:
    """Pinned host memory and device memory of one tensor.

    Args:
        memory: where from.
        dtype: of the tensor's elements.
    """

    def __init__(self, memory: Memory, dtype: type[np.uint8] | type[np.float32]) -> None:
        self._memory = memory
        self._dtype = np.dtype(dtype)
        self._pinned: Pinned | None = None
        self._block: Block | None = None
        self._size = 0

    @property
    def address(self) -> int:
        """Where it begins, on the device."""
        assert self._block is not None
        return self._block.address

    def reserve(self, shape: Shape) -> bool:
        """Make room; returns whether the memory moved.

        Raises:
            EngineError: there is not enough memory; the buffer is empty then.
        """
        needed = self._bytes(shape)
        if needed <= self._size:
            return False
        self.free()
        # The size is stated last: half an allocation must count as none, and yet be freed.
        self._block = self._memory.allocate(needed)
        self._pinned = self._memory.pinned(needed)
        self._size = needed
        return True

    def host(self, shape: Shape) -> NDArray[np.generic]:
        """The host's side as an array: a view."""
        assert self._pinned is not None
        return self._pinned.array[: self._bytes(shape)].view(self._dtype).reshape(shape)

    def upload(self, stream: Stream, shape: Shape) -> None:
        """Copy to the device."""
        assert self._block is not None and self._pinned is not None
        stream.to_device(self._block, self._pinned, self._bytes(shape))

    def download(self, stream: Stream, shape: Shape) -> None:
        """Copy to the host."""
        assert self._block is not None and self._pinned is not None
        stream.to_host(self._pinned, self._block, self._bytes(shape))

    def free(self) -> None:
        """Give both sides back."""
        self._size = 0
        pinned, self._pinned = self._pinned, None
        block, self._block = self._block, None
        if pinned is not None:
            pinned.free()
        if block is not None:
            block.free()

    def _bytes(self, shape: Shape) -> int:
        return int(np.prod(shape, dtype=np.int64)) * self._dtype.itemsize
