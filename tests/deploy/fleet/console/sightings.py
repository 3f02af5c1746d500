"""Cracks for the tests."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from uuid import UUID

from deploy.fleet.console.detections.sighting import Sighting
from fissura.messages import CrackGeometry, Detection, FrameStamp, ModelStamp, Position


def sighting_number(number: int, **changes: Any) -> Sighting:
    """A crack on a road to the north-east, one every eleven metres."""
    values: dict[str, Any] = {
        "uuid": str(UUID(int=number, version=4)),
        "event_id": str(UUID(int=number + 10**9, version=4)),
        "serial": f"truck-{number % 3:02d}",
        "captured_s": 1_700_000_000.0 + number,
        "mission_id": "mission",
        "source": "front",
        "latitude_deg": 52.5 + number * 1e-4,
        "longitude_deg": 13.4 + number * 1e-4,
        "altitude_m": None,
        "accuracy_m": 2.0,
        "heading_deg": 45.0,
        "confidence": 0.9,
        "length_px": 120.0,
        "mean_width_px": 2.0,
        "max_width_px": 4.0,
        "length_mm": 60.0,
        "mean_width_mm": 1.0,
        "max_width_mm": 2.0,
        "model": "cssr",
        "bundle_id": "ab" * 32,
        "phase": "new",
        "seen_frames": None,
        "part_of": None,
    }
    return Sighting(**{**values, **changes})


def detection(serial: str, number: int, **changes: Any) -> Detection:
    """A message about a crack."""
    values: dict[str, Any] = {
        "uuid": UUID(int=number, version=4),
        "serial": serial,
        "event_id": UUID(int=number + 10**9, version=4),
        "mission_id": "mission",
        "frame": FrameStamp(
            source="front",
            sequence=number,
            captured_utc=datetime.fromtimestamp(1_700_000_000 + number, timezone.utc),
            captured_monotonic_ns=number,
            width_px=640,
            height_px=480,
            position=Position(latitude_deg=52.5 + number * 1e-4, longitude_deg=13.4, accuracy_m=1.5, heading_deg=90),
        ),
        "crack": CrackGeometry(
            length_px=120,
            mean_width_px=2,
            max_width_px=4,
            area_px=240,
            max_width_mm=2,
            bbox_px=(0, 0, 10, 10),
            polygon_px=((0, 0), (10, 0), (10, 10)),
        ),
        "confidence": 0.9,
        "model": ModelStamp(name="cssr", bundle_id="ab" * 32, mode="fused", engine="onnxruntime", threshold=0.5),
    }
    return Detection(**{**values, **changes})


def told(number: int) -> list[Sighting]:
    """What a device that tracks says of one crack, in its order."""
    phases = (("new", 80.0, 0.7, 1), ("update", 120.0, 0.8, 4), ("update", 110.0, 0.9, 9), ("end", 120.0, 0.8, 12))
    return [
        sighting_number(
            4 * number + place,
            event_id=str(UUID(int=number, version=4)),
            serial="truck-01",
            phase=phase,
            length_px=length_px,
            confidence=confidence,
            seen_frames=frames,
        )
        for place, (phase, length_px, confidence, frames) in enumerate(phases)
    ]
