"""Execution contexts without activation memory of their own, by family of TensorRT versions.

A recorded CUDA graph is tied to the state of the context that it was recorded from, so each shape has a context. They
run one after another, so one piece of activation memory serves them all.
"""

from __future__ import annotations

from typing import Any

from edge_runtime.engines.tensorrt.plan_header import Version
from fissura.errors import EngineError


def activation_bytes(engine: Any, version: Version) -> int:
    """Device memory that a context needs while it runs, for the largest shape."""
    return max(1, _activation_bytes_8(engine) if version < (10,) else _activation_bytes_10(engine))


def create_context(trt: Any, engine: Any, version: Version, address: int, size: int) -> Any:
    """A context that computes in the given device memory.

    Raises:
        EngineError: TensorRT gives none.
    """
    context = _create_8(engine, address) if version < (10,) else _create_10(trt, engine, address, size)
    if context is None:
        raise EngineError("TensorRT gives no execution context", fix="look at the log, and at the free memory")
    return context


def _activation_bytes_8(engine: Any) -> int:
    return int(engine.device_memory_size)


def _activation_bytes_10(engine: Any) -> int:
    return int(engine.device_memory_size_v2)


def _create_8(engine: Any, address: int) -> Any:
    context = engine.create_execution_context_without_device_memory()
    if context is not None:
        context.device_memory = address
    return context


def _create_10(trt: Any, engine: Any, address: int, size: int) -> Any:
    context = engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
    if context is not None:
        context.set_device_memory(address, size)
    return context
