"""ODS, OIS and IoU against a brute-force loop over thresholds with another library's dilation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from fissura.errors import DataError
from fissura.metrics.matching import disk_kernel
from fissura.metrics.ods import THRESHOLDS, Ods, OdsScores, count_image, score

Image = tuple[NDArray[np.float32], NDArray[np.bool_]]


@dataclass
class Slow:
    """The protocol as a loop: what the fast implementation must equal."""

    tolerance_px: float

    def grown(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if self.tolerance_px == 0:
            return mask
        reach = int(self.tolerance_px)
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        return binary_dilation(mask, structure=x**2 + y**2 <= self.tolerance_px**2)

    def counts(self, image: Image, threshold: np.float32) -> NDArray[np.int64]:
        probability, mask = image
        predicted = probability >= threshold
        return np.array(
            [
                predicted.sum(),
                (predicted & self.grown(mask)).sum(),
                (mask & self.grown(predicted)).sum(),
                (predicted & mask).sum(),
                mask.sum(),
            ],
            np.int64,
        )

    def scores(self, images: list[Image]) -> dict[str, float]:
        table = np.array([[self.counts(image, t) for t in THRESHOLDS] for image in images])  # image, threshold, count
        best, figures, iou = -1, (0.0, 0.0, -1.0), 0.0
        for index, (predicted, near, found, hit, crack) in enumerate(table.sum(axis=0)):
            precision, recall, f1 = rates(predicted, near, found, crack)
            if f1 >= figures[2]:  # among equals the highest threshold
                best, figures = index, (precision, recall, f1)
            union = predicted + crack - hit
            iou = max(iou, hit / union if union else 0.0)
        own = np.zeros(5, np.int64)
        for rows in table:
            f1s = [rates(*row[[0, 1, 2, 4]])[2] for row in rows]
            own += rows[max(index for index, f1 in enumerate(f1s) if f1 == max(f1s))]
        return {
            "precision": figures[0],
            "recall": figures[1],
            "f1": figures[2],
            "threshold": float(THRESHOLDS[best]),
            "ois_f1": rates(*own[[0, 1, 2, 4]])[2],
            "iou": iou,
        }


def rates(predicted: int, near: int, found: int, crack: int) -> tuple[float, float, float]:
    precision = near / predicted if predicted else 0.0
    recall = found / crack if crack else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def fast(images: list[Image], tolerance_px: float) -> OdsScores:
    scores = Ods(tolerance_px)
    for probability, mask in images:
        scores.add(probability, mask)
    return scores.result()


@st.composite
def images(draw: st.DrawFn) -> Image:
    height, width = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    mask = generator.random((height, width)) < draw(st.sampled_from([0.0, 0.05, 0.3, 1.0]))
    kind = draw(st.sampled_from(["noise", "on thresholds", "good", "black", "white"]))
    noise = generator.random((height, width), dtype=np.float32)
    if kind == "on thresholds":
        probability = generator.choice(THRESHOLDS, (height, width)).astype(np.float32)
    elif kind == "good":
        probability = (0.7 * mask + 0.3 * noise).astype(np.float32)
    else:
        probability = {"noise": noise, "black": np.zeros_like(noise), "white": np.ones_like(noise)}[kind]
    return probability, mask


@settings(max_examples=60, deadline=None)
@given(st.lists(images(), min_size=1, max_size=4), st.sampled_from([0.0, 1.0, 1.5, 2.0, 3.0]))
def test_equals_the_brute_force_loop(batch: list[Image], tolerance_px: float) -> None:
    found = fast(batch, tolerance_px)
    for name, value in Slow(tolerance_px).scores(batch).items():
        assert getattr(found, name) == pytest.approx(value, rel=0, abs=1e-7 if name == "threshold" else 1e-9), name
    assert found.images == len(batch)


@given(images(), st.sampled_from([0.0, 2.0]))
def test_perfect_prediction_scores_one(image: Image, tolerance_px: float) -> None:
    _, mask = image
    mask[0, 0] = True  # without a crack there is nothing to find, and the score is 0
    found = fast([(mask.astype(np.float32), mask)], tolerance_px)
    assert (found.f1, found.precision, found.recall, found.ois_f1, found.iou) == (1, 1, 1, 1, 1)


def test_tolerance_forgives_a_shift_within_it_and_not_beyond() -> None:
    mask = np.zeros((20, 20), bool)
    mask[10, 5:15] = True
    for shift, tolerance_px, f1 in ((2, 2.0, 1.0), (3, 2.0, 0.0), (2, 1.9, 0.0), (1, 0.0, 0.0)):
        shifted = np.roll(mask, shift, axis=0).astype(np.float32)
        assert fast([(shifted, mask)], tolerance_px).f1 == f1


def test_ois_counts_an_image_without_cracks_at_the_highest_threshold() -> None:
    """All thresholds tie at 0 there; a low one would pool every faint false alarm into the score."""
    crack = np.zeros((8, 8), bool)
    crack[4] = True
    good = np.where(crack, 0.9, 0.0).astype(np.float32)
    faint = np.full((8, 8), 0.3, np.float32)
    found = fast([(good, crack), (faint, np.zeros((8, 8), bool))], 0.0)
    assert found.ois_f1 == 1.0
    assert found.f1 == 1.0
    assert found.threshold == 0.90


def test_nothing_to_find_and_nothing_found_scores_zero() -> None:
    found = fast([(np.zeros((4, 4), np.float32), np.zeros((4, 4), bool))], 2.0)
    assert (found.f1, found.ois_f1, found.iou) == (0, 0, 0)
    assert found.threshold == 0.99


def test_pooling_is_the_sum_of_the_images() -> None:
    generator = np.random.default_rng(5)
    parts = [count_image(generator.random((6, 9), np.float32), generator.random((6, 9)) < 0.2, 2.0) for _ in range(3)]
    pooled = parts[0] + parts[1] + parts[2]
    assert score(parts).f1 == pooled.f1.max()


def test_threshold_is_the_decimal_that_selects_the_same_pixels() -> None:
    for index, threshold in enumerate(THRESHOLDS):
        probability = np.array([[threshold, np.nextafter(threshold, np.float32(0))]], np.float32)
        found = fast([(probability, np.array([[True, False]]))], 0.0).threshold
        assert found == round(0.01 * (index + 1), 2)
        assert (probability >= np.float32(found)).tolist() == [[True, False]]


def test_disk() -> None:
    assert disk_kernel(2.0).sum() == 13
    assert disk_kernel(1.5).sum() == 9
    assert disk_kernel(0.5).tolist() == [[1]]


def test_a_negative_zero_is_zero() -> None:
    counts = count_image(np.full((2, 2), -0.0, np.float32), np.ones((2, 2), bool), 0.0)
    assert counts.predicted.sum() == 0


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match="shape"):
        count_image(np.zeros((3, 4), np.float32), np.zeros((4, 3), bool), 2.0)
    with pytest.raises(DataError, match="not finite"):
        count_image(np.full((2, 2), np.nan, np.float32), np.zeros((2, 2), bool), 2.0)
    for wrong in (-0.1, 1.1):
        with pytest.raises(DataError, match=f"{wrong}"):
            count_image(np.full((2, 2), wrong, np.float32), np.zeros((2, 2), bool), 2.0)
    with pytest.raises(DataError, match="no image"):
        Ods(2.0).result()
