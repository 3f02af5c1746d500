"""Flights over pavement whose cracks are known, seen by a network that makes no mistake, or drops pieces."""

from __future__ import annotations

from datetime import datetime, timezone

import cv2
import numpy as np
import pytest

from edge_runtime.camera_motion import CameraMotion
from edge_runtime.detections import detections_of
from edge_runtime.frame import Frame
from edge_runtime.registration import RegistrationConfig
from edge_runtime.tracker import Tracker
from fissura.imaging.decode import find_cracks
from fissura.imaging.images import Mask, RgbImage
from fissura.messages import Detection
from fissura.synth import SynthConfig
from fissura.synth.flyover import FlyoverConfig, fly, ground_of
from tests.edge_runtime.events import Book
from tests.edge_runtime.test_tracker import MODEL

CAMERA = FlyoverConfig(width=240, height=180, frames=30, speed_px=10, distractors=0)
PAVEMENT = SynthConfig(cracks=(2, 5), crack_free=0)


def sightings(image: RgbImage, mask: Mask, sequence: int) -> list[Detection]:
    frame = Frame(image, sequence, datetime.now(timezone.utc), "ntp", sequence, "c")
    return detections_of(frame, find_cracks(mask.astype(np.float32), threshold=0.5), MODEL, "s", "m")


def track(seed: int, missed: float) -> tuple[Book, int, int]:
    """What is told of a flight, how many sightings it had, and how many cracks came into view."""
    frames, rng = list(fly(CAMERA, PAVEMENT, seed)), np.random.default_rng(seed)
    camera, tracker, book, seen = CameraMotion(RegistrationConfig()), Tracker(), Book(), 0
    for sequence, frame in enumerate(frames):
        holes = (rng.random((9, 12)) < missed).astype(np.uint8)
        holes = cv2.resize(holes, (CAMERA.width, CAMERA.height), interpolation=cv2.INTER_NEAREST).view(np.bool_)
        found = sightings(frame.image, frame.mask & ~holes, sequence)
        tracked = tracker.update(found, camera.of(frame.image), frame.mask.shape)
        book.take(tracked.told)
        seen += len(found)
    book.take(tracker.finish())
    return book, seen, len(find_cracks(ground_of(frames).astype(np.float32), threshold=0.5))


@pytest.mark.parametrize(("missed", "more"), [(0.0, 1.3), (0.15, 1.8)])
def test_cracks_are_counted_nearly_as_they_are(missed: float, more: float) -> None:
    """`missed`: share of the places, 20 pixels each, that a frame does not show; cracks fall to pieces by it."""
    flights = [track(seed, missed) for seed in range(5)]
    events, seen, cracks = (sum(numbers) for numbers in zip(*((b.cracks, s, t) for b, s, t in flights), strict=True))
    assert cracks <= events <= more * cracks
    assert seen > 20 * events
