"""NVIDIA's library: loading it, its version, and its messages in our log."""

from __future__ import annotations

import logging
import re
from typing import Any

from edge_runtime.engines.tensorrt.plan_header import Version
from fissura.errors import EngineError, MissingDependencyError

logger = logging.getLogger(__name__)

OLDEST = (8, 6)
LEVELS = {
    "INTERNAL_ERROR": logging.ERROR,
    "ERROR": logging.ERROR,
    "WARNING": logging.WARNING,
    "INFO": logging.DEBUG,
    "VERBOSE": logging.NOTSET,
}


def load_tensorrt() -> Any:
    """Import TensorRT's Python module.

    Raises:
        MissingDependencyError: it is not installed, or its libraries are not found.
        EngineError: it is older than what we know.
    """
    try:
        import tensorrt as trt
    except Exception as error:  # besides ImportError, whatever a library that does not fit raises
        raise MissingDependencyError(
            f"TensorRT cannot be imported: {error}",
            expected="the Python package `tensorrt` with its libraries",
            fix="pip install 'fissura[tensorrt]'; on a Jetson: sudo apt install python3-libnvinfer",
        ) from error
    if library_version(trt) < OLDEST:
        raise EngineError(f"TensorRT is {trt.__version__}", expected="8.6 or newer", fix="update JetPack or TensorRT")
    return trt


def library_version(trt: Any) -> Version:
    """Version of the library, with as many numbers as it states: (10, 3, 0) or (11, 4, 0, 106)."""
    return tuple(int(part) for part in re.findall(r"\d+", trt.__version__)[:4])


def make_logger(trt: Any, problems: list[str]) -> Any:
    """A logger for TensorRT that writes into ours.

    Args:
        trt: the module.
        problems: every message of an error is added to it: TensorRT reports causes there, not as exceptions.
    """

    class _Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            level = LEVELS.get(severity.name, logging.INFO)
            if level == logging.ERROR:
                problems.append(message)
            if level:
                logger.log(level, "%s", message)

    return _Log()
