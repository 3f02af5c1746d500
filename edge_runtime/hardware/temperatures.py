"""Temperatures by zone, and the trip points at which the kernel holds clocks down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_runtime.hardware.sysfs import found, present, read_int, read_name, unique

# What dead sensors give (-256, 0 K, 255.996) is no temperature.
LOWEST_C, HIGHEST_C = -60.0, 200.0
# "active" trips switch fans and cost no speed.
THROTTLING_TRIPS = ("passive", "hot", "critical")


@dataclass(frozen=True)
class Trip:
    """The lowest temperature at which the kernel slows a zone down, and its kind."""

    celsius: float
    kind: str


class Temperatures:
    """The thermal zones, and sensors of chips that are no zone (the processor's on a PC, the disk's).

    Args:
        root: of the file system.

    Attributes:
        trips: by zone, where it has one that slows down.
    """

    def __init__(self, root: Path) -> None:
        self._files: dict[str, Path] = {}
        self.trips: dict[str, Trip] = {}
        for zone in found(root, "sys/class/thermal/thermal_zone*"):
            name = unique(read_name(zone / "type", zone.name), self._files)
            self._files[name] = zone / "temp"
            trip = _lowest_trip(zone)
            if trip is not None:
                self.trips[name] = trip
        # The kernel repeats each zone as a chip of the same name, with "_" for "-".
        zones = {name.replace("-", "_") for name in self._files}
        for chip in found(root, "sys/class/hwmon/hwmon*"):
            name = read_name(chip / "name", chip.name)
            # The first sensor stands for the chip: the package, Tctl, Composite.
            if present(chip / "temp1_input") and name.replace("-", "_") not in zones:
                self._files[unique(name, self._files)] = chip / "temp1_input"

    def read(self) -> dict[str, float]:
        """Degrees Celsius by zone; those that give nothing at the moment are left out."""
        values = {name: _celsius(path) for name, path in self._files.items()}
        return {name: value for name, value in values.items() if value is not None}


def _celsius(path: Path) -> float | None:
    value = read_int(path)
    if value is None or not LOWEST_C <= value / 1000 <= HIGHEST_C:
        return None
    return value / 1000


def _lowest_trip(zone: Path) -> Trip | None:
    trips = []
    for path in found(zone, "trip_point_*_temp"):
        kind = read_name(path.with_name(path.name.removesuffix("temp") + "type"), "")
        celsius = _celsius(path)
        # Zero and below are places that the firmware left empty.
        if kind in THROTTLING_TRIPS and celsius is not None and celsius > 0:
            trips.append(Trip(celsius, kind))
    return min(trips, key=lambda trip: trip.celsius, default=None)
