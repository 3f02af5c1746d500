"""Geometry and photometry of training samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fissura.config import parse_config
from fissura.errors import ConfigError
from fissura.imaging.images import Mask, RgbImage
from tests.train.data.conftest import crack, pavement
from train.data import photometry
from train.data.augment import Augmentation, AugmentConfig
from train.data.geometry import Padding, Window, affine, warp

IDENTITY = np.eye(2, 3)
PADS = {"symmetric": "symmetric", "edge": "edge", "black": "constant"}


def picture(seed: int = 0, height: int = 40, width: int = 56) -> tuple[RgbImage, Mask]:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8), random.random((height, width)) < 0.2


def light(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((24, 32, 3), dtype=np.float32)


@given(
    top=st.integers(-30, 30),
    left=st.integers(-30, 40),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    padding=st.sampled_from(sorted(PADS)),
)
@settings(max_examples=40, deadline=None)
def test_a_window_that_is_not_turned_is_the_padded_image_itself(
    top: int, left: int, height: int, width: int, padding: Padding
) -> None:
    image, mask = picture()
    found = warp(image, mask, Window(top, left, height, width), (height, width), IDENTITY, padding)
    far = 70
    rows, columns = slice(top + far, top + far + height), slice(left + far, left + far + width)
    for part, source in zip(found, (image, mask), strict=True):
        pads = [(far, far), (far, far), (0, 0)][: source.ndim]
        assert np.array_equal(part, np.pad(source, pads, mode=PADS[padding])[rows, columns])  # type: ignore[call-overload]


def test_a_quarter_turn_by_the_matrix_is_a_quarter_turn() -> None:
    image, mask = picture(height=40, width=40)
    turned, crack_turned = warp(image, mask, Window(0, 0, 40, 40), (40, 40), affine(90, 0, 1, (0, 0)), "symmetric")
    assert np.array_equal(turned, np.rot90(image, -1))
    assert np.array_equal(crack_turned, np.rot90(mask, -1))


def test_a_window_brought_to_twice_its_size_keeps_its_middle() -> None:
    rows, columns = np.indices((64, 64))
    image = np.stack([rows, columns, columns], axis=2).astype(np.uint8)
    found, _ = warp(image, rows < 0, Window(10, 20, 16, 16), (32, 32), IDENTITY, "symmetric")
    assert found[:, :, 0].mean() == pytest.approx(17.5, abs=0.3)
    assert found[:, :, 1].mean() == pytest.approx(27.5, abs=0.3)
    assert found[-1, 0, 0] - found[0, 0, 0] == pytest.approx(15.5, abs=1)


def test_a_shift_moves_right_and_down() -> None:
    image, mask = picture()
    found, _ = warp(image, mask, Window(0, 0, 40, 56), (40, 56), affine(0, 0, 1, (3, 2)), "symmetric")
    assert np.array_equal(found[2:, 3:], image[:-2, :-3])


@pytest.mark.parametrize(
    ("change", "least"),
    [({"rotation_deg": 30}, 0.2), ({"shear_deg": 20}, 0.02), ({"zoom": 0.2}, 0.02), ({"translation": 0.1}, 0.1)],
)
def test_mask_and_image_move_together(change: dict[str, float], least: float) -> None:
    """A crack drawn black on pavement stays dark where the mask says so, whatever moves it."""
    mask = np.zeros((96, 128), bool)
    mask[60:66, 20:110] = True
    image = np.full((96, 128, 3), 200, np.uint8)
    image[mask] = 0
    augment = Augmentation(AugmentConfig(**change))  # type: ignore[arg-type]
    moved = 0.0
    for seed in range(8):
        pixels, truth = augment(image, mask, Window(0, 0, 96, 128), (96, 128), np.random.default_rng(seed))
        dark = pixels[0].numpy() < 100 / 255
        assert (dark != truth).mean() < 0.01
        moved = max(moved, float((truth != mask).sum() / mask.sum()))
    assert moved > least


def test_flips_and_turns_come_in_their_shares() -> None:
    image, mask = picture(height=16, width=16)
    config = AugmentConfig(horizontal_flip=True, vertical_flip=True, flip_share=0.29, quarter_turns=True, turn_share=0)
    plain = image.transpose(2, 0, 1) / 255
    draw, same = np.random.default_rng(0), 0
    for _ in range(600):
        pixels, _ = Augmentation(config)(image, mask, Window(0, 0, 16, 16), (16, 16), draw)
        same += bool(np.allclose(pixels, plain, atol=1e-6))
    assert same / 600 == pytest.approx(0.71**2, abs=0.08)  # four sigma


def colour_changes(config: AugmentConfig, count: int = 400) -> list[NDArray[np.float32]]:
    image = np.full((4, 4, 3), (100, 120, 90), np.uint8)
    mask = np.zeros((4, 4), bool)
    augment, draw = Augmentation(config), np.random.default_rng(1)
    drawn = (augment(image, mask, Window(0, 0, 4, 4), (4, 4), draw)[0].numpy() for _ in range(count))
    return [pixels[:, 0, 0] * 255 for pixels in drawn]


def test_brightness_is_added_within_its_range() -> None:
    shifts = [pixel - (100, 120, 90) for pixel in colour_changes(AugmentConfig(brightness=0.1))]
    assert all(np.ptp(shift) < 1e-3 for shift in shifts)
    sizes = np.array([shift[0] for shift in shifts])
    assert np.abs(sizes).max() < 25.6
    assert np.abs(sizes).max() > 24
    assert (np.abs(sizes) < 1e-3).mean() == pytest.approx(0.2, abs=0.08)


def test_ssd_distortion_changes_each_in_half_of_the_images() -> None:
    pixels = np.array(colour_changes(AugmentConfig(colour="each", brightness=0.125)))
    assert (np.abs(pixels - (100, 120, 90)).max(axis=1) > 1e-3).mean() == pytest.approx(0.5, abs=0.1)
    contrasts = np.array(colour_changes(AugmentConfig(colour="each", contrast=0.5))) / (100, 120, 90)
    assert np.ptp(contrasts, axis=1).max() < 1e-5
    assert contrasts.min() == pytest.approx(0.5, abs=0.02)
    assert contrasts.max() == pytest.approx(1.5, abs=0.02)


def test_one_of_changes_colours_or_light_and_never_both() -> None:
    both = AugmentConfig(colour="one_of", brightness=0.2, hue=0.1)
    changes = np.array(colour_changes(both)) - (100, 120, 90)
    lighter = np.ptp(changes, axis=1) < 1e-3
    untouched = np.abs(changes).max(axis=1) < 1e-3
    turned = np.abs(np.array(colour_changes(both)).max(axis=1) - 120) < 1e-2  # hue keeps the largest channel's value
    assert untouched.mean() == pytest.approx(0.5, abs=0.1)
    assert (lighter & ~untouched).mean() == pytest.approx(0.25, abs=0.1)
    assert (turned & ~untouched & ~lighter).mean() == pytest.approx(0.25, abs=0.1)


@given(st.integers(0, 2**32), st.sampled_from(["together", "each", "one_of"]))
@settings(max_examples=40, deadline=None)
def test_colours_stay_in_range(seed: int, policy: str) -> None:
    draw = np.random.default_rng(seed)
    if policy == "one_of":
        changed = photometry.one_of(light(seed), 0.3, 0.5, 0.3, 0.2, 0.3, draw)
    else:
        changed = getattr(photometry, policy)(light(seed), 0.3, 0.5, 0.6, 0.2, draw)
    assert changed.shape == (24, 32, 3)
    assert changed.dtype == np.float32
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_a_third_of_a_turn_of_the_hue_exchanges_the_channels() -> None:
    image = light()
    turned = photometry._hsv(image.copy(), turn=1 / 3)
    assert np.allclose(turned, np.roll(image, 1, axis=2), atol=1e-4)


def test_noise_has_the_deviation_it_was_asked_for_and_its_share() -> None:
    config = AugmentConfig(noise_std=0.1, noise_min_std=0.1, noise_share=0.5)
    image = np.full((64, 64, 3), 128, np.uint8)
    draw, deviations = np.random.default_rng(3), []
    for _ in range(60):
        pixels, _ = Augmentation(config)(image, image[..., 0] < 0, Window(0, 0, 64, 64), (64, 64), draw)
        deviations.append(float(pixels.std()))
    noisy = [value for value in deviations if value > 0.01]
    assert 15 <= len(noisy) <= 45
    assert noisy == pytest.approx([0.1] * len(noisy), abs=0.005)


def test_blur_keeps_the_sum_and_spreads_it() -> None:
    point = np.zeros((21, 21, 3), np.float32)
    point[10, 10] = 1
    blurred = photometry.blur(point, (7, 7), (1.0, 1.0), np.random.default_rng(0))
    assert blurred.sum() == pytest.approx(3, abs=1e-4)
    rows = np.indices((21, 21))[0]
    assert float((blurred[..., 0] * (rows - 10) ** 2).sum()) == pytest.approx(1.0, abs=0.05)
    sharp = photometry.blur(point.copy(), (1, 1), (1.0, 8.0), np.random.default_rng(0))
    assert np.array_equal(sharp, point)


def test_augmentation_does_not_change_the_picture_it_was_given() -> None:
    image, mask = pavement(0), crack(40) > 0
    kept = image.copy(), mask.copy()
    config = AugmentConfig(horizontal_flip=True, brightness=0.3, contrast=0.3, hue=0.1, noise_std=0.1, blur_sigma=1)
    for seed in range(6):
        Augmentation(config)(image, mask, Window(8, 8, 64, 64), (64, 64), np.random.default_rng(seed))
    assert np.array_equal(image, kept[0])
    assert np.array_equal(mask, kept[1])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"noise_std": 0.1, "noise_min_std": 0.2}, "noise_min_std"),
        ({"blur_kernel_px": [2, 5]}, "odd"),
        ({"blur_kernel_px": [7, 5]}, "odd"),
        ({"value": 0.1}, "one_of"),
        ({"padding": "mirror"}, "padding"),
    ],
)
def test_ranges_that_are_none_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(AugmentConfig, values, origin="test")
