"""IoU against the confidence threshold, one line a model.

Reference: paper 004, figures 5 and 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fissura.files import replacing
from fissura.metrics.counts import THRESHOLDS, best_threshold

COLOURS = 10  # of matplotlib's cycle


def draw_iou_threshold(path: Path, curves: Mapping[str, NDArray[np.float64]], title: str) -> None:
    """Write a PNG with the curves and the highest point of each.

    Args:
        path: the file.
        curves: by model: (99,) the IoU averaged over images, at 0.01, 0.02 ... 0.99.
        title: above the plot.
    """
    from matplotlib.figure import Figure  # half a second to import: only once there is something to draw

    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    styles = cycle(style for style in ("-", "--", ":") for _ in range(COLOURS))
    for (name, iou), style in zip(curves.items(), styles, strict=False):
        best = best_threshold(iou)
        (line,) = axes.plot(THRESHOLDS, iou, style, label=f"{name}: {iou[best]:.3f} at {THRESHOLDS[best]:.2f}")
        axes.plot(THRESHOLDS[best], iou[best], marker="o", color=line.get_color())
    axes.set(xlabel="confidence threshold", ylabel="IoU, mean over images", xlim=(0, 1), title=title)
    axes.set_ylim(bottom=0)
    axes.grid(color="0.9")
    axes.legend(fontsize="small")
    with replacing(path) as aside:
        figure.savefig(aside, dpi=120)
