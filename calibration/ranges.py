"""The ranges of activations that INT8 scales are made of, by four rules; kept with the bundle as `ranges.json`.

A range that holds every value wastes steps on rare extremes; a tighter one clips them. Which is better depends on the
network, so that the task metric decides between the rules (`export.gate`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from calibration.histogram import Histogram

Calibrator = Literal["min_max", "entropy", "percentile", "mse"]
PERCENTILE = 99.99
FEWEST_LEVELS = 128  # of magnitudes in 8 bits: where the other sign takes as many
SHRINKINGS = np.geomspace(0.01, 1.0, 139)  # about 3 % apart; further down a histogram has too few bins to tell


class Range(NamedTuple):
    """Smallest and largest value that a tensor's integers can stand for; zero lies within."""

    low: float
    high: float


Ranges = dict[str, Range]


def observe(
    model: onnx.ModelProto, tensors: Sequence[str], feeds: Iterable[Mapping[str, NDArray[Any]]]
) -> dict[str, Histogram]:
    """Run a graph on images and count the values of some of its tensors.

    Args:
        model: of fp32 activations.
        tensors: names of activations.
        feeds: the graph's inputs for one image after the other.
    """
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    given = {output.name for output in shown.graph.output}
    inner = [name for name in tensors if name not in given]
    shown.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in inner)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Fused layers would compute their inner tensors once more for the eyes of the observer.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = onnxruntime.InferenceSession(shown.SerializeToString(), options, providers=["CPUExecutionProvider"])
    histograms = {name: Histogram() for name in tensors}
    for feed in feeds:
        for name, values in zip(tensors, session.run(list(tensors), dict(feed)), strict=True):
            histograms[name].add(values)
    return histograms


def ranges_by(calibrator: Calibrator, histograms: Mapping[str, Histogram], symmetric: bool) -> Ranges:
    """The range of each tensor by one rule.

    Args:
        calibrator: the rule.
        histograms: by tensor.
        symmetric: of which quantiser the ranges are for; see `quantiser_of`.
    """
    rule = CALIBRATORS[calibrator]
    return {name: _with_zero(rule(histogram, symmetric)) for name, histogram in histograms.items()}


class Quantiser(NamedTuple):
    """Values become whole steps from zero, `lowest` to `highest`; zero itself is exact."""

    step: float
    lowest: int
    highest: int


def quantiser_of(found: Range, symmetric: bool) -> Quantiser:
    """What 8 bits make of a range that holds zero.

    Args:
        found: the range.
        symmetric: s8 around zero, which needs no zero point: the larger magnitude is 127 steps away, so that half of
            the integers are of no use behind a ReLU. Otherwise u8 with a zero point: 255 steps from end to end.
    """
    if symmetric:
        return Quantiser(_positive(max(-found.low, found.high) / 127), -128, 127)
    step = _positive((found.high - found.low) / 255)
    below = round(-found.low / step)
    return Quantiser(step, -below, 255 - below)


def min_max(histogram: Histogram, symmetric: bool) -> Range:
    """Every value that was seen, whatever the quantiser."""
    return Range(histogram.low, histogram.high)


def percentile(histogram: Histogram, symmetric: bool) -> Range:
    """Without the most extreme values, one in 10,000 in all: at either end one in 20,000, whatever the quantiser.

    They are counted in the histogram, which of large tensors is that of a sample.
    """
    shares = np.cumsum(histogram.counts) / histogram.counts.sum()
    width = 2 * histogram.reach / len(histogram.counts)
    outside = (1 - PERCENTILE / 100) / 2
    low = -histogram.reach + width * int(np.searchsorted(shares, outside, side="right"))
    high = -histogram.reach + width * (int(np.searchsorted(shares, 1 - outside)) + 1)
    return Range(max(low, histogram.low), min(high, histogram.high))


