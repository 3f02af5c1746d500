"""Whether the run is well: what is a fault, what is only worth saying, and what the service manager must end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_runtime.counters import Counts
from edge_runtime.health.governor import LEFT_OUT
from edge_runtime.health.outbox import OutboxState

# The first frame may load a GPU's libraries, and choose its kernels.
WARM_UP_S = 120.0
# An output that refused a frame is in trouble for so long after; those without a crack bring no news.
OUTPUT_HOLD_S = 30.0


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Attributes:
        processing: the pipeline works on what arrives, or nothing arrives: a restart would mend nothing.
        problems: faults, in words; none: healthy.
        degraded: what is not as it should be and yet no fault, such as a broker out of reach.
        paused: frames are left out because the operator wants it.
    """

    processing: bool
    problems: tuple[str, ...]
    degraded: tuple[str, ...]
    paused: bool

    @property
    def healthy(self) -> bool:
        """Whether there is no fault."""
        return not self.problems

    @property
    def status(self) -> str:
        """One word: failing, paused, degraded or ok."""
        if self.problems:
            return "failing"
        if self.paused:
            return "paused"
        return "degraded" if self.degraded else "ok"


class Judge:
    """Looks about once a second and remembers what it needs.

    Args:
        frame_limit_s: silence of a camera that is a fault.
        processing_limit_s: a frame that waits for longer is one too, and no progress until then.
        clock: monotonic seconds.
    """

    def __init__(
        self, frame_limit_s: float, processing_limit_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._frame_limit_s = frame_limit_s
        self._processing_limit_s = processing_limit_s
        self._clock = clock
        # Ages are counted from here: the start, or the end of the last pause.
        self._since_s = clock()
        self._frames = 0
        self._pending_s: float | None = None
        self._left_out = 0
        self._left_out_s = float("-inf")
        self._output_errors: dict[str, int] = {}
        self._refused_s: dict[str, float] = {}

    def look(self, counts: Counts, outboxes: Sequence[OutboxState] = ()) -> Verdict:
        """The verdict now.

        Args:
            counts: of the pipeline.
            outboxes: the message stores.
        """
        now_s = self._clock()
        if counts.paused:
            self._since_s = now_s
        silent = self._silent(counts, now_s - self._since_s)
        stalled = self._stalled(counts, now_s)
        problems = [*silent, *([stalled] if stalled else ())]
        problems += [outbox.problem for outbox in outboxes if outbox.problem is not None]
        problems += self._refusing(counts, now_s)
        degraded = () if all(outbox.connected for outbox in outboxes) else ("the broker is out of reach",)
        return Verdict(stalled is None, tuple(problems), degraded, counts.paused)

    def _silent(self, counts: Counts, running_s: float) -> list[str]:
        """Cameras from which nothing comes; before the first frame the time counts from the start."""
        if not counts.sources and running_s > self._frame_limit_s:
            return [f"no frame yet, {running_s:.1f} s after the start"]
        problems = []
        for name, source in counts.sources.items():
            if source.lost is not None:
                problems.append(f"camera {name or '(unnamed)'} is lost: {source.lost}")
            if source.ended or source.waits:
                continue
            age_s = source.frame_age_s
            silent_s = running_s if age_s is None else min(age_s, running_s)
            if silent_s > self._frame_limit_s:
                first = "no frame yet" if age_s is None else "no frame"
                problems.append(f"{first} from camera {name or '(unnamed)'} for {silent_s:.1f} s")
        return problems

    def _stalled(self, counts: Counts, now_s: float) -> str | None:
        """A frame has arrived, and none was finished for too long.

        That no more arrive is no excuse: a queue that is full keeps its camera waiting. That the last one to arrive was
        finished is one: then the camera is absent, and a restart brings it back no sooner.
        """
        ages = [source.frame_age_s for source in counts.sources.values() if source.frame_age_s is not None]
        done_s = counts.done_age_s
        pending = bool(ages) and (done_s is None or min(ages) < done_s) and not self._ends_left_out(counts, ages, now_s)
        if counts.frames != self._frames or counts.paused or not pending:
            self._frames = counts.frames
            self._pending_s = None
            return None
        self._pending_s = now_s if self._pending_s is None else self._pending_s
        waited_s = now_s - self._pending_s
        limit_s = self._processing_limit_s if counts.frames else max(self._processing_limit_s, WARM_UP_S)
        if waited_s <= limit_s:
            return None
        failed = counts.drops.get("failed", 0)
        return f"frames arrive and none was processed for {waited_s:.1f} s" + (f", {failed} failed" if failed else "")

    def _ends_left_out(self, counts: Counts, ages: Sequence[float], now_s: float) -> bool:
        """Whether the cameras are silent and their last frame may be one that the governor left out."""
        left_out = counts.drops.get(LEFT_OUT, 0)
        if left_out != self._left_out:
            self._left_out, self._left_out_s = left_out, now_s
        silent_s = min(ages)
        return (
            silent_s > min(self._frame_limit_s, self._processing_limit_s / 2) and now_s - silent_s <= self._left_out_s
        )

    def _refusing(self, counts: Counts, now_s: float) -> list[str]:
        for output, errors in counts.sink_errors.items():
            if errors > self._output_errors.get(output, 0):
                self._refused_s[output] = now_s
        self._output_errors = counts.sink_errors
        return [
            f"output {name} refuses frames" for name, at_s in self._refused_s.items() if now_s - at_s < OUTPUT_HOLD_S
        ]
