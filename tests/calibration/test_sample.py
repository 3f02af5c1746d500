"""Images for the ranges: they cover the data, and the same seed takes the same ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from calibration.sample import choose_images, describe, k_center, stratified
from fissura.dataset import load_dataset
from fissura.synth import SynthConfig, write_dataset

points = st.integers(3, 40).flatmap(
    lambda count: st.tuples(st.integers(0, 2**31), st.just(count), st.integers(1, count), st.integers(0, 5))
)


@settings(max_examples=60, deadline=None)
@given(points)
def test_as_many_different_ones_as_asked_for(drawn: tuple[int, int, int, int]) -> None:
    shape_seed, total, count, seed = drawn
    features = np.random.default_rng(shape_seed).integers(0, 4, (total, 3)).astype(np.float64)  # with equal points
    for choose in (k_center, stratified):
        taken = choose(features, count, seed)
        assert len(taken) == len(set(taken)) == count
        assert taken == choose(features, count, seed)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 6))
def test_k_center_covers_within_twice_the_best(shape_seed: int, count: int) -> None:
    features = np.random.default_rng(shape_seed).normal(size=(9, 3))
    points = (features - features.mean(axis=0)) / features.std(axis=0)

    def radius(taken: list[int]) -> float:
        return float(np.linalg.norm(points[:, None] - points[taken], axis=2).min(axis=1).max())

    best = min(radius(list(taken)) for taken in _subsets(9, count))
    assert radius(k_center(features, count, 0)) <= 2 * best + 1e-9


def _subsets(total: int, count: int) -> list[tuple[int, ...]]:
    from itertools import combinations

    return list(combinations(range(total), count))


def test_stratified_takes_from_every_corner() -> None:
    corners = np.array([(x, y, z) for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
    crowd = np.tile(corners[:1], (200, 1)) + np.random.default_rng(0).normal(0, 0.01, (200, 3))
    taken = stratified(np.concatenate([crowd, corners[1:]]), 40, seed=1)
    assert len([index for index in taken if index >= 200]) >= 5, "rare kinds of images are found in a crowd of others"


def test_what_images_are_described_by() -> None:
    grey: NDArray[np.uint8] = np.full((40, 60, 3), 128, np.uint8)
    mask = np.zeros((40, 60), bool)
    mask[:4] = True
    crack, brightness, texture = describe(grey, mask)
    assert crack == pytest.approx(np.sqrt(0.1))
    assert brightness == pytest.approx(128 / 255, abs=1e-3)
    assert texture == 0
    noisy = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    assert describe(noisy, mask)[2] > 0.05


def test_a_short_list_is_taken_whole(tmp_path: Path) -> None:
    write_dataset(tmp_path / "road", 3, SynthConfig(width=48, height=40), seed=1)
    dataset = load_dataset(tmp_path / "road", "all")
    assert choose_images(dataset, 5) == dataset.samples
    assert len(choose_images(dataset, 2)) == 2
