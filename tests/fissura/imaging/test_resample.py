"""Kernels that make low-resolution frames."""

from __future__ import annotations

import numpy as np
import pytest

from fissura.errors import ImageError
from fissura.imaging.resample import FrameKernel, downsample

KERNELS: dict[FrameKernel, dict[str, object]] = {
    "area": {"mode": "area"},
    "bicubic": {"mode": "bicubic", "antialias": True, "align_corners": False},
    "bilinear": {"mode": "bilinear", "antialias": False, "align_corners": False},
    "bilinear_antialias": {"mode": "bilinear", "antialias": True, "align_corners": False},
}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_kernels_are_those_of_the_name(kernel: FrameKernel, factor: int) -> None:
    torch = pytest.importorskip("torch", reason="torch, whose kernels these are, is not installed")
    image = np.random.default_rng(factor).integers(0, 256, (43, 50, 3), dtype=np.uint8)
    height, width = 43 // factor, 50 // factor
    whole = torch.from_numpy(image[: height * factor, : width * factor]).permute(2, 0, 1)[None].double()
    resize = torch.nn.functional.interpolate
    expected = resize(whole, size=(height, width), **KERNELS[kernel])[0].permute(1, 2, 0)
    found = downsample(image, factor, kernel)
    assert found.dtype == np.uint8
    assert np.abs(found - expected.clamp(0, 255).numpy()).max() < 0.51  # half a grey level: rounding


def test_a_factor_of_one_changes_nothing_and_a_tiny_image_is_refused() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    for kernel in KERNELS:
        assert np.array_equal(downsample(image, 1, kernel), image)
        with pytest.raises(ImageError, match="5x3"):
            downsample(image, 4, kernel)
