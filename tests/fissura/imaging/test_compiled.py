"""Compiled code against that of numpy and OpenCV."""

from __future__ import annotations

import importlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fissura.imaging.decode import find_cracks
from fissura.imaging.find import Found
from fissura.imaging.images import Mask
from fissura.imaging.implementation import NUMPY, Implementation, fastest
from tests.fissura.imaging.shapes import bar, blobs

pytest.importorskip("numba", reason="numba is not installed (extra 'fast')")

SAME_PX = 1e-4  # OpenCV's distances are fractions of 2^16 on some processors


@pytest.fixture(scope="module")
def compiled() -> Implementation:
    assert fastest().name == "compiled"
    return fastest()


def nested() -> Mask:
    """A ring in a ring in a ring, a dot in the middle, and lines that touch the edges."""
    image = np.zeros((90, 120), np.uint8)
    for radius in (12, 24, 40):
        cv2.circle(image, (50, 45), radius, 1, 3)
    image[45, 50] = 1
    image[:, 110:113] = 1
    image[0, 95:105] = image[-1, 95:120] = 1
    return image.astype(bool)


IMAGES = [
    nested(),
    np.ones((1, 1), bool),
    np.ones((7, 9), bool),
    np.eye(40, dtype=bool),
    np.random.default_rng(5).random((80, 80)) < 0.5,
    *(blobs(seed, side, share) for seed in range(40) for side, share in ((25, 0.3), (60, 0.5), (60, 0.8))),
    *(bar(40, width, degrees) > 0.5 for width in (1.0, 3.0, 7.0) for degrees in (0, 30, 45, 80)),
]


def by_first_pixel(found: Found) -> list[int]:
    """Places in the order of what was found, by the components' first pixels: the two number them differently."""
    first = [min((y, x) for x, y in outline.reshape(-1, 2).tolist()) for outline in found.outlines]
    return sorted(range(len(first)), key=first.__getitem__)


def assert_the_same(ours: Found, theirs: Found) -> None:
    np.testing.assert_array_equal(ours.sizes.skeleton, theirs.sizes.skeleton)
    assert len(ours.order) == len(theirs.order)
    for one, other in zip(by_first_pixel(ours), by_first_pixel(theirs), strict=True):
        np.testing.assert_array_equal(ours.outlines[one], theirs.outlines[other].reshape(-1, 2))
        assert ours.boxes[one] == theirs.boxes[other]
        mine, its = ours.order[one], theirs.order[other]
        assert ours.sizes.area_px[mine] == theirs.sizes.area_px[its]
        assert ours.confidences[mine] == theirs.confidences[its]
        for name in ("length_px", "mean_width_px", "max_width_px"):
            assert getattr(ours.sizes, name)[mine] == pytest.approx(getattr(theirs.sizes, name)[its], SAME_PX)


def as_map(image: Mask, seed: int) -> NDArray[np.float32]:
    """A map that is at or above 0.5 where the image is set, and each of whose pixels has its own value."""
    values = np.random.default_rng(seed).random(image.shape, np.float32) / 2
    return np.where(image, values + np.float32(0.5), values)


@pytest.mark.parametrize("min_length_px", [0, 6])
def test_the_same_components_with_the_same_sizes_skeletons_and_outlines(
    compiled: Implementation, min_length_px: float
) -> None:
    for seed, image in enumerate(IMAGES):
        ours, theirs = (
            implementation.find(as_map(image, seed), threshold=0.5, temperature=1.3, min_length_px=min_length_px)
            for implementation in (compiled, NUMPY)
        )
        assert_the_same(ours, theirs)


@settings(deadline=None)
@given(
    seed=st.integers(0, 10**6),
    threshold=st.floats(0.3, 0.8),
    below=st.none() | st.floats(0, 0.5),
    temperature=st.sampled_from((1.0, 0.7)),
    kept=st.none() | st.floats(0.3, 1),
    min_length_px=st.sampled_from((0, 3.3, 12.7)),  # no length that a straight line has
)
def test_the_same_in_any_map(
    compiled: Implementation,
    seed: int,
    threshold: float,
    below: float | None,
    temperature: float,
    kept: float | None,
    min_length_px: float,
) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 70, 2)
    probability = cv2.GaussianBlur(rng.random((height, width)).astype(np.float32), (0, 0), rng.uniform(0.5, 3))
    probability = (probability - probability.min()) / max(np.ptp(probability), np.float32(1e-6))
    probability[rng.random((height, width)) < 0.01] = np.nan
    ours, theirs = (
        implementation.find(
            probability,
            threshold=threshold,
            low_threshold=None if below is None else threshold * (1 - below),
            keep=None if kept is None else blobs(seed, 70, kept)[:height, :width],
            temperature=temperature,
            min_length_px=min_length_px,
        )
        for implementation in (compiled, NUMPY)
    )
    assert_the_same(ours, theirs)


def test_no_kind_of_array_or_number_is_compiled_for_anew(compiled: Implementation) -> None:
    """It would hold up a frame for ten seconds."""
    module = importlib.import_module("fissura.imaging.compiled.find")
    probability, keep = np.ones((6, 20), np.float32), np.ones((6, 20), bool)
    for array in (probability, keep):
        array.flags.writeable = False
    for threshold in (np.float64(0.5), np.float32(0.5), 0.5, 1):
        for min_length_px in (0, 2.5, np.float32(1)):
            for of_map in (np.s_[:, :], np.s_[:, ::2], np.s_[1:5, 3:9], np.s_[:0]):
                compiled.find(probability[of_map], threshold=threshold, keep=keep[of_map], min_length_px=min_length_px)
    assert len(module._find.signatures) == 1


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("low_threshold", [None, 0.3])
def test_the_same_cracks(compiled: Implementation, scale: int, low_threshold: float | None) -> None:
    rng, count = np.random.default_rng(0), 0
    for _ in range(10):
        probability = cv2.GaussianBlur(rng.random((160, 200)).astype(np.float32), (0, 0), 2.5)
        probability = (probability - probability.min()) / np.ptp(probability)
        keep = blobs(int(rng.integers(1000)), 200 // scale, 0.7)[: 160 // scale]
        ours, theirs = (
            find_cracks(
                probability,
                threshold=0.6,
                low_threshold=low_threshold,
                temperature=1.3,
                scale=scale,
                gsd_mm_per_px=0.7,
                keep=keep,
                implementation=implementation,
            )
            for implementation in (compiled, NUMPY)
        )
        count += len(ours)
        for one, other in zip(ours, theirs, strict=True):
            assert one.confidence == pytest.approx(other.confidence, rel=1e-12)
            assert one.geometry.polygon_px == other.geometry.polygon_px
            assert one.geometry.bbox_px == other.geometry.bbox_px
            for name in ("length_px", "mean_width_mm", "max_width_px", "area_px"):
                assert getattr(one.geometry, name) == pytest.approx(getattr(other.geometry, name), rel=SAME_PX)
    assert count >= 10
