"""What is seen often gains, what flickers loses, cracks keep their width, and nothing is lost at the frame's edge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edge_runtime.camera_motion import CameraMotion
from edge_runtime.fusion import EvidenceMap, FusionConfig, TemporalFusion
from edge_runtime.registration import RegistrationConfig
from fissura.errors import ModelShapeError
from fissura.imaging.hysteresis import crack_pixels
from fissura.imaging.images import Mask, RgbImage, read_rgb
from fissura.synth import SynthConfig
from fissura.synth.flyover import FlyoverConfig, fly

PICTURES = sorted((Path(__file__).parents[2] / "examples" / "images" / "images").glob("*.jpg"))
STILL = np.eye(3)
Map = NDArray[np.float32]

thresholds = st.floats(0.02, 0.98)
memories = st.integers(2, 16)
maps = arrays(np.float32, (9, 11), elements=st.floats(0, 1, width=32))


def shift(x: float, y: float) -> NDArray[np.float64]:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def fuse(clip: Sequence[Map], threshold: float = 0.5, frames: int = 4) -> list[Map]:
    """Successive maps of a camera that stands still."""
    memory = EvidenceMap(FusionConfig(frames=frames))
    return [memory.add(seen, threshold, STILL if index else None) for index, seen in enumerate(clip)]


class Fusing:
    """A camera whose frames are registered and added up, as in a run."""

    def __init__(self, scale: int = 1) -> None:
        self.motion = CameraMotion(RegistrationConfig())
        self._fusion = TemporalFusion(FusionConfig(), scale)

    def update(
        self,
        image: RgbImage,
        probability: Map,
        threshold: float,
        keep: Mask | None = None,
        low_threshold: float | None = None,
    ) -> Map:
        motion = self.motion.of(image, keep)
        return self._fusion.update(image.shape[:2], probability, threshold, motion, keep, low_threshold)


def crack(width_px: float, at: float, height: int = 40, width: int = 60) -> Map:
    """A vertical crack; its probability falls from inside to outside."""
    distance = np.abs(np.arange(width) - at)
    row = 1 / (1 + np.exp(-4.0 * (width_px / 2 - distance)))
    return np.tile(np.clip(row, 0.01, 0.97).astype(np.float32), (height, 1))


@settings(max_examples=60, deadline=None)
@given(frame=maps, threshold=thresholds, frames=memories)
def test_the_same_frame_again_decides_nothing_new(frame: Map, threshold: float, frames: int) -> None:
    for fused in fuse([frame] * 5, threshold, frames=frames):
        assert np.array_equal(fused >= np.float32(threshold), frame >= np.float32(threshold))
        assert fused.dtype == np.float32 and fused.min() >= 0 and fused.max() <= 1


@settings(max_examples=60, deadline=None)
@given(frame=maps, threshold=thresholds, frames=memories)
def test_evidence_grows_with_every_frame_that_agrees(frame: Map, threshold: float, frames: int) -> None:
    memory, before = EvidenceMap(FusionConfig(frames=frames)), np.zeros_like(frame)
    is_crack = frame >= np.float32(threshold)
    for index in range(5):
        memory.add(frame, threshold, STILL if index else None)
        assert memory.evidence is not None
        grown = np.where(is_crack, memory.evidence - before, before - memory.evidence)
        assert grown.min() >= -1e-5
        before = memory.evidence


@settings(max_examples=60, deadline=None)
@given(
    frames=st.lists(arrays(np.float32, (6, 7), elements=st.floats(width=32)), min_size=2, max_size=5),
    x=st.floats(-9, 9),
    y=st.floats(-9, 9),
    threshold=st.floats(0, 1),
)
def test_no_input_makes_the_memory_useless(frames: list[Map], x: float, y: float, threshold: float) -> None:
    """Whatever a broken graph gives: numbers come out, and a sound frame after it is understood."""
    memory = EvidenceMap(FusionConfig(frames=2))
    for frame in frames:
        memory.add(frame, threshold, shift(x, y))
        assert memory.evidence is not None
        assert np.isfinite(memory.evidence).all()
    sound = np.full((6, 7), 0.9, np.float32)
    for _ in range(8):
        fused = memory.add(sound, 0.5, STILL)
    assert (fused > 0.9).all()


@given(threshold=thresholds, frames=memories)
@settings(max_examples=30, deadline=None)
def test_a_pixel_at_the_threshold_stays_there(threshold: float, frames: int) -> None:
    for fused in fuse([np.full((4, 4), threshold, np.float32)] * 4, threshold, frames=frames):
        assert fused == pytest.approx(threshold, abs=1e-6)
        assert (fused >= np.float32(threshold)).all()


@given(frames=memories, seen=st.floats(0.5, 1.0))
@settings(max_examples=30, deadline=None)
def test_a_flicker_of_one_frame_is_no_crack(frames: int, seen: float) -> None:
    nothing = np.full((20, 20), 0.02, np.float32)
    flicker = nothing.copy()
    flicker[8:11] = seen
    fused = fuse([nothing] * 3 + [flicker] + [nothing], frames=frames)
    assert fused[3].max() < 0.5 and fused[4].max() < 0.5


def test_a_crack_that_one_frame_misses_is_still_there_and_gains_confidence() -> None:
    seen, missed = crack(3, 30), np.full((40, 60), 0.3, np.float32)
    fused = fuse([seen, seen, seen, missed])
    assert (fused[3][:, 30] >= 0.5).all()
    assert fused[0][20, 30] < fused[1][20, 30] < fused[2][20, 30]


@pytest.mark.parametrize("width_px", [1.2, 2.0, 3.0, 6.0])
@pytest.mark.parametrize("error_px", [0.0, 0.4])
def test_registration_that_is_not_exact_leaves_the_width(width_px: float, error_px: float) -> None:
    """A camera that moves aside by 1.3 px a frame, misjudged at random: within 8 % of the width of single frames."""
    rng, memory = np.random.default_rng(0), EvidenceMap(FusionConfig(frames=4))
    single, together = 0, 0
    for index in range(24):
        frame = crack(width_px, 10 + 1.3 * index)
        motion = None if index == 0 else shift(1.3 + error_px * rng.standard_normal(), error_px * rng.standard_normal())
        fused = memory.add(frame, 0.5, motion)
        single += int((frame >= 0.5).sum())
        together += int((fused >= 0.5).sum())
        assert (fused >= 0.5).any(axis=1).all()  # not broken anywhere
    assert together / single == pytest.approx(1, abs=0.08)


def test_what_comes_into_view_has_its_own_probability() -> None:
    """A crack at the leading edge of a frame whose memory says that there is nothing."""
    nothing = np.full((30, 40), 0.01, np.float32)
    entering = nothing.copy()
    entering[26:, 10:30] = 0.7
    memory = EvidenceMap(FusionConfig())
    for index in range(4):
        memory.add(nothing, 0.5, shift(0, -5.0) if index else None)
    fused = memory.add(entering, 0.5, shift(0, -5.0))
    assert np.array_equal(fused[26:], entering[26:])
    assert memory.support is not None
    assert set(memory.support[26:].ravel()) == {1} and memory.support[3, 5] == 5


def test_the_motion_is_stated_in_camera_pixels_whatever_the_scale() -> None:
    """A crack of 12 map pixels' length that moves by 2.5 camera pixels moves by 10 map pixels at scale 4."""
    memory, nothing = EvidenceMap(FusionConfig(), scale=4), np.full((80, 120), 0.3, np.float32)
    seen = nothing.copy()
    seen[20:32, 40:44] = 0.95
    for index in range(3):
        memory.add(seen, 0.5, STILL if index else None)
    moved = memory.add(nothing, 0.5, shift(2.5, 0.0)) >= 0.5
    y, x = np.nonzero(moved)
    assert (x.min(), x.max(), y.min(), y.max()) == (50, 53, 20, 31)


