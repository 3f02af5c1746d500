"""Memory and streams of the GPU: what the engine needs of CUDA, by whichever library offers it.

One thread owns what is opened here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines.tensorrt.config import CudaLibrary


@dataclass(frozen=True)
class Device:
    """A GPU.

    Attributes:
        name: as the driver states it.
        capability: compute capability, as in '8.7'.
        memory_bytes: of the device.
    """

    name: str
    capability: str
    memory_bytes: int


class Pinned(Protocol):
    """Host memory that the GPU copies from and to by itself.

    Attributes:
        array: its bytes.
    """

    array: NDArray[np.uint8]

    def free(self) -> None:
        """Give it back."""


class Block(Protocol):
    """Device memory.

    Attributes:
        address: where it begins, on the device.
    """

    address: int

    def free(self) -> None:
        """Give it back."""


class Recording(Protocol):
    """A CUDA graph, ready to be launched."""

    def free(self) -> None:
        """Give it back."""


class Stream(Protocol):
    """Work that the GPU does in order, while the caller goes on.

    Attributes:
        handle: for TensorRT.
    """

    handle: int

    def to_device(self, block: Block, pinned: Pinned, size: int) -> None:
        """Copy the first `size` bytes."""

    def to_host(self, pinned: Pinned, block: Block, size: int) -> None:
        """Copy the first `size` bytes."""

    def mark(self) -> None:
        """Remember this place in the stream."""

    def wait(self) -> None:
        """Sleep until the marked place is reached."""

    def synchronize(self) -> None:
        """Wait until everything is done."""

    def record(self) -> None:
        """From here on, work is recorded instead of done."""

    def recorded(self) -> Recording:
        """End the recording."""

    def launch(self, recording: Recording) -> None:
        """Do recorded work."""

    def free(self) -> None:
        """Give it back."""


class Memory(Protocol):
    """A CUDA library on the first GPU. Every method raises EngineError where CUDA refuses.

    Attributes:
        records: whether its streams can record.
    """

    records: bool

    def device(self) -> Device:
        """The GPU."""

    def pinned(self, size: int) -> Pinned:
        """So many bytes of host memory."""

    def allocate(self, size: int) -> Block:
        """So many bytes of device memory."""

    def stream(self) -> Stream:
        """A new stream."""

    def close(self) -> None:
        """Let go of the GPU."""


def open_memory(library: CudaLibrary) -> Memory:
    """Load a CUDA library and open the first GPU.

    Raises:
        MissingDependencyError: the library is not installed.
        EngineError: there is no GPU, or its driver does not answer.
    """
    if library == "pycuda":
        from edge_runtime.engines.tensorrt.pycuda_memory import PyCudaMemory

        return PyCudaMemory()
    from edge_runtime.engines.tensorrt.cuda_python_memory import CudaPythonMemory

    return CudaPythonMemory()
