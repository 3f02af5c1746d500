"""The compiled stages against those of numpy and OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fissura.imaging.components import Components, framed
from fissura.imaging.decode import find_cracks
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


def by_first_pixel(components: Components) -> np.ndarray:
    """Numbers of the components, in the order of their first pixels: the two number them differently."""
    first = np.full(components.count, len(components.pixels))
    np.minimum.at(first, components.labels, np.arange(len(components.pixels)))
    return np.argsort(first)


@pytest.mark.parametrize("min_length_px", [0, 6])
def test_the_same_components(compiled: Implementation, min_length_px: float) -> None:
    for image in IMAGES:
        ours = compiled.find_components(framed(image), min_length_px=min_length_px)
        theirs = NUMPY.find_components(framed(image), min_length_px=min_length_px)
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)
        np.testing.assert_array_equal(ours.on_border, theirs.on_border)
        assert ours.count == theirs.count
        number_of = np.empty(theirs.count, np.int64)
        number_of[by_first_pixel(theirs)] = np.arange(theirs.count)
        np.testing.assert_array_equal(ours.labels, number_of[theirs.labels])


def test_the_same_sizes_and_skeletons(compiled: Implementation) -> None:
    for image in IMAGES:
        components = NUMPY.find_components(framed(image))
        ours = compiled.measure_components(components)
        theirs = NUMPY.measure_components(components)
        np.testing.assert_array_equal(ours.skeleton, theirs.skeleton)
        np.testing.assert_array_equal(ours.area_px, theirs.area_px)
        np.testing.assert_allclose(ours.length_px, theirs.length_px, SAME_PX)
        np.testing.assert_allclose(ours.mean_width_px, theirs.mean_width_px, SAME_PX)
        np.testing.assert_allclose(ours.max_width_px, theirs.max_width_px, SAME_PX)


def test_the_same_outlines(compiled: Implementation) -> None:
    for image in IMAGES:
        components = NUMPY.find_components(framed(image))
        numbers = np.arange(components.count)[::2]
        ours = compiled.find_outlines(components, numbers)
        theirs = NUMPY.find_outlines(components, numbers)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other.reshape(-1, 2))


def test_nothing_in_an_empty_image(compiled: Implementation) -> None:
    components = compiled.find_components(framed(np.zeros((5, 7), bool)), min_length_px=10)
    assert components.count == 0
    assert len(compiled.measure_components(components).length_px) == 0


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("low_threshold", [None, 0.3])
def test_the_same_cracks(compiled: Implementation, scale: int, low_threshold: float | None) -> None:
    rng = np.random.default_rng(0)
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
        assert len(ours) == len(theirs) > 0
        for one, other in zip(ours, theirs, strict=True):
            assert one.confidence == pytest.approx(other.confidence, rel=1e-12)
            assert one.geometry.polygon_px == other.geometry.polygon_px
            assert one.geometry.bbox_px == other.geometry.bbox_px
            for name in ("length_px", "mean_width_mm", "max_width_px", "area_px"):
                assert getattr(one.geometry, name) == pytest.approx(getattr(other.geometry, name), rel=SAME_PX)
