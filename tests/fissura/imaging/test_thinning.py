from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import morphology

from fissura.imaging.components import find_components, framed
from fissura.imaging.images import Mask
from fissura.imaging.thinning import thin
from tests.fissura.imaging.shapes import blobs


def thinned(image: Mask) -> Mask:
    components = find_components(framed(image))
    canvas = components.canvas
    left = thin(canvas, components.pixels, components.pixels[components.on_border])
    np.testing.assert_array_equal(np.flatnonzero(canvas), left)
    return canvas[1:-1, 1:-1]


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), side=st.integers(1, 60), share=st.floats(0.05, 0.95))
def test_equals_scikit_image(seed: int, side: int, share: float) -> None:
    image = blobs(seed, side, share)
    np.testing.assert_array_equal(thinned(image), morphology.thin(image))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_equals_scikit_image_on_noise(share: float) -> None:
    image = np.random.default_rng(5).random((80, 80)) < share
    np.testing.assert_array_equal(thinned(image), morphology.thin(image))
