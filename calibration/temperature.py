"""Temperature scaling: fitted so that confidences come true as often as they say.

Which pixels. A confidence is stated of pixels that are reported as crack, and of no others. So the temperature is
fitted to those alone: at or above the threshold (with hysteresis: what hangs together with such), in cracks that are
long enough. Cracks are about 2 % of a road's pixels; over all pixels the clear background would decide, and what it
decides says nothing of the reports. Drawing both classes equally often instead would fit the temperature to a road
that is half crack. Chosen by what the graph says, never by the truth, the pixels are an unbiased part of what it will
say.

What is right. Masks are drawn by hand, and at a crack's boundary they are off by a pixel or two, as large a part of
the pixels as the cracks are thin. A reported pixel is right as it is in the precision of the scores: when a crack pixel
lies within the tolerance. A confidence of 0.8 so says: of a hundred such pixels eighty lie on a crack or right beside.

What it cannot do. One number moves all log-odds away from zero or towards it: a probability above 1/2 stays above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_expit

from calibration.reliability import LEAST, Reliability, reliability_of
from calibration.thresholds import GraphOnList, Threshold
from fissura.errors import DatasetError
from fissura.imaging.hysteresis import crack_pixels
from fissura.imaging.images import Mask
from fissura.imaging.measure import long_components
from fissura.imaging.temperature import tempered
from fissura.metrics.matching import grown

LOWEST, HIGHEST = 0.05, 20.0
PIXELS_PER_IMAGE = 2000  # neighbours say nearly the same: more images help, more pixels of one do not
SEED = 0

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class TemperatureFit:
    """A temperature and what it mends.

    Attributes:
        temperature: of the least negative log-likelihood, 0.05 to 20.
        pixels: that it was fitted to.
        before, after: reliability of the same pixels at temperature 1 and at this one.
    """

    temperature: float
    pixels: int
    before: Reliability
    after: Reliability


def choose_temperature(graph: GraphOnList, threshold: Threshold, seed: int = SEED) -> TemperatureFit:
    """Run a graph over a list and fit the temperature of what it reports.

    Args:
        graph: and the list.
        threshold: what is reported.
        seed: of the pixels drawn from each image, `PIXELS_PER_IMAGE` at most.

    Raises:
        DatasetError: nothing is reported, or all of it is right, or all wrong.
        ImageError: an image or a mask cannot be read.
    """
    rng = np.random.default_rng(seed)
    drawn = [_sample(*image, graph, threshold, rng) for image in graph.maps("fitting the temperature")]
    probability = np.concatenate([values for values, _ in drawn])
    right = np.concatenate([truth for _, truth in drawn])
    if not len(right) or right.all() or not right.any():
        found = "all of it right" if len(right) and right.all() else "none of it right" if len(right) else "nothing"
        raise DatasetError(
            f"graph {graph.name} reports {len(right)} pixels of {graph.dataset.name}, {found}",
            expected="right and wrong ones, to see how often a confidence comes true",
            fix="calibrate on more images, or leave out --temperature",
        )
    temperature = fit_temperature(probability, right)
    before, after = (reliability_of(tempered(probability, t), right) for t in (1.0, temperature))
    return TemperatureFit(temperature, len(right), before, after)


def fit_temperature(probability: Floats, right: Mask) -> float:
    """The temperature of the least negative log-likelihood, rounded to 4 digits.

    As a function of 1/temperature the likelihood is that of a logistic regression with one weight: one minimum.

    Args:
        probability: (n,) 0 to 1.
        right: (n,) bool, some of each.

    Reference:
        Guo et al. 2017, section 4.2.
    """
    bounded = np.clip(probability.astype(np.float64), LEAST, 1 - LEAST)
    log_odds = np.log(bounded) - np.log1p(-bounded)
    towards_truth = np.where(right, log_odds, -log_odds)

    def nll(log_temperature: float) -> float:
        return float(-log_expit(towards_truth * np.exp(-log_temperature)).mean())

    found = minimize_scalar(nll, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded", options={"xatol": 1e-6})
    return float(f"{np.exp(found.x):.4g}")


def _sample(
    probability: NDArray[np.float32], truth: Mask, graph: GraphOnList, threshold: Threshold, rng: np.random.Generator
) -> tuple[NDArray[np.float32], Mask]:
    """Reported pixels of one image: their probability, and whether they are right."""
    found = crack_pixels(probability, threshold.value, threshold.low)
    pixels = np.flatnonzero(long_components(found, graph.min_length_px))
    if len(pixels) > PIXELS_PER_IMAGE:
        pixels = rng.choice(pixels, PIXELS_PER_IMAGE, replace=False)
    near = grown(truth, graph.tolerance_px)
    return probability.reshape(-1)[pixels], near.reshape(-1)[pixels]
