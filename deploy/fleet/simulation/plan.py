"""What is simulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deploy.fleet.simulation.pace import Pace

Scenario = Literal["good", "bad", "offline"]
SCENARIOS: tuple[Scenario, ...] = ("good", "bad", "offline")
CHANNEL = "stable"
SPARE_FILES = 1500  # beside one socket a device: files that are fetched, full devices' own, logs


@dataclass(frozen=True)
class Plan:
    """A simulation. The scenarios follow one another with one fleet; 'good' always comes first.

    Attributes:
        devices: in the fleet, the full ones among them.
        full: devices with the real update machine.
        seed: of everything that is drawn.
        day_s: real seconds of a simulated day.
        waves: percents of a roll-out.
        failing_share: of the devices on which the bad release fails.
        offline_share: of the devices that are offline for a day.
        scenarios: which are played.
    """

    devices: int
    full: int = 300
    seed: int = 1
    day_s: float = 180.0
    waves: tuple[int, ...] = (1, 10, 50, 100)
    failing_share: float = 0.03
    offline_share: float = 0.3
    scenarios: tuple[Scenario, ...] = SCENARIOS

    @property
    def pace(self) -> Pace:
        """Of the simulated time."""
        return Pace(self.day_s)

    @property
    def step_s(self) -> float:
        """The longest that is waited for one wave, or for the fleet to come to rest."""
        return 90 + 2 * self.day_s + self.devices / 50

    @property
    def limit_s(self) -> float:
        """The longest that all may take; then it is ended by force."""
        return 120 + len(self.scenarios) * (60 + 3 * self.day_s + self.devices / 50)
