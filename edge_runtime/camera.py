"""A camera of a run: a source, its name, and how its frames are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_runtime.masks import Region
from edge_runtime.slot import Policy
from edge_runtime.sources.source import Source
from fissura.errors import ConfigError


@dataclass(frozen=True)
class Camera:
    """A source and what belongs to it alone.

    Attributes:
        source: gives the frames.
        policy: `latest` or `every_frame`.
        label: what messages call it; None: what the source calls itself.
        region: where to look; None: everywhere.
        gsd_mm_per_px: ground sampling distance, where the frame does not bring its own.
    """

    source: Source
    policy: Policy
    label: str | None = None
    region: Region | None = None
    gsd_mm_per_px: float | None = None

    @property
    def name(self) -> str:
        """What messages and metrics call it."""
        return self.label or self.source.name


def check_names(cameras: Sequence[Camera]) -> None:
    """Two cameras of one name could not be told apart.

    Raises:
        ConfigError: two have the same.
    """
    names = [camera.name for camera in cameras]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"{names.count(name)} cameras are called {name!r}",
                expected="a name of its own for each",
                fix="name them: --source front=URI --source rear=URI",
            )
