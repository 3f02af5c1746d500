"""The chart of `soak.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from fissura.files import replacing


def draw(path: Path, result: dict[str, Any]) -> None:
    """Memory with the fitted line, speed, threads and files, and the message store, over the minutes."""
    samples = result["samples"]
    minutes = np.array([sample["seconds"] for sample in samples]) / 60

    def values(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([sample[name] for sample in samples], np.float64)

    figure, axes = plt.subplots(4, 1, figsize=(9, 9), sharex=True, layout="constrained")
    memory = values("rss_mb")
    judged = minutes * 60 >= result["warm_up_s"]
    line = np.polyval(np.polyfit(minutes[judged], memory[judged], 1), minutes[judged])
    axes[0].plot(minutes, memory, color="#1971c2", linewidth=1)
    axes[0].plot(minutes[judged], line, color="#d9480f", linewidth=1.5)
    slope, error = result["rss_slope_mb_h"], result["rss_slope_error_mb_h"]
    axes[0].set_title(f"memory after the warm-up: {slope:+.2f} ± {error:.2f} MB an hour", loc="left")
    axes[0].set_ylabel("resident MB")
    axes[1].plot(minutes[1:], np.diff(values("frames")) / np.diff(minutes * 60), color="#1971c2", linewidth=1)
    axes[1].set_ylim(bottom=0)
    axes[1].set_ylabel("frames a second")
    axes[2].plot(minutes, values("threads"), color="#1971c2", linewidth=1, label="threads")
    axes[2].plot(minutes, values("files"), color="#d9480f", linewidth=1, label="open files")
    axes[2].set_ylim(bottom=0)
    axes[2].legend(loc="lower right", ncols=2, frameon=False)
    axes[3].plot(minutes, values("store_mb"), color="#1971c2", linewidth=1)
    axes[3].set_ylim(bottom=0)
    axes[3].set_ylabel("message store, MB")
    axes[3].set_xlabel("minutes")
    for axis in axes:
        axis.grid(color="#e9ecef")
        axis.spines[["top", "right"]].set_visible(False)
        axis.axvspan(0, result["warm_up_s"] / 60, color="#f1f3f5", zorder=0)
    with replacing(path) as aside:
        figure.savefig(aside, dpi=120)
    plt.close(figure)
