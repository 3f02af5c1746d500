"""Reliability: how often a confidence comes true, confidence by confidence.

Reference: Guo et al., "On calibration of modern neural networks", ICML 2017, section 2 (reliability diagram, expected
calibration error).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fissura.errors import MissingDependencyError
from fissura.files import replacing
from fissura.imaging.images import Mask

BINS = 15
LEAST = 1e-7  # float32 probabilities nearer to 0 or 1 are rounded to them, and one wrong pixel would cost endlessly
BEFORE, AFTER = "#d55e00", "#0072b2"  # Okabe and Ito, 2008: told apart with any colour vision

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """Pixels in bins of confidence, those without pixels left out.

    Attributes:
        confidence: (n,) mean confidence of each bin, ascending.
        right: (n,) share of its pixels that are right.
        pixels: (n,) their number.
        ece: expected calibration error: mean distance of the two shares over all pixels.
        nll: mean negative log-likelihood of a pixel, natural logarithm.
    """

    confidence: Floats
    right: Floats
    pixels: NDArray[np.int64]
    ece: float
    nll: float


def reliability_of(confidence: Floats, right: Mask, bins: int = BINS) -> Reliability:
    """Compare confidences with what came true.

    Args:
        confidence: (n,) 0 to 1, n at least 1.
        right: (n,) bool.
        bins: of equal width, from the lowest confidence to 1: below the threshold none is ever stated.

    Example:
        >>> reliability_of(np.array([0.8, 0.8, 0.8, 0.8]), np.array([True, True, True, False])).ece
        0.05
    """
    lowest = float(confidence.min())
    width = max((1 - lowest) / bins, LEAST)
    bin_of = np.minimum(((confidence - lowest) / width).astype(np.int64), bins - 1)
    pixels = np.bincount(bin_of, minlength=bins)
    filled = pixels > 0
    mean = np.bincount(bin_of, confidence, bins)[filled] / pixels[filled]
    share = np.bincount(bin_of, right, bins)[filled] / pixels[filled]
    gap = np.average(np.abs(mean - share), weights=pixels[filled])
    of_outcome = np.clip(np.where(right, confidence, 1 - confidence), LEAST, 1)
    return Reliability(mean, share, pixels[filled], round(float(gap), 12), float(-np.log(of_outcome).mean()))


def check_plotting() -> None:
    """See that a plot can be drawn, before minutes of work.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "a reliability plot needs the Python package 'matplotlib', which is not installed",
            fix="in the checkout: pip install -e '.[export]'",
        ) from error


def draw_reliability(path: Path, graphs: Mapping[str, tuple[float, Reliability, Reliability]], title: str) -> None:
    """Write a PNG with one column a graph: confidence against what came true, and below how often each is stated.

    Args:
        path: the file.
        graphs: by name: temperature, and the reliability before and after it.
        title: above the plot.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    check_plotting()
    from matplotlib.figure import Figure  # half a second to import: only once there is something to draw

    figure = Figure(figsize=(1.2 + 4.2 * len(graphs), 5.4), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(2, len(graphs), sharex=True, squeeze=False, gridspec_kw={"height_ratios": (4, 1)})
    for column, (name, (temperature, before, after)) in enumerate(graphs.items()):
        _draw(axes[:, column], name, temperature, before, after)
    axes[0, 0].set_ylabel("share of pixels that are right")
    axes[1, 0].set_ylabel("share of pixels")
    with replacing(path) as aside:
        figure.savefig(aside, dpi=120)


def _draw(axes: NDArray[Any], name: str, temperature: float, before: Reliability, after: Reliability) -> None:
    curve, histogram = axes
    curve.plot((0, 1), (0, 1), color="0.6", linewidth=0.8, linestyle="--", label="confidence = share that is right")
    rows = ((before, "as the graph gives it", BEFORE, "o"), (after, f"T = {temperature:.2f}", AFTER, "s"))
    for found, label, colour, marker in rows:
        curve.plot(
            found.confidence,
            found.right,
            color=colour,
            marker=marker,
            markersize=5,
            label=f"{label}: ECE {100 * found.ece:.1f} %",
        )
        width = 0.8 * (1 - found.confidence.min()) / BINS
        histogram.bar(found.confidence, found.pixels / found.pixels.sum(), width, color=colour, alpha=0.6)
    left, bottom = (
        max(0.0, np.floor(10 * min(values) - 0.5) / 10)
        for values in zip(*((found.confidence.min(), found.right.min()) for found in (before, after)), strict=True)
    )
    curve.set(title=name, xlim=(left, 1.005), ylim=(min(left, bottom), 1.02))
    curve.grid(color="0.92")
    curve.legend(loc="lower right", fontsize="small")
    histogram.set(xlabel="confidence")
    histogram.grid(color="0.92", axis="y")
    histogram.set_axisbelow(True)
