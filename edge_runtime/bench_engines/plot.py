"""Speed against accuracy, one point a row: who is to choose looks for the upper right."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from edge_runtime.bench_engines.comparison import Row
from fissura.errors import MissingDependencyError
from fissura.files import replacing

COLOURS = {True: "#009e73", False: "#d55e00", None: "#666666"}  # Okabe and Ito, 2008: told apart with any colour vision
MEANING = {True: "passes its gate", False: "fails its gate", None: "no gate"}


def check_plotting() -> None:
    """Before anything is measured.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingDependencyError(
            "--out draws a plot with the Python package 'matplotlib', which is not installed",
            fix="pip install matplotlib, or leave out --out and use --json",
        )


def draw_rows(path: Path, rows: Sequence[Row], max_drop: float, title: str) -> None:
    """Write a PNG: speed against the drop of F1, or against the mean difference from the golden frames.

    Args:
        path: the file.
        rows: those without figures are left out.
        max_drop: of the gate, percent points.
        title: above the plot.
    """
    from matplotlib.figure import Figure  # half a second to import: only once there is something to draw

    scored = any(row.drop is not None for row in rows)
    points = [(row, row.drop if scored else row.mean_abs) for row in rows if row.speed is not None]
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    for passed, colour in COLOURS.items():
        chosen = [(row.speed, loss) for row, loss in points if row.passed is passed and loss is not None]
        if chosen:
            axes.scatter(*zip(*chosen, strict=True), color=colour, label=MEANING[passed], zorder=3)
    for index, (row, loss) in enumerate(points):
        if loss is not None:
            beside = (4, 5 if index % 2 else -12)  # above and below in turn: neighbours are often alike
            axes.annotate(row.candidate.label, (row.speed, loss), beside, textcoords="offset points", fontsize="small")
    if scored:
        axes.axhline(max_drop, color="0.6", linewidth=0.8, linestyle="--")
    loss_name = "drop of ODS F1, percent points" if scored else "mean difference from the golden frames"
    axes.set(xlabel="times as fast as ONNX Runtime fp32", ylabel=loss_name)
    axes.set_title(title, fontsize="small")
    axes.invert_yaxis()  # better is up
    axes.margins(0.2)
    axes.grid(color="0.9")
    if axes.collections:
        axes.legend(fontsize="small")
    with replacing(path) as aside:
        figure.savefig(aside, dpi=120)
