"""What can be changed, or asked for, while the runtime runs: the one door for remote commands, signals and updates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class ControlState:
    """What is set at the moment.

    Attributes:
        paused: frames are left out.
        threshold: crack probability in force.
        budget_ms: time of a frame; None: none, or a mode without one.
        bundle_id: of the model that runs.
        engine: what runs its graphs.
        sources: names of the cameras.
    """

    paused: bool
    threshold: float
    budget_ms: float | None
    bundle_id: str
    engine: str
    sources: tuple[str, ...]


class Control(Protocol):
    """Every method may be called from any thread. Changes take effect with the next frame that is begun."""

    def pause(self) -> None:
        """Leave frames out until `resume`: those of a live camera are dropped and counted, others wait."""

    def resume(self) -> None:
        """Go on after `pause`."""

    def set_threshold(self, threshold: float | None) -> None:
        """Set the crack probability, between 0 and 1; None: the bundle's.

        Raises:
            UsageError: it is out of range.
        """

    def set_budget(self, milliseconds: float | None) -> None:
        """Set the time of a frame, 1 ms or more; None: no limit.

        Raises:
            UsageError: the mode has no budget, or it is out of range.
        """

    def snapshot(self, source: str | None = None) -> bytes:
        """The newest frame that was looked at, with its cracks drawn in, as a JPEG.

        Args:
            source: name of the camera; None: whichever was last.

        Raises:
            SourceError: there is no such camera, or none of its frames yet.
        """

    def reload(self) -> None:
        """Read the configuration file again, and take over what can change in a run: thresholds, budget, bundle.

        Without a file, what is looked for is a bundle that was replaced in its place. Settings that the file does not
        change stay as commands have set them; another model starts with its own. Returns when a new model, if there
        is one, has taken over.

        Raises:
            ConfigError: the file is wrong, or changes what cannot change; all stays as it was.
            BundleError, EngineError: the new bundle cannot be run; the old one goes on.
        """

    def state(self) -> ControlState:
        """What is set."""
