"""Fans and batteries."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.hardware.sysfs import found, read_bytes, read_int, read_name, unique

HIGHEST_RPM = 100_000


class Fans:
    """Fans whose turns are counted.

    Args:
        root: of the file system.
    """

    def __init__(self, root: Path) -> None:
        self._files: dict[str, Path] = {}
        for chip in found(root, "sys/class/hwmon/hwmon*"):
            # Jetsons of JetPack 5 have a tachometer with a file of its own name.
            for path in (*found(chip, "fan[0-9]*_input"), *found(chip, "rpm")):
                label = chip / f"{path.name.partition('_')[0]}_label"
                self._files[unique(read_name(label, read_name(chip / "name", chip.name)), self._files)] = path

    def read(self) -> dict[str, int]:
        """Turns a minute by fan; those that do not say are left out."""
        values = {name: read_int(path) for name, path in self._files.items()}
        return {name: rpm for name, rpm in values.items() if rpm is not None and 0 <= rpm < HIGHEST_RPM}


class Battery:
    """The battery that feeds the device, if there is one; those of its mice do not count.

    Args:
        root: of the file system.
    """

    def __init__(self, root: Path) -> None:
        supplies = [path.parent for path in found(root, "sys/class/power_supply/*/capacity")]
        self._files = [
            supply / "capacity" for supply in supplies if (read_bytes(supply / "scope") or b"").strip() != b"Device"
        ]

    def read(self) -> float | None:
        """Percent left, of the emptiest where there are several; None without one."""
        values = [value for path in self._files if (value := read_int(path)) is not None]
        return min((float(value) for value in values if 0 <= value <= 100), default=None)
