"""Whether the device holds its clocks down, and why.

A processor's highest clock below its hardware's is no sign by itself: that is how a power mode of a Jetson or a user's
setting looks too. What counts is a cooling device at work, a zone at its trip point, and rising counters.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.hardware.sysfs import found, read_int, read_name
from edge_runtime.hardware.temperatures import Trip

# A counter tells that something was, not that it is: it holds for so long.
EVENT_HOLD_S = 10.0
# Fans cool too, without any loss, and "TCC Offset" is a setting.
_SLOWS_DOWN = re.compile(r"cpufreq|devfreq|processor|throttle|powerclamp|gpu", re.IGNORECASE)
# Orin and later, of the driver soctherm-oc-event.
OVER_CURRENT = {"oc1": "under-voltage", "oc2": "average over-current", "oc3": "instantaneous over-current"}


@dataclass
class _Events:
    """A counter of the kernel, and when it rose last."""

    words: str
    path: Path
    count: int | None
    rose_s: float = float("-inf")


class Throttling:
    """Looks at everything that tells of throttling.

    Args:
        root: of the file system.
        trips: of the zones that `read` gets the temperatures of.
        clock: monotonic seconds.
    """

    def __init__(self, root: Path, trips: dict[str, Trip], clock: Callable[[], float] = time.monotonic) -> None:
        self._trips = trips
        self._clock = clock
        self._coolers: dict[Path, str] = {}
        for folder in found(root, "sys/class/thermal/cooling_device*"):
            kind = read_name(folder / "type", "")
            if _SLOWS_DOWN.search(kind) and "fan" not in kind.lower():
                self._coolers[folder / "cur_state"] = f"{kind} ({folder.name})"
        self._events = [_Events(words, path, read_int(path)) for words, path in _counters(root)]

    def read(self, temperatures_c: dict[str, float]) -> tuple[bool | None, str | None]:
        """Whether it is throttled, and the reasons in words; (None, None) where the device tells nothing.

        Args:
            temperatures_c: by zone, now.
        """
        heard, reasons = False, list[str]()
        for path, name in self._coolers.items():
            step = read_int(path)
            heard |= step is not None
            if step is not None and step > 0:
                reasons.append(f"{name} at step {step}")
        for zone, trip in self._trips.items():
            celsius = temperatures_c.get(zone)
            heard |= celsius is not None
            if celsius is not None and celsius >= trip.celsius:
                reasons.append(f"{zone} {celsius:.1f} °C, {trip.kind} trip at {trip.celsius:.1f} °C")
        now_s = self._clock()
        for events in self._events:
            count = read_int(events.path)
            heard |= count is not None
            if count is not None and events.count is not None and count > events.count:
                events.rose_s = now_s
            events.count = events.count if count is None else count
            if now_s - events.rose_s < EVENT_HOLD_S and events.words not in reasons:
                reasons.append(events.words)
        if not heard:
            return None, None
        return bool(reasons), "; ".join(reasons) or None


def _counters(root: Path) -> Iterator[tuple[str, Path]]:
    for path in found(root, "sys/class/hwmon/hwmon*/oc[0-9]*_event_cnt"):
        alarm = path.name.partition("_")[0]
        yield f"{OVER_CURRENT.get(alarm, 'over-current')} ({alarm})", path
    for path in found(root, "sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count"):
        yield "processor core too hot", path
    # All cores of a package repeat its counter.
    for path in found(root, "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count"):
        yield "processor package too hot", path
