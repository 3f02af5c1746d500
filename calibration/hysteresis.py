"""Hysteresis: two thresholds, chosen together by the F1 that they reach on a list of images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.false_alarms import false_cracks
from calibration.thresholds import GraphOnList, Threshold
from fissura.errors import DatasetError
from fissura.imaging.hysteresis import crack_pixels
from fissura.metrics.counts import harmonic_mean, ratio
from fissura.metrics.matching import grown

# In log-odds from the threshold that is best alone: networks that are sure of themselves have theirs near 1, where
# equal steps of probability would be far too coarse.
ABOVE = (0.0, 0.5, 1.0, 2.0, 3.0)
BELOW = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)
LEAST_GAIN = 0.001  # of F1; one threshold is easier to understand than two

Pair = tuple[float, float]


@dataclass(frozen=True)
class Hysteresis:
    """What a second threshold brings.

    Attributes:
        threshold: with its `low`; without where that brings less than `LEAST_GAIN`.
        gain: F1 of the best pair less that of the one threshold; negative where a given low threshold costs something.
        false_cracks_per_frame: at what was chosen; None where they were not limited.
    """

    threshold: Threshold
    gain: float
    false_cracks_per_frame: float | None = None


def choose_hysteresis(
    graph: GraphOnList, alone: Threshold, most_false_per_frame: float | None = None, low: float | None = None
) -> Hysteresis:
    """Run a graph over a list and take the pair of thresholds with the best F1.

    Args:
        graph: and the list.
        alone: the threshold that is best alone; pairs lie around it.
        most_false_per_frame: pairs with more false cracks are not taken; None: any may be.
        low: the low threshold, where it is given; None: any.

    Raises:
        DatasetError: no pair keeps the limit; with a low threshold that is given this may well be.
        ImageError: an image or a mask cannot be read.
    """
    pairs = _pairs(alone.value, low)
    scores = _measure(graph, pairs, most_false_per_frame is not None)
    allowed = np.array([most_false_per_frame is None or found.false_cracks <= most_false_per_frame for found in scores])
    if not allowed.any():
        fewest = min(found.false_cracks for found in scores)
        what = f"every pair of thresholds around {alone.value:g}" if low is None else f"the low threshold {low:g}"
        raise DatasetError(
            f"graph {graph.name} has {fewest:.3g} false cracks a frame or more, with {what}",
            expected=f"at most {most_false_per_frame:g}",
            fix="allow more with --max-false-alarms",
        )
    best = int(np.where(allowed, [found.f1 for found in scores], -1).argmax())  # among equals the first
    gain = scores[best].f1 - alone.record.f1
    if low is None and gain < LEAST_GAIN:
        return Hysteresis(alone, gain, None if most_false_per_frame is None else scores[0].false_cracks)
    found = scores[best]
    record = alone.record.model_copy(update={"f1": found.f1, "precision": found.precision, "recall": found.recall})
    weak, strong = pairs[best]
    return Hysteresis(
        Threshold(strong, record, low=weak), gain, None if most_false_per_frame is None else found.false_cracks
    )


@dataclass(frozen=True)
class _Scores:
    """Of one pair; `false_cracks` a frame, 0 where they are not counted."""

    f1: float
    precision: float
    recall: float
    false_cracks: float


def _measure(graph: GraphOnList, pairs: list[Pair], count_false: bool) -> list[_Scores]:
    counts, cracks = np.zeros((4, len(pairs)), np.int64), 0  # predicted, right and seen pixels, false cracks
    for probability, truth in graph.maps("choosing hysteresis"):
        near = grown(truth, graph.tolerance_px)
        cracks += int(truth.sum())
        for index, (weak, strong) in enumerate(pairs):
            found = crack_pixels(probability, strong, weak)
            seen = truth & grown(found, graph.tolerance_px)
            false = false_cracks(found, near, graph.min_length_px) if count_false else 0
            counts[:, index] += (int(found.sum()), int((found & near).sum()), int(seen.sum()), false)
    precision, recall = ratio(counts[1], counts[0]), ratio(counts[2], np.full(len(pairs), cracks))
    rows = zip(harmonic_mean(precision, recall), precision, recall, counts[3] / len(graph.dataset.samples), strict=True)
    return [_Scores(*map(float, row)) for row in rows]


def _pairs(alone: float, low: float | None) -> list[Pair]:
    """(low, high), the one threshold alone first unless the low one is given."""
    above = [_moved(alone, step) for step in ABOVE]
    if low is not None:
        return [(min(low, high), high) for high in above]
    return [(_moved(alone, -step), high) for high in above for step in BELOW]


def _moved(probability: float, log_odds: float) -> float:
    if log_odds == 0:
        return probability
    return round(float(1 / (1 + (1 - probability) / probability * np.exp(-log_odds))), 4)