def test_evidence_is_bounded_and_changes_its_mind() -> None:
    config = FusionConfig(frames=4)
    sure, gone = np.full((8, 8), 1.0, np.float32), np.full((8, 8), 0.0, np.float32)
    memory = EvidenceMap(config)
    for index in range(100):
        memory.add(sure, 0.5, STILL if index else None)
    assert memory.evidence is not None and memory.support is not None
    assert memory.evidence.max() <= config.most_evidence / (1 - config.decay) + 1e-3
    assert memory.support.max() == 100
    fused = [memory.add(gone, 0.5, STILL) for _ in range(4)]
    assert (fused[0] >= 0.5).all() and (fused[3] < 0.5).all()


def test_what_is_not_to_be_looked_at_never_enters_the_memory() -> None:
    keep = np.ones((20, 20), bool)
    keep[10:] = False
    bonnet = np.full((20, 20), 0.01, np.float32)
    bonnet[10:] = 0.99
    memory = EvidenceMap(FusionConfig())
    for index in range(4):
        fused = memory.add(bonnet, 0.5, shift(0, -3.0) if index else None, keep)
    assert (fused[:10] < 0.5).all()
    assert np.array_equal(fused[10:], bonnet[10:])


def test_pictures_that_have_nothing_to_do_with_each_other_stand_alone() -> None:
    camera, rng = Fusing(), np.random.default_rng(0)
    for path in PICTURES:
        picture = read_rgb(path)
        probability = rng.random(picture.shape[:2], np.float32)
        assert np.array_equal(camera.update(picture, probability, 0.5), probability)
    assert (camera.motion.joined, camera.motion.alone) == (0, 12)


