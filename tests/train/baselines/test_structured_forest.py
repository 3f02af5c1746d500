"""The forest: its channels, its determinism, its tokens."""

from __future__ import annotations

import numpy as np
import pytest

from fissura.errors import TrainingError
from fissura.imaging.images import Mask, RgbImage
from train.baselines.crack_channels import CHANNELS, ORIENTATIONS, Questions, crack_channels
from train.baselines.structured_forest import TOKEN_PX, StructuredForest, StructuredForestConfig

Samples = list[tuple[RgbImage, Mask]]
SMALL = {"trees": 2, "patches_per_image": 100, "lookups": 30, "comparisons": 30, "features_per_split": 0.5}


def forest(**options: object) -> StructuredForest:
    return StructuredForest(StructuredForestConfig.model_validate({**SMALL, **options}))


def test_channels_share_the_magnitude_among_orientations(pavements: Samples) -> None:
    channels = crack_channels(pavements[0][0])
    assert len(channels) == CHANNELS
    for first in (3, 3 + 1 + ORIENTATIONS):
        magnitude, *parts = channels[first : first + 1 + ORIENTATIONS]
        assert np.allclose(sum(parts), magnitude, atol=1e-4)


def test_orientation_of_a_step() -> None:
    frame = np.full((32, 32, 3), 200, np.uint8)
    frame[:, 16:] = 80
    across, other = crack_channels(frame)[4], crack_channels(frame)[6]  # gradient along the rows, along the columns
    assert across[16, 15:17].min() > 1
    assert np.abs(other).max() < 1e-3


def test_features_are_read_at_their_places(pavements: Samples) -> None:
    questions = Questions(2, np.array([[1, -2, 2]]), np.array([[CHANNELS + 4, 0, 1, -1, 0]]))
    prepared = questions.prepare(pavements[0][0])
    features = questions.ask(prepared, np.array([10, 50]), np.array([20, 90]))
    for (row, column), (value, difference) in zip([(10, 20), (50, 90)], features, strict=True):
        y, x = row + 2, column + 2  # the margin of `prepared`
        assert value == prepared[1, y - 2, x + 2]
        one, other = prepared[CHANNELS + 4, y, x + 1], prepared[CHANNELS + 4, y - 1, x]
        assert difference == pytest.approx(one - other)


def test_same_seed_same_forest(pavements: Samples) -> None:
    first, second, third = forest(), forest(), forest(seed=1)
    for each in (first, second, third):
        each.fit(pavements[:5])
    image = pavements[7][0]
    assert np.array_equal(first.probability(image), second.probability(image))
    assert not np.array_equal(first.probability(image), third.probability(image))


def test_a_leaf_predicts_the_mean_of_its_patches(pavements: Samples) -> None:
    fitted = forest(trees=1, patches_per_leaf=20)
    features, patches = fitted._draw(*pavements[0], np.random.default_rng(0))
    fitted._grow(features, patches)
    leaf = fitted.forest.apply(features)[:, 0]
    assert len(set(leaf)) > 1
    predicted = fitted._predict(features)
    for index in set(leaf):
        expected = patches[leaf == index].reshape(-1, TOKEN_PX**2).mean(axis=0)
        assert np.allclose(predicted[leaf == index], expected, atol=1e-6)


def test_a_token_is_centred_on_its_pixel(pavements: Samples) -> None:
    # A forest that sees the mask itself must put it back where it was.
    masks = [(np.dstack([np.where(mask, 0, 200).astype(np.uint8)] * 3), mask) for _, mask in pavements]
    fitted = forest(trees=8, patches_per_image=600)
    fitted.fit(masks[:5])
    image, mask = masks[7]
    score = fitted.score(image)
    assert np.corrcoef(score.ravel(), mask.ravel())[0, 1] == max(
        np.corrcoef(np.roll(score, shift, (0, 1)).ravel(), mask.ravel())[0, 1]
        for shift in [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    )


def test_a_denser_stride_agrees(pavements: Samples) -> None:
    dense, sparse = forest(stride_px=1), forest(stride_px=4)
    for each in (dense, sparse):
        each.fit(pavements[:5])
    image = pavements[7][0]
    assert np.corrcoef(dense.score(image).ravel(), sparse.score(image).ravel())[0, 1] > 0.95


def test_bands_make_no_difference(pavements: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = forest()
    fitted.fit(pavements[:5])
    whole = fitted.score(pavements[7][0])
    monkeypatch.setattr("train.baselines.structured_forest.POSITIONS_AT_ONCE", 70)
    assert np.allclose(fitted.score(pavements[7][0]), whole, atol=1e-6)


def test_scoring_before_fitting_is_refused(pavements: Samples) -> None:
    with pytest.raises(TrainingError, match="not fitted"):
        forest().probability(pavements[0][0])
