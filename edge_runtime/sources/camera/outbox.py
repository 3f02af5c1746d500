"""What the reader process has to hand over: the newest frame, on request.

The run asks with one byte and gets one answer: a frame, or a number of unreadable ones. A frame that nobody asked for
before the next one came is overwritten: the camera is never waited for, and never falls behind.
"""

from __future__ import annotations

import json
import math
import socket
import threading
from typing import Any

from edge_runtime.sources.camera.ring import Pixels, RingWriter, Slot
from fissura.errors import SourceError


class Outbox:
    """Frames are put in by one thread, requests are answered by another.

    Args:
        channel: to the run; SOCK_SEQPACKET, so that each answer stays whole.
        ring: where the frames lie.
    """

    def __init__(self, channel: socket.socket, ring: RingWriter) -> None:
        self._channel = channel
        self._ring = ring
        self._lock = threading.Lock()
        self._wanted = False
        self._unreadable = 0
        self._superseded = 0
        self._sequence = 0  # of the next frame
        self._newest: dict[str, Any] | None = None
        self._last: Slot | None = None  # written last, whether it is still to be handed over or not
        self._held: Slot | None = None  # the run may be reading it
        self._free: Slot | None = None

    def place(self, shape: tuple[int, ...]) -> Pixels:
        """Where the next frame of this shape is to be written."""
        with self._lock:
            self._free = self._ring.slot(math.prod(shape), (self._held, self._last))
        return self._free.view(shape)

    def put(self, image: Pixels, monotonic_ns: int, utc_ns: int) -> None:
        """Hand over what now stands at the last `place`."""
        assert self._free is not None
        with self._lock:
            self._superseded += self._newest is not None
            self._newest = {
                "kind": "frame",
                "offset": self._free.offset,
                "shape": image.shape,
                "sequence": self._sequence,
                "superseded": self._superseded,
                "monotonic_ns": monotonic_ns,
                "utc_ns": utc_ns,
            }
            self._last = self._free
            self._sequence += 1
            self._answer()

    def unreadable(self) -> None:
        """Count a frame that came, but could not be decoded."""
        with self._lock:
            self._unreadable += 1
            self._sequence += 1
            self._answer()

    def fail(self, cause: str, error: SourceError) -> None:
        """Say why there will be no more frames."""
        words = {"found": error.found, "expected": error.expected, "fix": error.fix}
        self._channel.send(json.dumps({"kind": "failed", "cause": cause, **words}).encode())

    def serve(self) -> None:
        """Answer requests until the run is gone."""
        while self._received():
            with self._lock:
                self._wanted, self._held = True, None
                self._answer()

    def _received(self) -> bytes:
        try:
            return self._channel.recv(1)
        except OSError:
            return b""

    def _answer(self) -> None:
        if not self._wanted:
            return
        if self._unreadable:
            answer: dict[str, Any] = {"kind": "unreadable", "count": self._unreadable, "next": self._sequence}
            self._unreadable = 0
        elif self._newest is not None:
            answer, self._newest, self._held = self._newest, None, self._last
        else:
            return
        self._wanted = False
        self._channel.send(json.dumps(answer).encode())