def test_a_cut_in_a_flight_starts_the_memory_again() -> None:
    config = FlyoverConfig(width=160, height=120, frames=4, speed_px=7.0)
    camera = Fusing(scale=2)
    for index in (0, 1):
        for frame in fly(config, SynthConfig(), 0, index):
            probability = frame.mask.repeat(2, 0).repeat(2, 1).astype(np.float32)
            fused = camera.update(frame.image, probability, 0.5)
            assert fused.shape == (240, 320)
    assert (camera.motion.joined, camera.motion.alone) == (6, 2)


def test_a_flight_is_freed_of_its_distractors_and_keeps_its_cracks() -> None:
    config = FlyoverConfig(width=240, height=180, frames=12, speed_px=8.0, distractors=1.0)
    camera, shown, distractors, kept, cracks = Fusing(), 0, 0, 0, 0
    for frame in fly(config, SynthConfig(crack_free=0), 2):
        seen = np.where(frame.mask | frame.distractor, 0.95, 0.02).astype(np.float32)
        fused = camera.update(frame.image, seen, 0.5) >= 0.5
        old = slice(None, -30)  # what has been in view for some frames; the camera moves downwards
        alone = (frame.distractor & ~frame.mask)[old]
        shown, distractors = shown + int(fused[old][alone].sum()), distractors + int(alone.sum())
        kept, cracks = kept + int(fused[frame.mask].sum()), cracks + int(frame.mask.sum())
        if camera.motion.joined == 2:  # a place that was seen but once cannot tell
            shown = distractors = 0
    assert distractors > 200 and shown < 0.1 * distractors
    assert kept > 0.95 * cracks


def hysteresis_scene() -> tuple[Map, Map]:
    """A crack that goes on faintly, and a faint one that stands alone; then the same with the strong part missed."""
    seen = np.full((40, 60), 0.02, np.float32)
    seen[10:12, 5:20], seen[10:12, 20:50], seen[30:32, 5:50] = 0.9, 0.4, 0.4
    missed = seen.copy()
    missed[10:12, 5:20] = 0.4
    return seen, missed


@pytest.mark.parametrize("scale", [1, 2])
def test_hysteresis_of_a_camera_that_stands_still_is_that_of_the_frame(scale: int) -> None:
    seen, missed = hysteresis_scene()
    still = read_rgb(PICTURES[0])[: 40 // scale, : 60 // scale]
    camera = Fusing(scale)
    expected = crack_pixels(seen, 0.8, 0.3)
    assert expected.sum() == 2 * 45
    for _ in range(6):
        fused = camera.update(still, seen, 0.8, low_threshold=0.3)
        np.testing.assert_array_equal(fused >= 0.8, expected)
    assert camera.motion.joined == 5
    fused = camera.update(still, missed, 0.8, low_threshold=0.3)  # the strong part is remembered
    assert (fused >= 0.8)[10:12, 5:20].all() and not (fused >= 0.8)[30:32].any()


def test_hysteresis_in_a_fused_map_takes_nothing_from_beyond_the_region() -> None:
    seen, _ = hysteresis_scene()
    keep = np.zeros((40, 60), bool)
    keep[:, 20:] = True  # the faint part alone
    fused = Fusing().update(read_rgb(PICTURES[0])[:40, :60], seen, 0.8, keep, low_threshold=0.3)
    assert not ((fused >= 0.8) & keep).any()


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(ModelShapeError, match=r"\(5, 5\)"):
        TemporalFusion(FusionConfig(), scale=2).update((5, 5), np.zeros((5, 5), np.float32), 0.5, None)
