"""How long ODS over 99 thresholds takes: one pass by histogram, against a loop over the thresholds.

The masks are those of CFD's test list. The probability maps are made of them, so that no trained model is needed: the
mask blurred, as a network's soft edges are, and smooth noise added before a sigmoid. About a fifth of the pixels lie
above the lowest threshold, as behind the shipped model (7 to 29 % on the first images).

The loop thresholds, dilates with OpenCV and counts with `.sum()`, once for each threshold, and pools by the
definition. Both sides run in turn; the ratio is that of the medians. A loop that counts with `np.count_nonzero`, which
NumPy does several times faster, is timed as well, without a bar.

    FISSURA_DATA=... python benchmarks/metrics/run.py [--rounds 7] > benchmarks/results/metrics.json

Ends with 1 where the ratio is below 20 or a score differs by more than 1e-9.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.dataset import find_dataset, load_dataset
from fissura.errors import FissuraError
from fissura.imaging.images import Mask, read_mask
from fissura.metrics.counts import THRESHOLDS, count_image
from fissura.metrics.matching import disk_kernel
from fissura.metrics.ods import score

Pair = tuple[NDArray[np.float32], Mask]
TOLERANCE_PX = 2.0
SMALLEST_RATIO = 20.0
LARGEST_DIFFERENCE = 1e-9
NAMES = ("f1", "precision", "recall", "threshold", "ois_f1", "iou")


def probability_map(mask: Mask, generator: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) float32 in [0, 1] that looks like a network's: soft cracks, uneven background, false alarms."""
    noise = cv2.GaussianBlur(generator.standard_normal(mask.shape).astype(np.float32), (0, 0), 2)
    logit = 8 * cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.2) - 6 + 1.5 * noise / noise.std()
    return np.asarray(1 / (1 + np.exp(-logit)), np.float32)


def by_histogram(pairs: Sequence[Pair]) -> dict[str, float]:
    """The scores as `fissura eval --protocol ods` takes them."""
    scores = score([count_image(probability, mask, TOLERANCE_PX) for probability, mask in pairs])
    return {name: getattr(scores, name) for name in NAMES}


def by_loop(pairs: Sequence[Pair], count: Callable[[Mask], int] = np.sum) -> dict[str, float]:
    """The same from the definition."""
    rows = [counts_by_loop(probability, mask, count) for probability, mask in pairs]
    table = np.array(rows, np.int64)  # image, threshold, count
    pooled = table.sum(axis=0)
    precision, recall, f1 = rates(pooled)
    best = max(range(len(f1)), key=lambda index: (f1[index], index))
    own = np.zeros(5, np.int64)
    for image in table:
        own_f1 = rates(image)[2]
        own += image[max(range(len(own_f1)), key=lambda index: (own_f1[index], index))]
    hit, union = pooled[:, 3], pooled[:, 0] + pooled[:, 4] - pooled[:, 3]
    return {
        "f1": f1[best],
        "precision": precision[best],
        "recall": recall[best],
        "threshold": round(float(THRESHOLDS[best]), 2),
        "ois_f1": rates(own[None])[2][0],
        "iou": float((hit / np.maximum(union, 1)).max()),
    }


def counts_by_loop(probability: NDArray[np.float32], mask: Mask, count: Callable[[Mask], int]) -> list[tuple[int, ...]]:
    """Predicted, right, found, hit and crack pixels at each threshold."""
    disk = disk_kernel(TOLERANCE_PX)
    near_crack = cv2.dilate(mask.astype(np.uint8), disk) > 0
    rows = []
    for threshold in THRESHOLDS:
        predicted = probability >= threshold
        near_predicted = cv2.dilate(predicted.astype(np.uint8), disk) > 0
        counted = (predicted, predicted & near_crack, mask & near_predicted, predicted & mask, mask)
        rows.append(tuple(int(count(pixels)) for pixels in counted))
    return rows


def rates(rows: NDArray[np.int64]) -> tuple[list[float], list[float], list[float]]:
    """Precision, recall and F1 of rows of counts."""
    precision = [right / predicted if predicted else 0.0 for predicted, right, *_ in rows]
    recall = [found / crack if crack else 0.0 for _, _, found, _, crack in rows]
    f1 = [2 * p * r / (p + r) if p + r else 0.0 for p, r in zip(precision, recall, strict=True)]
    return precision, recall, f1


def seconds(work: Callable[[], object]) -> float:
    """One timed call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> int:
    """Print the comparison as JSON."""
    parser = argparse.ArgumentParser(description="Time ODS by histogram against a loop over thresholds.")
    parser.add_argument("--data", default="cfd", help="data set whose test list is taken (default: cfd)")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved pairs of timed calls (default: 7)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    try:
        dataset = load_dataset(find_dataset(arguments.data), "test")
    except FissuraError as error:
        print(error, file=sys.stderr)
        return 2
    generator = np.random.default_rng(0)
    masks = [read_mask(sample.mask) for sample in dataset.samples]
    pairs = [(probability_map(mask, generator), mask) for mask in masks]
    fast, slow = by_histogram(pairs), by_loop(pairs)  # this warms both sides up, too
    difference = max(abs(fast[name] - slow[name]) for name in NAMES)
    works: tuple[Callable[[], object], ...] = (
        lambda: by_histogram(pairs),
        lambda: by_loop(pairs),
        lambda: by_loop(pairs, np.count_nonzero),
    )
    times = [[seconds(work) for work in works] for _ in range(arguments.rounds)]
    histogram_s, loop_s, quick_loop_s = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = [loop / histogram for histogram, loop, _ in times]
    result = {
        "data": {
            "set": dataset.name,
            "split": dataset.split,
            "images": len(pairs),
            "maps": "made of the masks: blurred, smooth noise, sigmoid",
            "share_at_or_above_lowest_threshold": round(
                float(np.mean([(p >= THRESHOLDS[0]).mean() for p, _ in pairs])), 3
            ),
        },
        "thresholds": len(THRESHOLDS),
        "tolerance_px": TOLERANCE_PX,
        "rounds": arguments.rounds,
        "threads": 1,
        "histogram_ms_per_image": round(1000 * histogram_s / len(pairs), 3),
        "loop_ms_per_image": round(1000 * loop_s / len(pairs), 2),
        "ratio_of_medians": round(loop_s / histogram_s, 1),
        "ratio_min": round(min(ratios), 1),
        "ratio_max": round(max(ratios), 1),
        "ratio_to_loop_with_count_nonzero": round(quick_loop_s / histogram_s, 1),
        "smallest_ratio_allowed": SMALLEST_RATIO,
        "largest_difference": difference,
        "scores": fast,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "opencv": cv2.__version__},
        "machine": platform.machine(),
    }
    print(json.dumps(result, indent=2))
    return 0 if loop_s >= SMALLEST_RATIO * histogram_s and difference <= LARGEST_DIFFERENCE else 1


if __name__ == "__main__":
    sys.exit(main())
