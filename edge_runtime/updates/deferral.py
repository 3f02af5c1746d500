"""When an installation has to wait: in flight, in the heat, on a weak battery, outside its hours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from edge_runtime.hardware.supply import Battery
from edge_runtime.hardware.temperatures import Temperatures
from edge_runtime.updates.config import DeferConfig
from fissura.errors import DeferredError


class DeviceConditions:
    """Looks at the device.

    Args:
        config: limits.
        root: of the file system; tests lay out another.
        now: local time.
    """

    def __init__(self, config: DeferConfig, root: Path = Path("/"), now: Callable[[], datetime] = datetime.now) -> None:
        self._config = config
        self._temperatures = Temperatures(root)
        self._battery = Battery(root)
        self._now = now

    def check(self) -> None:
        self._check_flight()
        self._check_heat()
        self._check_battery()
        self._check_hours()

    def _check_flight(self) -> None:
        if self._config.flight_file is not None and self._config.flight_file.exists():
            raise DeferredError(f"flight: {self._config.flight_file} is there")

    def _check_heat(self) -> None:
        limit = self._config.hottest_c
        if limit is None:
            return
        zone, celsius = max(self._temperatures.read().items(), key=lambda item: item[1], default=("", float("-inf")))
        if celsius > limit:
            raise DeferredError(f"heat: {zone} is at {celsius:.0f} degrees", expected=f"{limit:g} at most")

    def _check_battery(self) -> None:
        limit, percent = self._config.lowest_battery_percent, self._battery.read()
        if limit is not None and percent is not None and percent < limit:
            raise DeferredError(f"battery: {percent:.0f} % are left", expected=f"{limit:g} % at least")

    def _check_hours(self) -> None:
        first, last = self._config.not_before, self._config.not_after
        if first is None or last is None:
            return
        now = self._now().time()
        inside = first <= now <= last if first <= last else now >= first or now <= last
        if not inside:
            raise DeferredError(f"hours: it is {now:%H:%M}", expected=f"{first:%H:%M} to {last:%H:%M}")
