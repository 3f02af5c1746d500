"""The scores over the length of the memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

PANELS = {
    "best_f1": "best F1 (2 px)",
    "false_alarms_per_frame": "false alarms a frame",
    "one_frame_events_per_frame": "one-frame lines a frame",
    "cracks_found": "cracks found",
}
METHODS = ("known motion", "phase", "ecc")


def draw(result: dict[str, Any], path: Path) -> None:
    """A panel for each score and group of clips; the dashed line is the single frame."""
    groups = result["scores"]
    figure, axes = plt.subplots(
        len(PANELS), len(groups), figsize=(2.8 * len(groups), 2.1 * len(PANELS)), squeeze=False, sharex=True
    )
    for column, (name, rows) in enumerate(groups.items()):
        for row, (key, title) in enumerate(PANELS.items()):
            axis = axes[row][column]
            axis.set_title(name if row == 0 else "", fontsize=9)
            if rows["single frame"][key] is None:  # nothing there to be found
                axis.set_axis_off()
                continue
            axis.axhline(rows["single frame"][key], color="black", linestyle="--", linewidth=1, label="single frame")
            for method, marker in zip(METHODS, "osx", strict=True):
                frames = [int(label.split(", ")[1]) for label in rows if label.startswith(method)]
                values = [rows[f"{method}, {number}"][key] for number in frames]
                axis.plot(frames, values, marker=marker, markersize=4, linewidth=1, label=method)
            axis.set_ylabel(title if column == 0 else "", fontsize=8)
            axis.tick_params(labelsize=7)
            axis.grid(alpha=0.3)
    for axis in axes[-1]:
        axis.set_xlabel("memory, frames", fontsize=8)
        axis.set_xticks([2, 4, 8])
    axes[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
