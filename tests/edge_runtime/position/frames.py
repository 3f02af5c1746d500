"""Frames for the tests."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import numpy as np

from edge_runtime.frame import Frame

BEGAN = datetime(2026, 5, 31, 12, tzinfo=timezone.utc)


def frame_at(
    seconds: float = 0.0,
    *,
    number: int = 0,
    captured_ns: int | None = None,
    source: str = "front",
    began: datetime = BEGAN,
) -> Frame:
    """A frame of a stream that began on the last of May; `captured_ns` on the monotonic clock, now unless given."""
    return Frame(
        np.zeros((4, 4, 3), np.uint8),
        time.monotonic_ns() if captured_ns is None else captured_ns,
        began + timedelta(seconds=seconds),
        "file",
        number,
        source,
    )
