"""The threshold that keeps false alarms rare: what an operator has to look at in vain, counted in reported cracks.

A false alarm is a crack that would be reported (long enough, see `fissura.imaging.decode`) and no pixel of which lies
within the tolerance of a true crack. Their number does not fall steadily with the threshold: far down everything runs
together into one component that also holds a true crack. So the lowest threshold is taken that keeps the limit
together with all thresholds above it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibration.thresholds import GraphOnList, Threshold, record_of
from fissura.errors import DatasetError
from fissura.imaging.components import find_components, framed
from fissura.imaging.images import Mask
from fissura.imaging.measure import measure_components
from fissura.metrics.matching import grown
from fissura.metrics.ods import THRESHOLDS, Ods


def choose_by_false_alarms(graph: GraphOnList, most_per_frame: float) -> tuple[Threshold, float]:
    """Run a graph over a list and take the lowest threshold that keeps the false alarms: that of the highest recall.

    Args:
        graph: and the list.
        most_per_frame: false cracks a frame, on the average of the list, 0 or more.

    Returns:
        The threshold, of 0.01, 0.02 ... 0.99, and the false cracks a frame that are left.

    Raises:
        DatasetError: every threshold has more false alarms, or nothing is found at those that have not.
        ImageError: an image or a mask cannot be read.
    """
    frames = len(graph.dataset.samples)
    scores = Ods(graph.tolerance_px)
    alarms = FalseAlarms(most_per_frame * frames, graph.tolerance_px, graph.min_length_px)
    for probability, truth in graph.maps("counting false alarms"):
        scores.add(probability, truth)
        alarms.add(probability, truth)
    pooled = sum(scores.images[1:], scores.images[0])
    lowest = alarms.lowest
    if lowest is None or pooled.matched_crack[lowest] == 0:
        raise DatasetError(
            # Counting stopped there: the rate itself is not known.
            f"graph {graph.name} has more than {most_per_frame:g} false cracks a frame at threshold "
            f"{THRESHOLDS[-1]:.2f}"
            if lowest is None
            else f"graph {graph.name} finds no crack at the thresholds that keep {most_per_frame:g} false ones a frame",
            expected=f"a threshold with at most {most_per_frame:g} on {frames} images of {graph.dataset.name}",
            fix="allow more with --max-false-alarms, or check whether the masks of this list are complete",
        )
    chosen = replace(
        scores.result(),
        threshold=round(float(THRESHOLDS[lowest]), 2),
        f1=float(pooled.f1[lowest]),
        precision=float(pooled.precision[lowest]),
        recall=float(pooled.recall[lowest]),
    )
    record = record_of(chosen, graph.dataset, graph.tolerance_px)
    return Threshold(chosen.threshold, record), float(alarms.counts[lowest] / frames)


class FalseAlarms:
    """Counts the false cracks of many images at every threshold that can still keep the limit.

    Args:
        most: of all images together.
        tolerance_px: a component no pixel of which lies so near to a true crack is false.
        min_length_px: shorter ones are not reported.

    Attributes:
        counts: (99,) false cracks so far; complete for the thresholds that keep the limit, all others have more.
    """

    def __init__(self, most: float, tolerance_px: float, min_length_px: float) -> None:
        self.counts = np.zeros(len(THRESHOLDS), np.int64)
        self._most, self._tolerance_px, self._min_length_px = most, tolerance_px, min_length_px
        self._first = 0  # position of the lowest threshold that has kept the limit, together with all above it

    def add(self, probability: NDArray[np.float32], truth: Mask) -> None:
        """Count one image: (H, W) float32 and bool."""
        near = grown(truth, self._tolerance_px)
        for position in range(len(THRESHOLDS) - 1, self._first - 1, -1):
            self.counts[position] += false_cracks(probability >= THRESHOLDS[position], near, self._min_length_px)
            if self.counts[position] > self._most:
                self._first = position + 1
                break

    @property
    def lowest(self) -> int | None:
        """Position of the lowest threshold that keeps the limit, together with all above it; None: not one does."""
        return self._first if self._first < len(THRESHOLDS) else None


def false_cracks(predicted: Mask, near_truth: Mask, min_length_px: float) -> int:
    """How many cracks would be reported that touch no true one.

    Args:
        predicted: (H, W) bool.
        near_truth: (H, W) bool, all within the tolerance of a true crack.
        min_length_px: shorter ones are not reported.
    """
    found = find_components(framed(predicted), min_length_px=min_length_px)
    touching = framed(near_truth).reshape(-1)[found.pixels]
    false = np.bincount(found.labels[touching], minlength=found.count) == 0
    if not false.any():
        return 0
    alone = found.only(false)  # the true ones, long and branched, take most of the measuring
    return int(np.count_nonzero(measure_components(alone).length_px >= min_length_px))
