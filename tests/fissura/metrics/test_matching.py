"""One-to-one matching against a search that grows one path at a time; both rules against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fissura.imaging.images import Mask
from fissura.metrics.counts import SCALE, count_image, count_one_to_one
from fissura.metrics.matching import Neighbours, match
from tests.fissura.metrics.maps import Pair, crack, pairs, soft

RADII = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.7])


def largest_assignment(predicted: Mask, truth: Mask, radius: float) -> int:
    """Kuhn's algorithm, from the definition."""
    places, cracks = (list(zip(*np.nonzero(mask), strict=True)) for mask in (predicted, truth))
    near = [[j for j, (y, x) in enumerate(places) if (y - v) ** 2 + (x - u) ** 2 <= radius**2] for v, u in cracks]
    serves: dict[int, int] = {}

    def served(number: int, seen: set[int]) -> bool:
        for place in near[number]:
            if place not in seen:
                seen.add(place)
                if place not in serves or served(serves[place], seen):
                    serves[place] = number
                    return True
        return False

    return sum(served(number, set()) for number in range(len(cracks)))


@settings(max_examples=60, deadline=None)
@given(pairs(largest=9), RADII)
def test_no_assignment_is_larger(pair: Pair, radius: float) -> None:
    probability, truth = pair
    predicted = probability >= 0.5
    largest = largest_assignment(predicted, truth, radius)
    assert Neighbours(truth, radius).count(predicted) == largest
    judged = match(predicted, truth, radius, "one_to_one")
    assert judged.right.sum() == judged.found.sum() == largest
    assert not (judged.right & ~predicted).any()
    assert not (judged.found & ~truth).any()


@settings(max_examples=25, deadline=None)
@given(pairs(), RADII)
def test_one_assignment_serves_all_thresholds(pair: Pair, radius: float) -> None:
    probability, truth = pair
    neighbours = Neighbours(truth, radius)
    alone = [neighbours.count(probability >= threshold) for threshold in SCALE.thresholds]
    assert neighbours.counts(SCALE.levels(probability), len(SCALE)).tolist() == alone


@settings(max_examples=60, deadline=None)
@given(pairs(), RADII)
def test_one_to_one_counts_no_more_than_disk(pair: Pair, radius: float) -> None:
    disk, single = count_image(*pair, radius), count_one_to_one(*pair, radius)
    assert (single.matched_predicted <= disk.matched_predicted).all()
    assert (single.matched_crack <= disk.matched_crack).all()
    assert np.array_equal(single.matched_crack, single.matched_predicted)
    assert np.array_equal(single.predicted, disk.predicted)
    assert (single.matched_crack >= disk.hit).all()


def test_without_tolerance_both_rules_count_the_hits() -> None:
    truth = crack(1)
    probability = soft(truth, 1)
    disk, single = count_image(probability, truth, 0.0), count_one_to_one(probability, truth, 0.0)
    assert np.array_equal(single.matched_crack, disk.hit)
    assert np.array_equal(disk.matched_crack, disk.hit)


def test_each_pixel_serves_one() -> None:
    truth = np.zeros((5, 9), bool)
    truth[2, 2:7] = True
    predicted = np.zeros_like(truth)
    predicted[2, 4] = True
    assert match(predicted, truth, 2.0).recall == 1.0
    judged = match(predicted, truth, 2.0, "one_to_one")
    assert (judged.precision, judged.recall) == (1.0, 0.2)


def test_the_shortest_of_the_largest_assignments_is_taken() -> None:
    """Two predicted pixels, one on the crack: the pixel itself is found, not its neighbour."""
    truth = np.zeros((3, 6), bool)
    truth[1, [1, 2, 4]] = True
    predicted = np.zeros_like(truth)
    predicted[1, 2] = predicted[0, 4] = True
    judged = match(predicted, truth, 2.0, "one_to_one")
    assert np.argwhere(judged.found).tolist() == [[1, 2], [1, 4]]
    best = min(
        sum(np.hypot(*(np.array(a) - b)) for a, b in zip(((1, 2), (0, 4)), order, strict=True))
        for order in itertools.permutations(np.argwhere(truth), 2)
    )
    assert best == 1.0


def test_the_radius_includes_its_rim() -> None:
    truth, predicted = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    truth[4, 4] = True
    predicted[7, 8] = True  # 5 away
    for matching in ("disk", "one_to_one"):
        assert match(predicted, truth, 5.0, matching).recall == 1.0  # type: ignore[arg-type]
        assert match(predicted, truth, 4.99, matching).recall == 0.0  # type: ignore[arg-type]


@pytest.mark.parametrize("matching", ["disk", "one_to_one"])
def test_nothing_predicted_or_nothing_to_find(matching: str) -> None:
    nothing, something = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    for predicted, truth in ((nothing, something), (something, nothing), (nothing, nothing)):
        judged = match(predicted, truth, 2.0, matching)  # type: ignore[arg-type]
        assert (judged.precision, judged.recall) == (0, 0)
        assert not judged.right.any()
        assert not judged.found.any()
