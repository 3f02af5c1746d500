"""Power by supply rail: INA3221 and other monitors of the board, and the energy counters of x86 processors."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from edge_runtime.hardware.sysfs import found, present, read_int, read_name, unique

HIGHEST_W = 10_000.0
SHORTEST_S = 0.05  # of an energy difference: the counters step about every millisecond


class Power:
    """Reads the rails under the names that the device gives them.

    Args:
        root: of the file system.
        clock: monotonic seconds.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._volts_amperes: dict[str, Path] = {}  # mV; the current, mA, lies beside it
        self._microwatts: dict[str, Path] = {}
        self._energies: dict[str, _Energy] = {}
        for chip in _monitors(root):
            for label in found(chip, "in[0-9]*_label"):
                self._add_rail(chip, label)
            for path in (*found(chip, "power[0-9]*_input"), *found(chip, "power[0-9]*_average")):
                number = path.name.partition("_")[0]
                name = read_name(chip / f"{number}_label", read_name(chip / "name", chip.name))
                self._microwatts[unique(name, self._microwatts)] = path
        for domain in found(root, "sys/class/powercap/intel-rapl:*"):
            name = read_name(domain / "name", domain.name)
            self._energies[unique(name, self._energies)] = _Energy(domain)

    def read(self) -> dict[str, float]:
        """Watts by rail. Energy counters give none at the first reading, and none where only root may read them."""
        values: dict[str, float | None] = {}
        for name, path in self._volts_amperes.items():
            millivolts = read_int(path)
            milliamperes = read_int(path.with_name(path.name.replace("in", "curr", 1)))
            if millivolts is not None and milliamperes is not None:
                values[name] = millivolts * milliamperes / 1e6
        for name, path in self._microwatts.items():
            microwatts = read_int(path)
            values[name] = None if microwatts is None else microwatts / 1e6
        now_s = self._clock()
        for name, energy in self._energies.items():
            values[name] = energy.watts(now_s)
        return {name: watts for name, watts in values.items() if watts is not None and 0 <= watts < HIGHEST_W}

    def _add_rail(self, chip: Path, label: Path) -> None:
        name = read_name(label, "")
        rail = label.name.removesuffix("_label")
        # NC: not connected. Without a current of its own it is a sum of shunt voltages.
        if name and name != "NC" and present(chip / f"{rail.replace('in', 'curr', 1)}_input"):
            self._volts_amperes[unique(name, self._volts_amperes)] = chip / f"{rail}_input"


class _Energy:
    """One counter of microjoules, which starts from zero again at its range."""

    def __init__(self, domain: Path) -> None:
        self._counter = domain / "energy_uj"
        self._range = read_int(domain / "max_energy_range_uj")
        self._last: tuple[float, int] | None = None

    def watts(self, now_s: float) -> float | None:
        value = read_int(self._counter)
        if value is None:
            self._last = None
            return None
        if self._last is None:
            self._last = now_s, value
            return None
        (then_s, before), passed = self._last, value - self._last[1]
        if now_s - then_s < SHORTEST_S:
            return None
        self._last = now_s, value
        if value < before:
            if self._range is None:
                return None
            passed += self._range
        return passed / 1e6 / (now_s - then_s)


def _monitors(root: Path) -> list[Path]:
    """Folders of the chips, each once: a container may see them only below the bus."""
    chips: dict[str, Path] = {}
    for pattern in ("sys/class/hwmon/hwmon*", "sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*"):
        for chip in found(root, pattern):
            chips.setdefault(os.path.realpath(chip), chip)
    return list(chips.values())
