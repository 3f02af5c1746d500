"""What every degradation of the table must do; a newcomer is tested as soon as it is in the table."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from fissura.errors import MissingDependencyError
from fissura.imaging.degradation import DEGRADATIONS
from fissura.imaging.degradation.degradation import Degradation
from fissura.imaging.images import RgbImage
from fissura.synth import SynthConfig, render

CLEAN = SynthConfig(
    width=97, height=66, motion_blur_px=(0, 0), noise=(0, 0), jpeg_quality=(100, 100), crack_free=0, contrast=(0.5, 0.9)
)


@pytest.fixture(scope="module")
def image() -> RgbImage:
    return render(CLEAN, 1, 1).image


@pytest.fixture(params=DEGRADATIONS)
def degradation(request: pytest.FixtureRequest) -> Degradation[Any]:
    found = DEGRADATIONS[request.param]
    if found.package is not None and importlib.util.find_spec(found.package) is None:
        pytest.skip(f"the Python package {found.package} is not installed")
    return found


def spoilt(degradation: Degradation[Any], image: RgbImage, level: int, seed: int = 3) -> RgbImage:
    return degradation.apply(image, degradation.levels[level], np.random.default_rng(seed))


def error(image: RgbImage, original: RgbImage) -> float:
    return float(np.mean((image.astype(float) - original) ** 2))


class TestEveryDegradation:
    def test_gives_an_image_of_the_same_kind(self, degradation: Degradation[Any], image: RgbImage) -> None:
        before = image.copy()
        found = spoilt(degradation, image, 2)
        assert (found.shape, found.dtype) == (image.shape, np.uint8)
        assert np.array_equal(image, before)

    def test_each_level_is_worse_than_the_one_before(self, degradation: Degradation[Any], image: RgbImage) -> None:
        assert len(degradation.levels) == 5
        errors = [error(spoilt(degradation, image, level), image) for level in range(5)]
        assert errors[0] > 0
        assert errors == sorted(errors)
        assert len(set(degradation.severities())) == 5

    def test_is_a_function_of_the_generator(self, degradation: Degradation[Any], image: RgbImage) -> None:
        assert np.array_equal(spoilt(degradation, image, 3), spoilt(degradation, image, 3))

    def test_nothing_moves_against_the_truth(self, degradation: Degradation[Any], image: RgbImage) -> None:
        """The original fits the spoilt image best where it lies; masks stay what they are."""
        found = spoilt(degradation, image, 2).astype(float)

        def misfit(x: int, y: int) -> float:
            moved = np.roll(image.astype(float), (y, x), axis=(0, 1))
            return float(np.mean((moved - found)[4:-4, 4:-4] ** 2))

        misfits = {(x, y): misfit(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)}
        assert min(misfits, key=lambda at: misfits[at]) == (0, 0)

    @pytest.mark.parametrize("size", [(1, 1), (3, 2), (15, 33)])
    def test_any_size(self, degradation: Degradation[Any], size: tuple[int, int]) -> None:
        grey = np.full((*size, 3), 130, np.uint8)
        found = spoilt(degradation, grey, 4)
        assert found.shape == grey.shape
        assert abs(float(np.mean(found.astype(float) - grey))) < 60

    def test_brightness_stays(self, degradation: Degradation[Any], image: RgbImage) -> None:
        for level in range(3):
            assert abs(float(spoilt(degradation, image, level).mean()) - float(image.mean())) < 5

    def test_is_described(self, degradation: Degradation[Any]) -> None:
        assert degradation.summary
        assert degradation.severity in degradation.config.model_fields
        assert set(degradation.logarithmic) <= set(degradation.config.model_fields)
        assert all(isinstance(level, degradation.config) for level in degradation.levels)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="'av', which is not installed") as caught:
        DEGRADATIONS["h264"].check_installed("h264")
    assert "pip install av" in caught.value.fix
    DEGRADATIONS["jpeg"].check_installed("jpeg")
