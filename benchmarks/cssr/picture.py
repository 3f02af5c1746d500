"""Super-resolved frames and what is found in them, side by side, on photographs that may be shown (CrackSC, MIT).

    python benchmarks/cssr/picture.py --scale cpu

takes the runs of `run.py` and its `cssr.json` (each model at its best threshold there) and writes
`docs/images/cssr.jpg`: for each crop the enlarged frame, and below it what is found: green where a found pixel lies
within 2 px of the truth, red where not, blue where the truth is missed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from run import RECIPE, RESULTS

from export.scoring import Predictor, open_model
from fissura.dataset import find_dataset, load_dataset, read_sample
from fissura.imaging.images import Mask, RgbImage, write_rgb
from fissura.imaging.resample import frame_of
from fissura.metrics.matching import grown

OUT = Path(__file__).parents[2] / "docs" / "images" / "cssr.jpg"
DATA, SPLIT = "cracksc", "test"
CROPS = {"304": (0, 0), "313": (0, 0), "194": (110, 40)}  # image: top, left of 256 x 256 pixels
SIDE, GAP, SHOWN = 256, 8, 20
MODELS = {
    "bicubic -> SS (b)": ("bicubic-first", "(b) bicubic -> SS"),
    "SR -> SS (d)": ("separate", "(d) SR -> SS"),
    "CSSR (f)": ("joint-bc2", "(f) CSSR (SR -> SS)"),
}
GREEN, RED, BLUE = (60, 200, 60), (230, 40, 40), (60, 110, 255)


def overlay(image: RgbImage, found: Mask, truth: Mask) -> RgbImage:
    """Hits, false alarms and misses over a greyed image."""
    canvas = np.repeat((0.6 * image.mean(axis=2, keepdims=True) + 80).clip(0, 255).astype(np.uint8), 3, axis=2)
    canvas[truth & ~grown(found, 2.0)] = BLUE
    near = grown(truth, 2.0)
    canvas[found & near] = GREEN
    canvas[found & ~near] = RED
    return canvas


def labelled(image: RgbImage, text: str) -> RgbImage:
    """An image with a line of text above it."""
    strip = np.full((SHOWN, image.shape[1], 3), 255, np.uint8)
    cv2.putText(strip, text, (3, SHOWN - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([strip, image])


def enlarged(model: Predictor, frame: RgbImage) -> RgbImage:
    """What the segmentation sees, rounded."""
    assert model.enlarge is not None
    rounded: RgbImage = np.rint(255 * model.enlarge(frame).clip(0, 1)).astype(np.uint8)
    return rounded


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("cpu",))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    scores = json.loads((RESULTS / "cssr.json").read_text())["models"]
    suffix = f"-{arguments.scale}" if arguments.scale else ""
    models = {
        label: (
            open_model(arguments.runs / f"{RECIPE.replace('/', '-')}{recipe}{suffix}", "fused"),
            scores[row]["scores"]["threshold"],
        )
        for label, (recipe, row) in MODELS.items()
    }
    samples = {sample.id: sample for sample in load_dataset(find_dataset(DATA), SPLIT).samples}
    rows: list[NDArray[np.uint8]] = []
    for name, (top, left) in CROPS.items():
        whole, mask = read_sample(samples[name])
        window = np.s_[top : top + SIDE, left : left + SIDE]
        image = np.ascontiguousarray(whole[window])
        frame, truth = frame_of(image, mask[window], 4, "bicubic")
        small = cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
        above, below = [labelled(small, "frame, 64 x 64")], [labelled(overlay(image, truth, truth), "truth")]
        for label, (model, threshold) in models.items():
            picture = enlarged(model, frame)
            above.append(labelled(picture, label))
            below.append(labelled(overlay(picture, model.probability(frame) >= threshold, truth), "found"))
        above.append(labelled(image, "original, 256 x 256"))
        below.append(np.full_like(below[0], 255))
        rows += [_beside(above), _beside(below)]
    write_rgb(arguments.out, np.concatenate([np.concatenate([row, _gap(row.shape[1])]) for row in rows]))


def _beside(images: list[RgbImage]) -> RgbImage:
    gap = np.full((images[0].shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([part for image in images for part in (image, gap)][:-1], axis=1)


def _gap(width: int) -> RgbImage:
    return np.full((GAP, width, 3), 255, np.uint8)


if __name__ == "__main__":
    main()