def entropy(histogram: Histogram, symmetric: bool) -> Range:
    """The clipping whose quantised distribution is nearest to the one that was seen, by Kullback-Leibler divergence.

    Assumed of the quantiser is how many levels the magnitudes have, up to the larger of both ends: 128 where it is
    symmetric. Where it is not, 255 of a tensor with one sign; one with both signs shares them out by its ends, down to
    128 where these are equally far.

    Reference:
        Migacz 2017, "8-bit Inference with TensorRT": magnitudes, 128 levels, each level's counts spread evenly over
        the bins that were not empty. The zeros behind a ReLU are counted as the bin next to them: they are exact
        whatever the clipping, and would outvote everything else (as NVIDIA's quantisation tools do).
    """
    half = len(histogram.counts) // 2
    magnitudes = (histogram.counts[half:] + histogram.counts[:half][::-1]).astype(np.float64)
    magnitudes[0] = magnitudes[1]
    whole = _with_zero(min_max(histogram, symmetric))
    if not magnitudes.any():
        return whole
    used = int(np.flatnonzero(magnitudes).max()) + 1
    best, chosen = np.inf, whole
    for end in range(FEWEST_LEVELS, used + 1, max(1, (used - FEWEST_LEVELS) // 256)):
        clipped = _clipped(whole, end * histogram.reach / half)
        levels = (
            FEWEST_LEVELS if symmetric else round(max(-clipped.low, clipped.high) / quantiser_of(clipped, False).step)
        )
        divergence = _divergence(magnitudes, end, levels) if levels <= end else np.inf
        if divergence < best:
            best, chosen = divergence, clipped
    return chosen


def mse(histogram: Histogram, symmetric: bool) -> Range:
    """The clipping with the smallest mean squared error of the quantiser, over a hundredth to all of the magnitudes."""
    whole = _with_zero(min_max(histogram, symmetric))
    limits = max(-whole.low, whole.high) * SHRINKINGS
    errors = [_squared_error(histogram, quantiser_of(_clipped(whole, limit), symmetric)) for limit in limits]
    return _clipped(whole, float(limits[int(np.argmin(errors))]))


CALIBRATORS: dict[Calibrator, Callable[[Histogram, bool], Range]] = {
    "min_max": min_max,
    "entropy": entropy,
    "percentile": percentile,
    "mse": mse,
}


def _squared_error(histogram: Histogram, quantiser: Quantiser) -> float:
    """Summed over all values, taken as evenly spread within each bin.

    The integral over a bin rather than the error of its middle: where a step is no wider than a bin the middles could
    all lie on levels, and a range would seem to be without error.
    """
    counts = histogram.counts.copy()
    counts[len(counts) // 2] -= histogram.zeros  # exact in every range, and most of what leaves a ReLU
    edges = np.linspace(-histogram.reach, histogram.reach, len(counts) + 1)
    level = np.clip(np.rint(edges / quantiser.step), quantiser.lowest, quantiser.highest)
    # From 0 to x: the whole levels between, each step^3/12, and what x is off from its own.
    off = edges - level * quantiser.step
    integral = level * quantiser.step**3 / 12 + off * off * off / 3
    return float(counts @ np.diff(integral)) / float(edges[1] - edges[0])


def _divergence(magnitudes: NDArray[np.float64], end: int, count: int) -> float:
    """KL divergence between magnitudes clipped at bin `end` and the same in `count` levels; lower is nearer."""
    seen = magnitudes[:end].copy()
    seen[-1] += magnitudes[end:].sum()
    levels = np.arange(end) * count // end
    filled = magnitudes[:end] > 0
    totals = np.bincount(levels, magnitudes[:end], count)
    bins = np.bincount(levels, filled, count)
    spread = np.where(filled, totals[levels] / np.maximum(bins[levels], 1), 0.0)
    both = (seen > 0) & (spread > 0)
    lost = float(seen[(seen > 0) & ~both].sum())
    p, q = seen[both] / seen.sum(), spread[both] / max(spread.sum(), 1e-30)
    # What has no counterpart would be infinitely far; a small floor keeps the comparison alive.
    return float(np.sum(p * np.log(p / q))) + lost / float(seen.sum()) * 20


def _clipped(whole: Range, limit: float) -> Range:
    """Without magnitudes above a limit: an outlier at one end leaves the other as it is."""
    return Range(max(whole.low, -limit), min(whole.high, limit))


def _positive(step: float) -> float:
    return max(step, 1e-30)  # of a tensor that is 0 on all images


def _with_zero(found: Range) -> Range:
    """Zero must be exact: it is what convolutions pad with."""
    return Range(min(found.low, 0.0), max(found.high, 0.0))
