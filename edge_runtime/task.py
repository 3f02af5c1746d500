"""What a run looks for, and what it says about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_runtime.fusion import FusionConfig
from edge_runtime.position.position_source import PositionSource
from edge_runtime.registration import RegistrationConfig
from fissura.imaging.decode import MIN_LENGTH_PX


@dataclass(frozen=True)
class Task:
    """The same for all cameras.

    Attributes:
        serial: of the device.
        mission_id: of the run.
        min_length_px: shorter cracks are left out; camera-frame pixels.
        fusion: how successive frames are fused; None: each stands alone.
        track: whether a crack that is seen in many frames is told as one event.
        registration: how the picture's motion is found, where something needs it.
        position: tells where the camera is; None: nobody knows.
    """

    serial: str
    mission_id: str
    min_length_px: float = MIN_LENGTH_PX
    fusion: FusionConfig | None = None
    track: bool = False
    registration: RegistrationConfig = field(default_factory=RegistrationConfig)
    position: PositionSource | None = None
