"""What holds for every baseline of the table."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from fissura.config import Config
from fissura.errors import DatasetError
from fissura.imaging.images import Mask, RgbImage
from fissura.metrics.ods import Ods
from train.baselines import BASELINES
from train.baselines.baseline import Baseline
from train.baselines.structured_forest import StructuredForest, StructuredForestConfig

Samples = list[tuple[RgbImage, Mask]]


def build(name: str) -> Baseline:
    if name == "structured_forest":  # fewer trees and features: the contract is the same
        return StructuredForest(
            StructuredForestConfig(trees=3, patches_per_image=200, lookups=60, comparisons=60, features_per_split=0.5)
        )
    return BASELINES[name](BASELINES[name].config())


@pytest.fixture(scope="module")
def fitted(pavements: Samples) -> dict[str, Baseline]:
    baselines = {name: build(name) for name in BASELINES}
    for baseline in baselines.values():
        baseline.fit(pavements[:6])
    return baselines


def f1(baseline: Baseline, samples: Samples) -> float:
    scores = Ods(tolerance_px=2)
    for image, mask in samples:
        scores.add(baseline.probability(image), mask)
    return scores.result().f1


@pytest.mark.parametrize("name", BASELINES)
def test_config_stands_beside_the_class_and_every_default_is_in_range(name: str) -> None:
    kind = BASELINES[name]
    assert issubclass(kind.config, Config)
    assert kind.config.__module__ == kind.__module__
    defaults = kind.config()
    assert kind.config.model_validate(defaults.model_dump()) == defaults


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (33, 50), (2, 70)])
def test_any_size_gives_finite_probabilities(name: str, size: tuple[int, int], fitted: dict[str, Baseline]) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    before = frame.copy()
    probability = fitted[name].probability(frame)
    assert probability.shape == size
    assert probability.dtype == np.float32
    assert np.isfinite(probability).all()
    assert 0 <= probability.min() <= probability.max() <= 1
    assert np.array_equal(frame, before)


@pytest.mark.parametrize("name", BASELINES)
def test_a_plain_surface_has_no_crack(name: str, fitted: dict[str, Baseline]) -> None:
    # What learned, learned from pavements of brightness 150 alone.
    for brightness in (150,) if BASELINES[name].learns else (0, 150, 255):
        frame = np.full((40, 60, 3), brightness, np.uint8)
        assert fitted[name].probability(frame).max() < 0.5


@pytest.mark.parametrize("name", BASELINES)
def test_finds_a_plain_crack(name: str, fitted: dict[str, Baseline], pavements: Samples) -> None:
    assert f1(fitted[name], pavements[6:]) > 0.8


@pytest.mark.parametrize("name", BASELINES)
def test_scores_are_graded_and_repeatable(name: str, fitted: dict[str, Baseline], pavements: Samples) -> None:
    image, _ = pavements[7]
    first = fitted[name].probability(image)
    assert len(np.unique(first)) >= 5
    assert np.array_equal(first, fitted[name].probability(image))


@pytest.mark.parametrize("name", BASELINES)
def test_fitting_moves_the_best_threshold_to_one_half(name: str, pavements: Samples) -> None:
    baseline = build(name)
    baseline.fit(iter(pavements[:6]))
    held_out = pavements[0:6:5] if name == "structured_forest" else pavements[:6]
    fitted, best = Ods(tolerance_px=2), Ods(tolerance_px=2)
    for image, mask in held_out:
        fitted.add((baseline.probability(image) >= 0.5).astype(np.float32), mask)
        best.add(baseline.score(image), mask)
    # The stretch rounds, so a pixel right at the threshold may change sides.
    assert fitted.result().f1 == pytest.approx(best.result().f1, abs=0.01)


@pytest.mark.parametrize("name", BASELINES)
def test_fitting_without_cracks_or_images_is_refused(name: str, pavements: Samples) -> None:
    empty = [(image, np.zeros_like(mask)) for image, mask in pavements[:2]]
    for samples in ([], empty):
        with pytest.raises(DatasetError, match="no crack"):
            build(name).fit(samples)


@pytest.mark.parametrize("name", BASELINES)
def test_every_option_is_documented_with_its_default(name: str) -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "baselines.md"
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", page.read_text("utf-8"), re.MULTILINE | re.DOTALL))
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", sections[name], re.MULTILINE))
    assert rows == {option: str(default) for option, default in BASELINES[name].config().model_dump().items()}
