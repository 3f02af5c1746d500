from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fissura.imaging.components import find_components, framed, positions
from tests.fissura.imaging.shapes import blobs


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.05, 0.8))
def test_lists_the_same_components_as_opencv(seed: int, share: float) -> None:
    image = blobs(seed, 40, share)
    components = find_components(framed(image))
    count, labelled = cv2.connectedComponents(image.view(np.uint8), connectivity=8)
    assert components.count == count - 1
    x, y = positions(components.pixels, components.stride).astype(int).T
    assert set(zip(x.tolist(), y.tolist(), strict=True)) == {(int(c), int(r)) for r, c in np.argwhere(image)}
    pairs = set(zip(components.labels.tolist(), labelled[y, x].tolist(), strict=True))
    assert len(pairs) == components.count  # one number here for each number there


def test_leaves_out_speckles_and_keeps_a_thin_ring() -> None:
    image = np.zeros((60, 60), np.uint8)
    cv2.circle(image, (30, 30), 20, 1, 1)
    image[2:5, 2:5] = 1  # an outline of 12 sides: not longer than 6
    image[30, 30] = 1  # inside the ring
    assert find_components(framed(image.astype(bool)), min_length_px=0).count == 3
    kept = find_components(framed(image.astype(bool)), min_length_px=10)
    assert kept.count == 1
    assert kept.labels.max() == 0
    assert len(kept.pixels) == image.sum() - 10


def test_nothing_in_an_empty_image() -> None:
    components = find_components(framed(np.zeros((5, 7), bool)), min_length_px=10)
    assert components.count == 0
    assert len(components.pixels) == 0


def test_some_of_the_components_are_numbered_anew() -> None:
    image = np.zeros((9, 12), bool)
    image[1, 1:4], image[4, 1:6], image[7, 1:9] = True, True, True
    all_three = find_components(framed(image))
    two = all_three.only(np.array([True, False, True]))
    assert two.count == 2 and np.bincount(two.labels).tolist() == [3, 8]
    assert set(positions(two.pixels, two.stride)[:, 1]) == {1, 7}
    assert two.on_border.all()
