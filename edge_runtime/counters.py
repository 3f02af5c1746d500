"""What the pipeline has done so far: counted where it happens, read by telemetry and the closing summary."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

RATE_WINDOW_FRAMES = 64


@dataclass(frozen=True)
class Counts:
    """A snapshot.

    Attributes:
        frames: processed.
        detections: made.
        drops: frames not processed, by cause.
        sink_errors: processed frames that an output refused, by the output's stage.
        uptime_s: since the start.
        frames_per_second: over the latest frames, up to now.
        frame_age_s: since the last frame arrived from the source; None before the first.
        tiles_proposed: tiles in which the cheap pass suspected a crack; None where there is none.
        tiles_refined: those of them that had a second look: the others had no time.
    """

    frames: int
    detections: int
    drops: dict[str, int]
    sink_errors: dict[str, int]
    uptime_s: float
    frames_per_second: float
    frame_age_s: float | None
    tiles_proposed: int | None
    tiles_refined: int | None


class Counters:
    """Counts of one run. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._frames = 0
        self._detections = 0
        self._drops: Counter[str] = Counter()
        self._sink_errors: Counter[str] = Counter()
        self._arrived: float | None = None
        self._tiles: tuple[int, int] | None = None
        self._done: deque[float] = deque(maxlen=RATE_WINDOW_FRAMES)

    def frame_arrived(self) -> None:
        """The source gave a frame."""
        with self._lock:
            self._arrived = time.monotonic()

    def frame_done(self, detections: int) -> None:
        """A frame is processed."""
        with self._lock:
            self._frames += 1
            self._detections += detections
            self._done.append(time.monotonic())

    def tiles_done(self, proposed: int, refined: int) -> None:
        """Tiles of a frame had a second look, or should have had one."""
        with self._lock:
            before = self._tiles or (0, 0)
            self._tiles = (before[0] + proposed, before[1] + refined)

    def dropped(self, cause: str, frames: int = 1) -> None:
        """Frames are lost."""
        with self._lock:
            self._drops[cause] += frames

    def sink_failed(self, stage: str) -> None:
        """An output refused a frame."""
        with self._lock:
            self._sink_errors[stage] += 1

    def snapshot(self) -> Counts:
        """The counts now."""
        now = time.monotonic()
        with self._lock:
            span = now - self._done[0] if self._done else 0.0
            return Counts(
                frames=self._frames,
                detections=self._detections,
                drops={cause: frames for cause, frames in self._drops.items() if frames},
                sink_errors=dict(self._sink_errors),
                uptime_s=now - self._started,
                frames_per_second=(len(self._done) - 1) / span if span > 0 else 0.0,
                frame_age_s=None if self._arrived is None else now - self._arrived,
                tiles_proposed=None if self._tiles is None else self._tiles[0],
                tiles_refined=None if self._tiles is None else self._tiles[1],
            )
