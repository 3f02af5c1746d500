"""What tests of health start from."""

from __future__ import annotations

from edge_runtime.control import ControlState
from edge_runtime.counters import Counts, SourceCounts
from edge_runtime.hardware.process import ProcessUse
from edge_runtime.hardware.sensors import Reading

STATE = ControlState(
    paused=False, threshold=0.5, budget_ms=None, bundle_id="ab" * 32, engine="onnxruntime 1.23 CPU", sources=("front",)
)


class Clock:
    """Monotonic seconds that the test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def reading(*, throttled: bool | None = None, **temperatures_c: float) -> Reading:
    """What a device may say."""
    return Reading(
        temperatures_c=temperatures_c,
        clocks_mhz={},
        power_w={},
        fans_rpm={},
        battery_percent=None,
        throttled=throttled,
        throttle_reason="too hot" if throttled else None,
        process=ProcessUse(100.0, 4),
    )


def counts(
    *,
    frames: int = 0,
    done_age_s: float | None = None,
    paused: bool = False,
    drops: dict[str, int] | None = None,
    sink_errors: dict[str, int] | None = None,
    ended: tuple[str, ...] = (),
    waits: tuple[str, ...] = (),
    lost: dict[str, str] | None = None,
    **ages_s: float | None,
) -> Counts:
    """What a pipeline may have counted: the age of the last frame by camera, and what became of some."""
    lost = lost or {}
    known = [age for name, age in ages_s.items() if age is not None and name not in ended]
    return Counts(
        frames=frames,
        detections=0,
        drops=drops or {},
        sink_errors=sink_errors or {},
        uptime_s=1.0,
        frames_per_second=0.0,
        frame_age_s=max(known, default=None),
        done_age_s=done_age_s,
        tiles_proposed=None,
        tiles_refined=None,
        paused=paused,
        sources={
            name: SourceCounts(
                frames, drops or {}, age, 0, name in ended or name in lost, lost.get(name), name in waits
            )
            for name, age in ages_s.items()
        },
    )
