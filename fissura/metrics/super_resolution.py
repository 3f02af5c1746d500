"""Quality of enlarged images: PSNR and SSIM of each image, averaged.

Reference: paper 004, Table 1 (PSNR of RGB images clipped to [0, 1], without a border cut off); SSIM after Wang et al.,
"Image quality assessment: from error visibility to structural similarity", TIP 13(4), 2004.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from fissura.errors import DataError
from fissura.imaging.images import RgbImage
from fissura.metrics.protocol import some


class SuperResolution:
    """PSNR in dB and SSIM, averaged over images."""

    summary = "enlarged images against the originals: PSNR of clipped RGB and SSIM, averaged over images (paper 004)"

    def __init__(self) -> None:
        self._rows: list[tuple[float, float]] = []

    def add(self, enlarged: NDArray[np.float32], original: RgbImage) -> None:
        """Score one image.

        Args:
            enlarged: (H, W, 3) float32 RGB, 0 to 1; clipped.
            original: (H, W, 3) uint8 RGB.

        Raises:
            DataError: the sizes differ.
        """
        if enlarged.shape != original.shape:
            raise DataError(f"an enlarged image of shape {enlarged.shape}", expected=f"{original.shape}")
        reference = original.astype(np.float64) / 255
        clipped = np.clip(enlarged.astype(np.float64), 0, 1)
        self._rows.append((psnr_db(clipped, reference), ssim(clipped, reference)))

    def scores(self) -> dict[str, float]:
        """`psnr_db` and `ssim`.

        Raises:
            DataError: there are no images.
        """
        some(len(self._rows))
        psnr, similarity = np.mean(self._rows, axis=0)
        return {"psnr_db": float(psnr), "ssim": float(similarity)}


def psnr_db(image: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Peak signal-to-noise ratio in dB of (H, W, 3) images in [0, 1]: -10 log10 of the mean square; inf if equal."""
    mean_square = float(np.mean((image - reference) ** 2))
    return -10 * float(np.log10(mean_square)) if mean_square else float("inf")


def ssim(image: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Structural similarity of (H, W, 3) images in [0, 1], mean over channels; Gaussian window of sigma 1.5 px."""
    return float(
        structural_similarity(
            image,
            reference,
            data_range=1.0,
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )
