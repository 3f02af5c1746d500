"""Each frame is registered with the one before, and with no other."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.camera_motion import CameraMotion
from edge_runtime.registration import RegistrationConfig
from fissura.synth import SynthConfig
from fissura.synth.flyover import FlyoverConfig, fly

FRAMES = list(fly(FlyoverConfig(width=160, height=120, frames=4, speed_px=7.0), SynthConfig(), 0))


def test_the_motion_is_that_from_the_frame_before() -> None:
    camera = CameraMotion(RegistrationConfig())
    assert camera.of(FRAMES[0].image) is None
    for frame in FRAMES[1:]:
        motion = camera.of(frame.image)
        assert motion is not None
        assert motion.transform[:2, 2] == pytest.approx(frame.motion[:2, 2], abs=1.0)
    assert (camera.joined, camera.alone) == (3, 1)


def test_what_is_forgotten_leaves_the_next_frame_alone() -> None:
    camera = CameraMotion(RegistrationConfig())
    camera.of(FRAMES[0].image)
    camera.forget()
    assert camera.of(FRAMES[1].image) is None
    assert camera.of(FRAMES[2].image) is not None
    assert (camera.joined, camera.alone) == (1, 2)


def test_what_is_not_the_ground_has_no_say() -> None:
    """A bonnet with a sharp pattern that stands still, over most of the picture."""
    bonnet = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    keep = np.zeros((120, 160), bool)
    keep[:, :70] = True
    camera = CameraMotion(RegistrationConfig())
    seen = [np.where(keep[..., None], frame.image, bonnet) for frame in FRAMES]
    camera.of(seen[0], keep)
    motion = camera.of(seen[1], keep)
    assert motion is not None
    assert motion.transform[1, 2] == pytest.approx(FRAMES[1].motion[1, 2], abs=1.0)
