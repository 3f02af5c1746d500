"""What the pipeline has done so far: counted where it happens, read by telemetry and the closing summary."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

RATE_WINDOW_FRAMES = 64


@dataclass(frozen=True)
class SourceCounts:
    """What became of one camera's frames.

    Attributes:
        frames: processed.
        drops: not processed, by cause.
        frame_age_s: since its last frame arrived; None before the first.
        reconnects: how often the camera came back after it was lost.
        ended: it has come to its end, and its silence means nothing.
        lost: why it failed for good; None while it has not.
        waits: its newest frame waits for room, so that no other can arrive.
    """

    frames: int
    drops: dict[str, int]
    frame_age_s: float | None
    reconnects: int
    ended: bool = False
    lost: str | None = None
    waits: bool = False


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
        frame_age_s: since the last frame arrived from the camera that is silent for longest; None before the first.
        done_age_s: since a frame was last processed; None before the first.
        tiles_proposed: tiles in which the cheap pass suspected a crack; None where there is none.
        tiles_refined: those of them that had a second look: the others had no time.
        paused: frames are left out because the operator wants it.
        sources: the same by camera, ended ones left out of `frame_age_s`.
    """

    frames: int
    detections: int
    drops: dict[str, int]
    sink_errors: dict[str, int]
    uptime_s: float
    frames_per_second: float
    frame_age_s: float | None
    done_age_s: float | None
    tiles_proposed: int | None
    tiles_refined: int | None
    paused: bool
    sources: dict[str, SourceCounts]


@dataclass
class _Camera:
    frames: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    arrived: float | None = None
    reconnects: int = 0
    ended: bool = False
    lost: str | None = None
    waits: bool = False


class Counters:
    """Counts of one run. Safe to use from several threads.

    Args:
        sources: names of the cameras; others are added with their first frame.
    """

    def __init__(self, sources: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._detections = 0
        self._sink_errors: Counter[str] = Counter()
        self._tiles: tuple[int, int] | None = None
        self._done: deque[float] = deque(maxlen=RATE_WINDOW_FRAMES)
        self._cameras: dict[str, _Camera] = {name: _Camera() for name in sources}
        self._paused = False

    def frame_arrived(self, source: str = "") -> None:
        """A camera gave a frame."""
        with self._lock:
            self._camera(source).arrived = time.monotonic()

    def source_reconnected(self, source: str, times: int) -> None:
        """A camera came back after it was lost, so often since the start."""
        with self._lock:
            self._camera(source).reconnects = times

    def source_ended(self, source: str, lost: str | None = None) -> None:
        """A camera or file has come to its end; `lost`: by a failure, in words."""
        with self._lock:
            camera = self._camera(source)
            camera.ended, camera.lost = True, lost

    def source_waits(self, source: str, yes: bool) -> None:
        """A camera's frame waits for room from now on, or no longer."""
        with self._lock:
            self._camera(source).waits = yes

    def frame_done(self, detections: int, source: str = "") -> None:
        """A frame is processed."""
        with self._lock:
            self._camera(source).frames += 1
            self._detections += detections
            self._done.append(time.monotonic())

    def tiles_done(self, proposed: int, refined: int) -> None:
        """Tiles of a frame had a second look, or should have had one."""
        with self._lock:
            before = self._tiles or (0, 0)
            self._tiles = (before[0] + proposed, before[1] + refined)

    def dropped(self, cause: str, frames: int = 1, source: str = "") -> None:
        """Frames are lost."""
        if frames:
            with self._lock:
                self._camera(source).drops[cause] += frames

    def sink_failed(self, stage: str) -> None:
        """An output refused a frame."""
        with self._lock:
            self._sink_errors[stage] += 1

    def paused(self, yes: bool) -> None:
        """Frames are left out from now on, or no longer."""
        with self._lock:
            self._paused = yes

    def snapshot(self) -> Counts:
        """The counts now."""
        now = time.monotonic()
        with self._lock:
            span = now - self._done[0] if self._done else 0.0
            drops = sum((camera.drops for camera in self._cameras.values()), Counter[str]())
            running = [camera for camera in self._cameras.values() if not camera.ended] or self._cameras.values()
            arrived = [camera.arrived for camera in running if camera.arrived is not None]
            return Counts(
                frames=sum(camera.frames for camera in self._cameras.values()),
                detections=self._detections,
                drops=dict(drops),
                sink_errors=dict(self._sink_errors),
                uptime_s=now - self._started,
                frames_per_second=(len(self._done) - 1) / span if span > 0 else 0.0,
                frame_age_s=now - min(arrived) if arrived else None,
                done_age_s=now - self._done[-1] if self._done else None,
                tiles_proposed=None if self._tiles is None else self._tiles[0],
                tiles_refined=None if self._tiles is None else self._tiles[1],
                paused=self._paused,
                sources={
                    name: SourceCounts(
                        camera.frames,
                        dict(camera.drops),
                        None if camera.arrived is None else now - camera.arrived,
                        camera.reconnects,
                        camera.ended,
                        camera.lost,
                        camera.waits,
                    )
                    for name, camera in self._cameras.items()
                },
            )

    def _camera(self, name: str) -> _Camera:
        return self._cameras.setdefault(name, _Camera())
