"""How fast the simulated time goes. What is measured of broker and server is not scaled."""

from __future__ import annotations

from dataclasses import dataclass

DAY_S = 86_400.0


@dataclass(frozen=True)
class Pace:
    """Real seconds of everything that takes time, all from the length of a simulated day.

    A canary is longer than a splay window, as it is on real devices: what the self-test refuses is known before what
    does well is committed.

    Attributes:
        day_s: real seconds that a simulated day takes.
    """

    day_s: float

    @property
    def factor(self) -> float:
        """Simulated seconds in a real one."""
        return DAY_S / self.day_s

    @property
    def window_s(self) -> float:
        """Splay of an announcement."""
        return self.day_s / 10

    @property
    def poll_s(self) -> float:
        """Between two looks of a device that hears nothing; six simulated hours."""
        return self.day_s / 4

    @property
    def hint_s(self) -> float:
        """Between two looks that messages bring about."""
        return self.day_s / 50

    @property
    def first_within_s(self) -> float:
        """A device looks within this after its start."""
        return self.day_s / 20

    @property
    def build_s(self) -> float:
        """Engine build and self-test."""
        return self.day_s / 100

    @property
    def shadow_s(self) -> float:
        """Old and new model on the same frames."""
        return self.day_s / 16

    @property
    def canary_s(self) -> float:
        """The new model at work."""
        return self.day_s / 16

    @property
    def deferred_s(self) -> float:
        """How long a vehicle that is under way puts an installation off."""
        return self.day_s / 24

    @property
    def silence_s(self) -> float:
        """Patience of the controller, a simulated day. The default's six hours would be less than what a busy machine
        may keep a device from its turn.
        """
        return self.day_s
