"""`jsonl:PATH`: one detection a line, as it would go over MQTT."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from edge_runtime.frame import Frame
from edge_runtime.plugins import Address
from edge_runtime.sinks.sink import Deadline, Sink, SinkContext
from fissura.config import Config
from fissura.errors import FissuraError, SinkError
from fissura.messages import Detection

logger = logging.getLogger(__name__)

HEAD_BYTES = 1 << 20  # of a file, enough for its first detection
OPENING = b'{"schema_version":'  # of every detection


class JsonlConfig(Config):
    """`jsonl:` has no options."""


class JsonlSink(Sink):
    """Appends to a file; every line is whole, also after a power cut: a torn last line is cut off at the start."""

    config_class: ClassVar[type[Config]] = JsonlConfig
    stage: ClassVar[str] = "jsonl"
    takes: ClassVar[Literal["seen", "told"]] = "told"

    def __init__(self, address: Address, config: JsonlConfig, context: SinkContext) -> None:
        self._path = Path(address.target)
        self._lines = 0
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._is_file = self._path.is_file() or not self._path.exists()  # else a pipe or a terminal: /dev/stdout
            self._stream = self._path.open("ab+" if self._is_file else "ab", buffering=0)
            if self._is_file:
                self._cut_torn_line()
        except OSError as error:
            raise self._failed(error) from error

    def put(self, frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32]) -> None:
        if not detections:
            return
        lines = b"".join(detection.to_json() + b"\n" for detection in detections)
        try:
            self._append(lines)
        except OSError as error:
            raise self._failed(error) from error
        self._lines += len(detections)

    def flush(self, deadline: Deadline) -> None:
        try:
            os.fsync(self._stream.fileno())
        except OSError as error:
            if error.errno != errno.EINVAL:  # a pipe has nothing to bring to a disk
                raise self._failed(error) from error

    def close(self, error: FissuraError | None = None) -> None:
        try:
            self._stream.close()
        except OSError as failure:  # a network disk tells as late as now that it is full
            raise self._failed(failure) from failure

    def totals(self) -> dict[str, int]:
        return {"jsonl_lines": self._lines}

    def _append(self, lines: bytes) -> None:
        """Write all or, in a file, nothing: a torn line would spoil the one after it."""
        end = self._stream.seek(0, os.SEEK_END) if self._is_file else 0
        rest = memoryview(lines)
        try:
            while rest:
                written = self._stream.write(rest)
                if not written:  # a pipe that does not wait for its reader
                    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
                rest = rest[written:]
        except OSError:
            if self._is_file:
                self._stream.truncate(end)
            raise

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
            self._check_ours(whole)
            logger.warning("%s ends with a torn line of %d bytes: it is cut off", self._path, size - whole)
            self._stream.truncate(whole)

    def _check_ours(self, whole: int) -> None:
        """Nothing is cut off a file that holds something else than detections."""
        self._stream.seek(0)
        first = self._stream.read(HEAD_BYTES).partition(b"\n")[0]
        if whole:
            try:
                Detection.model_validate_json(first)
                return
            except ValidationError:
                pass
        elif first.startswith(OPENING) or OPENING.startswith(first):  # the first line itself is the torn one
            return
        self._stream.close()
        raise SinkError(
            f"{self._path} holds something else than detections, and its last line has no end",
            expected="a new file, or one that an earlier run has written",
            fix="name another file",
        )

    def _failed(self, error: OSError) -> SinkError:
        return SinkError(f"{self._path} cannot be written: {error.strerror or error}")
