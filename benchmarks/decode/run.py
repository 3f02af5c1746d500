"""How long `find_cracks` takes on a large frame full of speckles, against OpenCV's own component statistics.

A frame of 12 megapixels with 30 000 speckles and 8 cracks is what a weak model makes of a rough road. The yardstick,
`cv2.connectedComponentsWithStats` on the same frame in the same run, only labels and counts; `find_cracks` also
thins, measures and outlines. Ratios travel between machines, milliseconds do not.

    python benchmarks/decode/run.py [--rounds 7] > benchmarks/results/decode.json
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.imaging.decode import find_cracks

HEIGHT, WIDTH = 3072, 4096
SPECKLES = 30_000
CRACKS = 8
MIN_LENGTH_PX = 20.0
THRESHOLD = 0.5


def probability_map(seed: int, *, speckles: int, cracks: int) -> NDArray[np.float32]:
    """(3072, 4096) map: speckles of 1 to 5 px a side, cracks some 4000 px long."""
    rng = np.random.default_rng(seed)
    image = np.zeros((HEIGHT, WIDTH), np.float32)
    for _ in range(speckles):
        (y, x), (rows, columns) = rng.integers(0, (HEIGHT - 5, WIDTH - 5)), rng.integers(1, 6, 2)
        image[y : y + rows, x : x + columns] = rng.uniform(0.5, 0.9)
    for lane in range(cracks):  # side by side and aslant: bounding boxes overlap, cracks do not touch
        along = np.linspace(0, 1, 250)
        drift = np.cumsum(rng.normal(0, 1, 250)) + rng.normal(0, 3, 250)
        x = 0.05 * WIDTH + along * 0.85 * WIDTH
        y = (0.04 + 0.07 * lane) * HEIGHT + along * 0.4 * HEIGHT + drift
        points = np.rint(np.stack([x, y], axis=1)).astype(np.int32)
        cv2.polylines(image, [points], False, 0.9, int(rng.integers(2, 9)))
    return image


def milliseconds(work: Callable[[], object]) -> float:
    """One timed call."""
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def compare(image: NDArray[np.float32], rounds: int) -> dict[str, float | int]:
    """Medians of interleaved calls, so that a change of the clock meets both sides."""
    binary = (image >= THRESHOLD).astype(np.uint8)

    def decode() -> object:
        return find_cracks(image, threshold=THRESHOLD, gsd_mm_per_px=1.0, min_length_px=MIN_LENGTH_PX)

    def statistics_only() -> object:
        return cv2.connectedComponentsWithStats(binary, connectivity=8)

    pairs = [(milliseconds(decode), milliseconds(statistics_only)) for _ in range(rounds + 1)][1:]  # one to warm up
    ratios = [ours / theirs for ours, theirs in pairs]
    return {
        "find_cracks_ms": round(statistics.median(ours for ours, _ in pairs), 1),
        "connected_components_with_stats_ms": round(statistics.median(theirs for _, theirs in pairs), 1),
        "ratio_median": round(statistics.median(ratios), 2),
        "ratio_min": round(min(ratios), 2),
        "ratio_max": round(max(ratios), 2),
        "components": int(cv2.connectedComponents(binary, connectivity=8)[0]) - 1,
        "cracks_found": len(find_cracks(image, threshold=THRESHOLD, min_length_px=MIN_LENGTH_PX)),
        "pixels_at_or_above_threshold": int(binary.sum()),
    }


def main() -> None:
    """Print the comparison as JSON."""
    parser = argparse.ArgumentParser(description="Time the decoding of a 12-megapixel frame.")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved pairs of timed calls (default: 7)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    cases = {
        "speckles_and_cracks": (SPECKLES, CRACKS),
        "cracks_only": (0, CRACKS),
        "nothing": (0, 0),
    }
    result = {
        "frame": {"height_px": HEIGHT, "width_px": WIDTH, "speckles": SPECKLES, "cracks": CRACKS, "scale": 1},
        "min_length_px": MIN_LENGTH_PX,
        "rounds": arguments.rounds,
        "threads": 1,
        "cases": {
            name: compare(probability_map(arguments.seed, speckles=speckles, cracks=cracks), arguments.rounds)
            for name, (speckles, cracks) in cases.items()
        },
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "opencv": cv2.__version__},
        "machine": platform.machine(),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
