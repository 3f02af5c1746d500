"""From the cracks of a frame to the messages about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from uuid import uuid4

from edge_runtime.frame import Frame
from fissura.imaging.decode import Crack
from fissura.messages import Detection, ModelStamp


def detections_of(
    frame: Frame, cracks: Sequence[Crack], model: ModelStamp, serial: str, mission_id: str
) -> list[Detection]:
    """One message a crack, in their order."""
    stamp, now = frame.stamp(), datetime.now(timezone.utc)
    return [
        Detection(
            serial=serial,
            sent_utc=now,
            event_id=uuid4(),
            phase="new",
            mission_id=mission_id,
            frame=stamp,
            crack=crack.geometry,
            confidence=crack.confidence,
            model=model,
        )
        for crack in cracks
    ]
