"""Distance maps: reference figures, SciPy's transform, masks without a border."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from tests.train.losses.batches import VECTORS, batch
from train.losses.distance import distance_map, distance_maps
from train.losses.loss import DistanceKind

KINDS: tuple[DistanceKind, ...] = ("pixels", "normalized")
masks = arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=st.booleans())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", "AC")
def test_reference_maps(name: str, kind: DistanceKind) -> None:
    target = batch(name)[1][0, 0].numpy()
    np.testing.assert_allclose(distance_map(target > 0, kind), VECTORS["distances"][kind][name][0][0], atol=2e-7)


@settings(max_examples=100, deadline=None)
@given(masks)
def test_maps_agree_with_scipy(mask: NDArray[np.bool_]) -> None:
    pixels, normalized = (distance_map(mask, kind) for kind in KINDS)
    for found in (pixels, normalized):
        assert found.dtype == np.float32
        assert found.shape == mask.shape
        assert np.isfinite(found).all()
    if mask.all() or not mask.any():
        assert not pixels.any()
        assert not normalized.any()
        return
    outside, inside = distance_transform_edt(~mask), distance_transform_edt(mask)
    np.testing.assert_allclose(pixels, np.where(mask, 1 - inside, outside), atol=1e-5)
    assert normalized.max() == 1
    assert normalized.min() >= -1
    np.testing.assert_allclose(normalized[~mask], (outside / outside.max())[~mask], atol=1e-6)
    np.testing.assert_allclose(normalized[mask], np.where(inside == 1, 0, -inside / inside.max())[mask], atol=1e-6)


def test_each_image_of_a_batch_has_its_own_map() -> None:
    target = torch.zeros(3, 1, 5, 8)
    target[0, 0, 2, 3] = target[1, 0, :, 7] = 1
    found = distance_maps(target, "pixels")
    assert found.shape == target.shape
    for image, mask in zip(found, target, strict=True):
        np.testing.assert_array_equal(image[0].numpy(), distance_map(mask[0].numpy() > 0, "pixels"))
