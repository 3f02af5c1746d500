"""Minimal paths and their selection."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.graph import route_through_array
from skimage.measure import label

from fissura.imaging.images import Mask, RgbImage
from train.baselines.minimal_path import MinimalPath, MinimalPathConfig, find_paths


@given(seed=st.integers(0, 1000), height=st.integers(9, 30), width=st.integers(9, 30))
@settings(max_examples=20, deadline=None)
def test_paths_join_neighbouring_blocks_and_have_their_mean(seed: int, height: int, width: int) -> None:
    brightness = np.random.default_rng(seed).uniform(0.1, 1, (height, width)).astype(np.float32)
    paths = find_paths(brightness, block_px=8, end_deviations=-5)  # every block's darkest pixel is an end point
    rows, columns = -(-height // 8), -(-width // 8)
    pairs = rows * (columns - 1) + (rows - 1) * columns + 2 * (rows - 1) * (columns - 1)
    assert len(paths.pixels) == len(paths.mean) == len(paths.deviation) == pairs
    for pixels, mean in zip(paths.pixels, paths.mean, strict=True):
        first, last = pixels[0] // 8, pixels[-1] // 8
        assert np.abs(first - last).max() == 1
        for y, x in (pixels[0], pixels[-1]):
            block = brightness[y // 8 * 8 : y // 8 * 8 + 8, x // 8 * 8 : x // 8 * 8 + 8]
            assert brightness[y, x] == block.min()
        assert (np.abs(np.diff(pixels, axis=0)).max(axis=1) == 1).all()
        assert np.isclose(mean, brightness[tuple(pixels.T)].mean())


def test_a_path_is_the_cheapest_in_its_window() -> None:
    brightness = np.random.default_rng(5).uniform(0.1, 1, (24, 24)).astype(np.float32)
    for pixels in find_paths(brightness, 8, -5).pixels:
        if tuple(pixels[0] // 8) == (1, 1):  # its window is the whole image
            _, cost = route_through_array(brightness, pixels[0], pixels[-1])
            steps = np.hypot(*np.diff(pixels, axis=0).T)
            along = brightness[tuple(pixels.T)].astype(np.float64)
            assert np.isclose((steps * (along[:-1] + along[1:]) / 2).sum(), cost)


def test_fewer_end_points_fewer_paths(pavements: list[tuple[RgbImage, Mask]]) -> None:
    brightness = pavements[0][0][..., 0].astype(np.float32)
    few, many = (len(find_paths(brightness, 8, deviations).pixels) for deviations in (0.5, -0.5))
    assert 0 < few < many


def test_short_paths_are_dropped_at_every_level(pavements: list[tuple[RgbImage, Mask]]) -> None:
    image, _ = pavements[0]
    score = MinimalPath(MinimalPathConfig(min_length_px=40, width_steps=0)).score(image)
    assert score.max() > 0.2
    for level in np.unique(np.rint(score[score > 0] * 255)):
        sizes = np.bincount(label(np.rint(score * 255) >= level, connectivity=2).ravel())[1:]
        assert sizes.min() >= 40


def test_growing_widens_a_path_over_dark_pixels_only(pavements: list[tuple[RgbImage, Mask]]) -> None:
    image, mask = pavements[0]
    thin, wide = (MinimalPath(MinimalPathConfig(width_steps=steps)).score(image) for steps in (0, 2))
    assert (wide >= thin).all()
    added = (wide > 0) & (thin == 0)
    assert added.sum() > 20
    assert mask[added].mean() > 0.9
