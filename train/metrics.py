"""The evaluation protocol as a torchmetrics metric; its counts can be pooled over processes."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from fissura.metrics.ods import THRESHOLDS, ImageCounts, count_image, score

HALF = int(np.flatnonzero(np.isclose(THRESHOLDS, 0.5))[0])


class Ods(Metric):
    """ODS, OIS and IoU; see `fissura.metrics.ods`. Holds one row of counts an image."""

    full_state_update = False
    rows: list[Tensor]

    def __init__(self, tolerance_px: float) -> None:
        super().__init__()
        self.tolerance_px = tolerance_px
        self.add_state("rows", default=[], dist_reduce_fx="cat")

    def update(self, probability: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
        """Count one image: (H, W) probabilities and mask."""
        counts = count_image(probability, mask, self.tolerance_px)
        parts = (counts.predicted, counts.matched_predicted, counts.matched_crack, counts.hit, [counts.crack])
        self.rows.append(torch.from_numpy(np.concatenate(parts))[None].to(self.device))  # where processes pool them

    def compute(self) -> dict[str, float]:
        """Scores of all images of all processes: the fields of `OdsScores`, and what tells where a score comes from.

        `strict_f1` is ODS without tolerance, `half_f1` and `half_strict_f1` are both at the fixed threshold 0.5: a
        loss that pushes probabilities up looks worse there than at its own best threshold.
        """
        rows = dim_zero_cat(self.rows).cpu().numpy()  # one tensor already where processes were pooled
        n = len(THRESHOLDS)
        images = [ImageCounts(r[:n], r[n : 2 * n], r[2 * n : 3 * n], r[3 * n : 4 * n], int(r[-1])) for r in rows]
        pooled = sum(images[1:], images[0])
        strict = 2 * pooled.hit / np.maximum(pooled.predicted + pooled.crack, 1)
        return {
            **asdict(score(images)),
            "strict_f1": float(strict.max()),
            "half_f1": float(pooled.f1[HALF]),
            "half_strict_f1": float(strict[HALF]),
        }
