"""`jsonl:PATH`: one detection a line, as it would go over MQTT."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame import Frame
from edge_runtime.plugins import Address
from edge_runtime.sinks.sink import Deadline, Sink, SinkContext
from fissura.config import Config
from fissura.errors import FissuraError, SinkError
from fissura.messages import Detection

logger = logging.getLogger(__name__)


class JsonlConfig(Config):
    """`jsonl:` has no options."""


class JsonlSink(Sink):
    """Appends to a file; every line is whole, also after a power cut: a torn last line is cut off at the start."""

    config_class: ClassVar[type[Config]] = JsonlConfig
    stage: ClassVar[str] = "jsonl"

    def __init__(self, address: Address, config: JsonlConfig, context: SinkContext) -> None:
        self._path = Path(address.target)
        self._lines = 0
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._path.open("ab+", buffering=0)
            self._cut_torn_line()
        except OSError as error:
            raise SinkError(f"{self._path} cannot be written: {error.strerror or error}") from error

    def put(self, frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32]) -> None:
        if not detections:
            return
        lines = b"".join(detection.to_json() + b"\n" for detection in detections)
        try:
            written = self._stream.write(lines)
        except OSError as error:
            raise SinkError(f"{self._path} cannot be written: {error.strerror or error}") from error
        if written != len(lines):
            raise SinkError(f"{self._path}: only {written} of {len(lines)} bytes were written: the disk is full")
        self._lines += len(detections)

    def flush(self, deadline: Deadline) -> None:
        os.fsync(self._stream.fileno())

    def close(self, error: FissuraError | None = None) -> None:
        self._stream.close()

    def totals(self) -> dict[str, int]:
        return {"jsonl_lines": self._lines}

    def _cut_torn_line(self) -> None:
        size = self._stream.seek(0, os.SEEK_END)
        if not size:
            return
        whole = 0
        block = 1 << 16
        for start in range((size - 1) // block * block, -1, -block):
            self._stream.seek(start)
            end_of_line = self._stream.read(min(block, size - start)).rfind(b"\n")
            if end_of_line >= 0:
                whole = start + end_of_line + 1
                break
        if whole < size:
            logger.warning("%s ends with a torn line of %d bytes: it is cut off", self._path, size - whole)
            self._stream.truncate(whole)
