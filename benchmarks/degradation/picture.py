"""Draws the five levels of every degradation on synthetic pavement: docs/images/degradations.jpg.

python benchmarks/degradation/picture.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from fissura.files import replacing
from fissura.imaging.degradation import DEGRADATIONS
from fissura.synth import SynthConfig, render

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "degradations.jpg"
CLEAN = SynthConfig(
    width=640,
    height=480,
    motion_blur_px=(0, 0),
    noise=(0, 0),
    jpeg_quality=(100, 100),
    crack_free=0,
    contrast=(0.6, 0.9),
    texture=0.6,
)
FRAME = (3, 5)  # seed and index of a frame with wide and narrow cracks
HALF = 2  # a camera does not resolve every grain
PART = (slice(10, 130), slice(60, 210))


def main() -> None:
    """Write the picture."""
    whole = render(CLEAN, *FRAME).image
    frame = cv2.resize(whole, None, fx=1 / HALF, fy=1 / HALF, interpolation=cv2.INTER_AREA)
    figure = Figure(figsize=(12, 8.4), layout="constrained")
    for row, (name, degradation) in zip(figure.subplots(5, 6), DEGRADATIONS.items(), strict=True):
        spoilt = [degradation.apply(frame, level, np.random.default_rng(1)) for level in degradation.levels]
        titles = [f"{degradation.severity} {severity:g}" for severity in degradation.severities()]
        for axes, image, title in zip(row, [frame, *spoilt], ["clean", *titles], strict=True):
            axes.imshow(image[PART], interpolation="nearest")
            axes.set_title(title, fontsize=9)
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel(name)
    with replacing(PICTURE) as aside:
        figure.savefig(aside, dpi=100, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
