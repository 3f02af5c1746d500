"""The segmentation part of paper 004's table 1 and figure 6: highest IoU, AIU, and IoU against threshold.

The paper puts the epsilon into the denominator only, its code into both terms (`fissura.metrics.aiu`). The published
figures come from the code, so `max_iou`, its threshold and the curve are the code's, and both AIU are given; they
differ where an image has no crack, and by less than 1e-5 elsewhere. PSNR and SSIM of the enlarged image, the other part
of the table, are those of `fissura.metrics.super_resolution`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import Mask
from fissura.metrics.aiu import Aiu, AiuCode
from fissura.metrics.counts import count_image
from fissura.metrics.protocol import EvaluationProtocol


class Cssr(EvaluationProtocol):
    """Paper 004's scores of the segmentation, of one count of each image."""

    summary = "highest IoU over 99 thresholds, and AIU, images averaged, as paper 004's code and as its text has them"
    headline = "aiu_code"

    def __init__(self) -> None:
        self._code, self._text = AiuCode(), Aiu()

    def add(self, probability: NDArray[np.float32], mask: Mask) -> None:
        counts = count_image(probability, mask, 0)
        self._code.add_counts(counts)
        self._text.add_counts(counts)

    def scores(self) -> dict[str, float]:
        """`max_iou` with its `threshold`, `aiu_code`, and `aiu` as the paper's text defines it."""
        code = self._code.scores()
        return {
            "max_iou": code["max_iou"],
            "threshold": code["threshold"],
            "aiu_code": code["aiu"],
            "aiu": self._text.scores()["aiu"],
        }

    def iou_by_threshold(self) -> NDArray[np.float64]:
        """(99,) the IoU averaged over images at the thresholds 0.01, 0.02 ... 0.99: figure 6.

        Raises:
            DataError: there are no images.
        """
        return self._code.iou_by_threshold()
