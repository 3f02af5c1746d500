"""All that is known about the run at one moment: what `/healthz` and `/metrics` answer from."""

from __future__ import annotations

from dataclasses import dataclass

from edge_runtime.control import ControlState
from edge_runtime.counters import Counts
from edge_runtime.hardware.sensors import Reading
from edge_runtime.health.outbox import OutboxState
from edge_runtime.health.verdict import Verdict
from fissura import __version__


@dataclass(frozen=True)
class Snapshot:
    """Made by the health thread about once a second.

    Attributes:
        taken_s: monotonic seconds.
        counts: of the pipeline.
        verdict: whether it is well.
        reading: of the device's sensors.
        outboxes: the message stores.
        state: what is set, and which model runs.
        every: of so many frames of a live camera one is processed.
        stopping: the end has begun.
    """

    taken_s: float
    counts: Counts
    verdict: Verdict
    reading: Reading
    outboxes: tuple[OutboxState, ...]
    state: ControlState
    every: int
    stopping: bool

    @property
    def status(self) -> str:
        """One word: stopping, failing, paused, degraded or ok."""
        return "stopping" if self.stopping else self.verdict.status

    def line(self) -> str:
        """What `systemctl status` shows."""
        counts, words = self.counts, [self.status]
        words += self.verdict.problems + self.verdict.degraded
        if self.every > 1:
            words.append(f"throttled, one of {self.every} frames is processed")
        return f"{'; '.join(words)}; {counts.frames} frames, {counts.frames_per_second:.1f} a second"

    def document(self) -> dict[str, object]:
        """What `/healthz` answers."""
        counts, verdict, reading = self.counts, self.verdict, self.reading
        return {
            "status": self.status,
            "problems": verdict.problems,
            "degraded": verdict.degraded,
            "processing": verdict.processing,
            "paused": verdict.paused,
            "frames": counts.frames,
            "frames_per_second": round(counts.frames_per_second, 3),
            "frame_age_s": _rounded(counts.frame_age_s),
            "processed_age_s": _rounded(counts.done_age_s),
            "uptime_s": _rounded(counts.uptime_s),
            "throttled": reading.throttled,
            "throttle_reason": reading.throttle_reason,
            "one_frame_of": self.every,
            "bundle_id": self.state.bundle_id,
            "engine": self.state.engine,
            "version": __version__,
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
