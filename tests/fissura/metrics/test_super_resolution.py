from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from fissura.errors import DataError
from fissura.metrics.super_resolution import SuperResolution, psnr_db, ssim

ORIGINAL = np.random.default_rng(1).integers(0, 256, (24, 30, 3), dtype=np.uint8)


def test_psnr_is_that_of_clipped_images() -> None:
    noisy = (ORIGINAL / 255 + 0.1).astype(np.float32)
    protocol = SuperResolution()
    protocol.add(noisy, ORIGINAL)
    expected = peak_signal_noise_ratio(ORIGINAL / 255, np.clip(noisy.astype(np.float64), 0, 1), data_range=1)
    assert protocol.scores()["psnr_db"] == pytest.approx(expected)


def test_psnr_and_ssim_are_means_over_images() -> None:
    protocol, rows = SuperResolution(), []
    for step in (0.02, 0.2):
        image = np.clip(ORIGINAL / 255 * (1 - step), 0, 1).astype(np.float32)
        protocol.add(image, ORIGINAL)
        rows.append((psnr_db(image.astype(np.float64), ORIGINAL / 255), ssim(image.astype(np.float64), ORIGINAL / 255)))
    scores = protocol.scores()
    assert (scores["psnr_db"], scores["ssim"]) == pytest.approx(np.mean(rows, axis=0))


def test_equal_images() -> None:
    assert psnr_db(ORIGINAL / 255, ORIGINAL / 255) == math.inf
    assert ssim(ORIGINAL / 255, ORIGINAL / 255) == pytest.approx(1)


def test_a_constant_error_of_a_tenth_is_20_db() -> None:
    assert psnr_db(np.full((12, 12, 3), 0.6), np.full((12, 12, 3), 0.5)) == pytest.approx(20)


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match="shape"):
        SuperResolution().add(np.zeros((4, 4, 3), np.float32), ORIGINAL)
    with pytest.raises(DataError, match="no image"):
        SuperResolution().scores()
