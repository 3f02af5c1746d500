"""Everything that the device says about itself, at most once a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.hardware.clocks import Clocks
from edge_runtime.hardware.power import Power
from edge_runtime.hardware.process import ProcessUse, own_use
from edge_runtime.hardware.supply import Battery, Fans
from edge_runtime.hardware.temperatures import Temperatures
from edge_runtime.hardware.throttling import Throttling

PERIOD_S = 1.0


@dataclass(frozen=True)
class Reading:
    """What was read; what the device does not say is left out of the dictionaries, or None.

    Attributes:
        temperatures_c: degrees Celsius by thermal zone.
        clocks_mhz: of `cpu`, its fastest core, and `gpu`.
        power_w: by supply rail.
        fans_rpm: turns a minute by fan.
        battery_percent: what is left in the battery.
        throttled: whether the device holds its clocks down.
        throttle_reason: why, in words.
        process: what this process uses.
    """

    temperatures_c: dict[str, float]
    clocks_mhz: dict[str, float]
    power_w: dict[str, float]
    fans_rpm: dict[str, int]
    battery_percent: float | None
    throttled: bool | None
    throttle_reason: str | None
    process: ProcessUse


class Sensors:
    """Looks once for what there is, and reads it as often as asked. Safe to use from several threads.

    Args:
        root: of the file system; tests lay out another.
        clock: monotonic seconds.
    """

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._lock = threading.Lock()
        self._temperatures = Temperatures(root)
        self._clocks = Clocks(root)
        self._power = Power(root, clock)
        self._fans = Fans(root)
        self._battery = Battery(root)
        self._throttling = Throttling(root, self._temperatures.trips, clock)
        self._last: tuple[float, Reading] | None = None

    def read(self) -> Reading:
        """A reading, not older than a second."""
        with self._lock:
            now_s = self._clock()
            if self._last is None or now_s - self._last[0] >= PERIOD_S:
                self._last = now_s, self._read()
            return self._last[1]

    def _read(self) -> Reading:
        temperatures_c = self._temperatures.read()
        throttled, reason = self._throttling.read(temperatures_c)
        return Reading(
            temperatures_c=temperatures_c,
            clocks_mhz=self._clocks.read(),
            power_w=self._power.read(),
            fans_rpm=self._fans.read(),
            battery_percent=self._battery.read(),
            throttled=throttled,
            throttle_reason=reason,
            process=own_use(self._root),
        )
