"""What the camera of a fly-over sees agrees with the truth and with the motion that it states."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from fissura.errors import UsageError
from fissura.metrics.matching import grown
from fissura.synth import SynthConfig
from fissura.synth.flyover import FlyoverConfig, FlyoverFrame, film, fly, ground_of, pose_of

PAVEMENT = SynthConfig(crack_free=0, cracks=(2, 3))
CLEAN = FlyoverConfig(
    width=160, height=120, frames=5, speed_px=9.3, noise=0, brightness=0, shutter=0, jpeg_quality=100, distractors=0
)


@pytest.fixture(scope="module")
def flight() -> list[FlyoverFrame]:
    return list(fly(CLEAN, PAVEMENT, 3))


def test_the_same_seed_gives_the_same_flight(flight: list[FlyoverFrame]) -> None:
    again, other = list(fly(CLEAN, PAVEMENT, 3)), next(fly(CLEAN, PAVEMENT, 3, 1))
    for first, second in zip(flight, again, strict=True):
        assert np.array_equal(first.image, second.image)
        assert np.array_equal(first.mask, second.mask)
    assert not np.array_equal(flight[0].image, other.image)


def test_the_picture_moves_as_stated(flight: list[FlyoverFrame]) -> None:
    assert flight[0].motion == pytest.approx(np.eye(3))
    for before, now in pairwise(flight):
        size = (now.image.shape[1], now.image.shape[0])
        moved = cv2.warpAffine(before.image, now.motion[:2], size, flags=cv2.INTER_CUBIC)
        inside = cv2.warpAffine(np.ones(now.mask.shape, np.uint8), now.motion[:2], size) > 0
        a, b = moved[inside].astype(float), now.image[inside].astype(float)
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9
        assert np.hypot(*now.motion[:2, 2]) == pytest.approx(9.3, abs=4)


def test_the_truth_moves_with_the_picture(flight: list[FlyoverFrame]) -> None:
    followed = 0
    for before, now in pairwise(flight):
        y, x = np.nonzero(before.mask)
        moved = np.rint((now.motion @ np.stack([x, y, np.ones(len(x))]))[:2]).astype(int)
        inside = (moved >= 0).all(axis=0) & (moved[0] < now.mask.shape[1]) & (moved[1] < now.mask.shape[0])
        hits = grown(now.mask, 1.5)[moved[1, inside], moved[0, inside]]
        followed += len(hits)
        assert hits.all()
    assert followed > 200


def test_a_distractor_is_seen_in_one_frame_and_is_no_crack() -> None:
    config = CLEAN.model_copy(update={"speed_px": 0.0, "jitter_px": 0.0, "turn_deg": 0.0, "distractors": 2.0})
    frames = list(fly(config, SynthConfig(crack_free=1), 5))
    still = np.median([frame.image.mean(axis=2) for frame in frames], axis=0)
    assert sum(frame.distractor.any() for frame in frames) >= 3
    for frame in frames:
        assert not frame.mask.any()
        if frame.distractor.any():
            assert (still - frame.image.mean(axis=2))[frame.distractor].mean() > 20
        assert np.abs(still - frame.image.mean(axis=2))[~grown(frame.distractor, 4)].max() < 8


def test_noise_and_brightness_are_new_in_each_frame() -> None:
    update = {"speed_px": 0.0, "jitter_px": 0.0, "turn_deg": 0.0, "noise": 0.04, "brightness": 0.1}
    frames = [frame.image.astype(float) for frame in fly(CLEAN.model_copy(update=update), PAVEMENT, 7)]
    assert np.std([frame.mean() for frame in frames]) > 2
    a, b = (frame[..., 1] - frame[..., 1].mean() for frame in frames[:2])
    assert 255 * 0.02 < (a - b).std() < 255 * 0.12


def test_a_still_camera_shows_the_picture_itself() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    mask = picture[..., 0] > 250
    config = CLEAN.model_copy(update={"width": 60, "height": 40})
    (frame,) = film(np.random.default_rng(0), picture, mask, [pose_of(0, 0, 0.0, 60, 40)], config)
    lens = cv2.GaussianBlur(picture.astype(np.float32), (3, 3), 0.45, borderType=cv2.BORDER_REFLECT)
    assert np.abs(frame.image - lens).max() <= 1
    assert np.array_equal(frame.mask, mask)


def test_turns_are_about_the_middle() -> None:
    pose = pose_of(5, -3, 0.4, 101, 51)
    assert pose @ (50, 25, 1) == pytest.approx([55, 22, 1])
    assert np.linalg.det(pose) == pytest.approx(1)


def test_what_cannot_be_flown_is_refused() -> None:
    with pytest.raises(UsageError, match="a flight over"):
        fly(FlyoverConfig(frames=1000, speed_px=100), PAVEMENT, 0)
    with pytest.raises(UsageError, match="seed -1"):
        fly(CLEAN, PAVEMENT, -1)


def test_the_ground_is_what_all_frames_have_seen() -> None:
    """A picture whose mask is known, seen in part: what came into view is on the ground, and nothing else."""
    rng = np.random.default_rng(0)
    mask = np.zeros((300, 260), bool)
    for x in range(20, 240, 30):
        mask[:, x : x + 3] = True
    poses = [pose_of(10 + 20 * n, 15 * n, 0.01 * n, CLEAN.width, CLEAN.height) for n in range(4)]
    ground = ground_of(list(film(rng, np.zeros((*mask.shape, 3), np.uint8), mask, poses, CLEAN)))
    truth = mask[: ground.shape[0], : ground.shape[1]]
    assert (ground & ~grown(truth, 1.5)).sum() == 0
    seen = np.zeros(ground.shape, bool)
    seen[4:116, 14:166] = seen[50:160, 74:225] = True  # well within the first frame and the last
    assert (truth & seen & ~grown(ground, 1.5)).sum() == 0 and (truth & seen).sum() > 1000
    assert not ground[130:, :30].any()  # a corner that no frame shows
