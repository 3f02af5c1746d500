"""Precision against recall over the thresholds, one line a protocol."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fissura.files import replacing
from fissura.metrics.protocol import Curve

F1_LINES = (0.2, 0.4, 0.6, 0.8, 0.9)


def draw_precision_recall(path: Path, curves: Mapping[str, Curve], title: str) -> None:
    """Write a PNG with the curves, the best point of each, and lines of equal F1.

    Points where nothing is predicted are left out: their precision has no meaning.

    Args:
        path: the file.
        curves: by protocol.
        title: above the plot.
    """
    from matplotlib.figure import Figure  # half a second to import: only once there is something to draw

    figure = Figure(figsize=(5.6, 5.2), layout="constrained")
    axes = figure.subplots()
    recall = np.linspace(0.01, 1, 200)
    for level in F1_LINES:
        reachable = recall[recall > level / (2 - level)]  # where it takes a precision of at most 1
        axes.plot(reachable, level * reachable / (2 * reachable - level), color="0.85", linewidth=0.8, zorder=1)
        axes.annotate(f"F1 {level:g}", (1, level / (2 - level)), color="0.6", fontsize=7, ha="right", va="bottom")
    for name, curve in curves.items():
        shown = (curve.precision > 0) | (curve.recall > 0)
        f1 = 2 * curve.precision * curve.recall / np.maximum(curve.precision + curve.recall, 1e-12)
        best = int(f1.argmax())
        label = f"{name}: F1 {f1[best]:.3f} at {curve.threshold[best]:.2f}"
        (line,) = axes.plot(curve.recall[shown], curve.precision[shown], label=label, zorder=2)
        axes.plot(curve.recall[best], curve.precision[best], marker="o", color=line.get_color(), zorder=3)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01), title=title)
    axes.legend(loc="lower left", fontsize="small")
    with replacing(path) as aside:
        figure.savefig(aside, dpi=120)
