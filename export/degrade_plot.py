"""A score against the severity of camera degradations, one line a degradation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fissura.files import replacing
from fissura.imaging.degradation import DEGRADATIONS


def draw_degradation(path: Path, clean: float, values: Mapping[str, Sequence[float]], score: str, title: str) -> None:
    """Write a PNG with one line a degradation, from the clean frame on.

    Args:
        path: the file.
        clean: the score of frames as they are.
        values: by degradation: the score at each of its levels.
        score: what is scored, for the axis.
        title: above the plot.
    """
    from matplotlib.figure import Figure  # half a second to import: only once there is something to draw

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.axhline(clean, color="0.6", linewidth=0.8, linestyle="--")
    for name, scores in values.items():
        row = DEGRADATIONS[name]
        first, *_, last = row.severities()
        label = f"{name}: {row.severity} {first:g} ... {last:g}"
        axes.plot(range(len(scores) + 1), (clean, *scores), marker="o", markersize=4, label=label)
    axes.set(xlabel="level", ylabel=score, title=title)
    axes.set_xticks(range(6), ("clean", *"12345"))
    if 0 <= clean <= 1:
        axes.set_ylim(0, 1)
    axes.grid(color="0.9")
    axes.legend(fontsize="small")
    with replacing(path) as aside:
        figure.savefig(aside, dpi=120)
