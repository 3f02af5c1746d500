"""From the cracks of a frame to the messages about them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone

from edge_runtime.frame import Frame
from fissura.imaging.decode import Crack
from fissura.messages import DETECTIONS_ADAPTER, Detection, ModelStamp, Position


def detections_of(
    frame: Frame,
    cracks: Sequence[Crack],
    model: ModelStamp,
    serial: str,
    mission_id: str,
    position: Position | None = None,
) -> list[Detection]:
    """One message a crack, in their order."""
    stamp, now, uuids = frame.stamp(position), datetime.now(timezone.utc), _uuids(2 * len(cracks))
    return DETECTIONS_ADAPTER.validate_python(
        [
            {
                "uuid": next(uuids),
                "serial": serial,
                "sent_utc": now,
                "event_id": next(uuids),
                "phase": "new",
                "mission_id": mission_id,
                "frame": stamp,
                "crack": crack.geometry,
                "confidence": crack.confidence,
                "model": model,
            }
            for crack in cracks
        ]
    )


def _uuids(count: int) -> Iterator[bytes]:
    """Random UUIDs (version 4), as their 16 bytes: the kernel is asked once for all, and pydantic makes the objects."""
    random = bytearray(os.urandom(16 * count))
    for at in range(0, len(random), 16):
        random[at + 6] = random[at + 6] & 0x0F | 0x40
        random[at + 8] = random[at + 8] & 0x3F | 0x80
        yield bytes(random[at : at + 16])
