"""Where a reader leaves frames for the engine: the newest only, or every one in a short queue."""

from __future__ import annotations

import threading
from collections import deque
from typing import Literal

from edge_runtime.frame import Frame

Policy = Literal["latest", "every_frame"]
QUEUE_LENGTH = 4


class FrameSlot:
    """A hand-over between two threads.

    Policy `latest` keeps one frame and replaces it (a live camera: never behind); `every_frame` makes the reader wait
    when the queue is full (files, measurements: nothing is left out), until half of it is taken: so it is woken once
    for several frames.

    Args:
        policy: one of the two.
        changed: shared by the slots that one thread waits for.
    """

    def __init__(self, policy: Policy, changed: threading.Condition | None = None) -> None:
        self._replace = policy == "latest"
        self._capacity = 1 if policy == "latest" else QUEUE_LENGTH
        self._low = self._capacity // 2
        self._frames: deque[Frame] = deque()
        self._closed = False
        self._changed = changed or threading.Condition()

    def put(self, frame: Frame) -> int:
        """Leave a frame; waits for room under `every_frame`.

        Returns:
            How many frames were lost by it: an older one that it replaces, or itself when the slot is closed.
        """
        with self._changed:
            if not self._replace and len(self._frames) >= self._capacity:
                while not self._closed and len(self._frames) > self._low:
                    self._changed.wait()
            if self._closed:
                return 1
            lost = len(self._frames) - self._capacity + 1 if self._replace else 0
            if lost:
                self._frames.popleft()
            self._frames.append(frame)
            self._changed.notify_all()
            return lost

    def next(self) -> Frame | None:
        """The frame that `take` would give, left where it is; None when there is none."""
        with self._changed:
            return self._frames[0] if self._frames else None

    def take(self) -> Frame | None:
        """Take the oldest frame; None when there is none."""
        with self._changed:
            frame = self._frames.popleft() if self._frames else None
            if len(self._frames) <= self._low:
                self._changed.notify_all()
            return frame

    def close(self) -> None:
        """No more frames will come; those that wait can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def exhausted(self) -> bool:
        """Closed, and every frame taken."""
        with self._changed:
            return self._closed and not self._frames

    def __len__(self) -> int:
        with self._changed:
            return len(self._frames)
