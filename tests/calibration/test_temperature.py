"""Temperatures that are known: probabilities that are made of what comes true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit

from calibration.temperature import PIXELS_PER_IMAGE, choose_temperature, fit_temperature
from calibration.thresholds import GraphOnList, Threshold
from fissura.bundle import Calibration
from fissura.dataset import Dataset, load_dataset
from fissura.errors import DatasetError
from fissura.imaging.images import RgbImage
from tests.calibration.conftest import write_images

RECORD = Calibration(
    dataset="d", split="train", fingerprint="0" * 64, images=1, tolerance_px=0, f1=1, precision=1, recall=1
)


@settings(deadline=None, max_examples=15)
@given(temperature=st.floats(0.3, 4), least=st.sampled_from([-3.0, 0.0, 1.0]), seed=st.integers(0, 100))
def test_a_known_temperature_is_found_again(temperature: float, least: float, seed: int) -> None:
    """Also where only what lies above a threshold is looked at."""
    rng = np.random.default_rng(seed)
    log_odds = rng.uniform(least, 4, 50_000) * temperature
    right = rng.random(len(log_odds)) < expit(log_odds / temperature)
    found = fit_temperature(expit(log_odds), right)
    assert found == pytest.approx(temperature, rel=0.1)


def test_certain_pixels_and_bounds() -> None:
    probability = np.array([0, 1, 1, 0.5], np.float32)
    wrong_once = np.array([True, True, True, False])  # the 0 is right: endless log-odds would never be forgiven
    assert 1 < fit_temperature(probability, wrong_once) <= 20
    assert fit_temperature(np.full(8, 0.9), np.arange(8) > 6) == pytest.approx(20, rel=1e-3)
    assert fit_temperature(np.full(8, 0.9), np.arange(8) > 0) == pytest.approx(1.13, abs=0.01)


def noisy_road(root: Path, temperature: float, seed: int = 0) -> tuple[GraphOnList, Dataset]:
    """A graph that reports one broad band, of which a share comes true; the probability is off by a temperature."""
    rng = np.random.default_rng(seed)
    true = np.clip(np.tile(np.linspace(0.55, 0.95, 200), (60, 1)), 0, 1).astype(np.float32)
    mask = rng.random(true.shape) < true
    grey = np.zeros(true.shape, np.uint8)
    dataset = load_dataset(write_images(root, *[(grey, mask)] * 3), "train")
    stated = expit(temperature * np.log(true / (1 - true))).astype(np.float32)

    def run(frame: RgbImage) -> NDArray[np.float32]:
        return stated

    return GraphOnList(run, 1, "segmentation", dataset, 0.0), dataset


def test_reliability_is_mended_on_what_is_reported(tmp_path: Path) -> None:
    graph, _ = noisy_road(tmp_path / "road", 2.5)
    fit = choose_temperature(graph, Threshold(0.5, RECORD))
    assert fit.temperature == pytest.approx(2.5, rel=0.15)
    assert fit.pixels == 3 * PIXELS_PER_IMAGE == fit.before.pixels.sum() == fit.after.pixels.sum()
    assert fit.after.ece < 0.02 < 0.1 < fit.before.ece
    assert fit.after.nll < fit.before.nll
    again = choose_temperature(graph, Threshold(0.5, RECORD))
    assert again.temperature == fit.temperature
    assert choose_temperature(graph, Threshold(0.5, RECORD), seed=1).temperature != fit.temperature


def test_only_what_is_reported_counts(tmp_path: Path) -> None:
    graph, _ = noisy_road(tmp_path / "road", 1.0)
    fit = choose_temperature(graph, Threshold(0.9, RECORD))
    assert fit.before.confidence.min() >= 0.9
    with_low = choose_temperature(graph, Threshold(0.9, RECORD, low=0.7))
    assert 0.7 <= with_low.before.confidence.min() < 0.8
    with pytest.raises(DatasetError, match=r"reports 0 pixels of road, nothing"):
        choose_temperature(graph, Threshold(0.99, RECORD))


def test_nothing_to_tell_right_from_wrong_is_refused(tmp_path: Path) -> None:
    mask = np.zeros((40, 60), bool)
    for name, words, mark in (("right", "all of it right", True), ("wrong", "none of it right", False)):
        mask[:] = mark
        data = load_dataset(write_images(tmp_path / name, (np.zeros((40, 60), np.uint8), mask)), "train")
        graph = GraphOnList(lambda frame: np.full(frame.shape[:2], 0.9, np.float32), 1, "fused", data, 2.0)
        with pytest.raises(DatasetError, match=words):
            choose_temperature(graph, Threshold(0.5, RECORD))
