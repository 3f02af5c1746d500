from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.special import expit

from calibration.reliability import check_plotting, draw_reliability, reliability_of
from fissura.errors import MissingDependencyError


def test_ece_by_hand() -> None:
    confidence = np.array([0.62, 0.64, 0.62, 0.64, 0.97, 0.97])
    right = np.array([True, False, True, False, True, True])
    found = reliability_of(confidence, right)
    np.testing.assert_allclose(found.confidence, [0.63, 0.97])
    np.testing.assert_allclose(found.right, [0.5, 1.0])
    np.testing.assert_array_equal(found.pixels, [4, 2])
    assert found.ece == pytest.approx((4 * 0.13 + 2 * 0.03) / 6)
    assert found.nll == pytest.approx(-np.log([0.62, 0.36, 0.62, 0.36, 0.97, 0.97]).mean())


@settings(deadline=None)
@given(confidence=arrays(np.float64, 50, elements=st.floats(0, 1)), right=arrays(bool, 50), bins=st.integers(1, 40))
def test_bins_hold_every_pixel_and_figures_stay_in_range(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int
) -> None:
    found = reliability_of(confidence, right, bins)
    assert found.pixels.sum() == 50 and (found.pixels > 0).all()
    assert (np.diff(found.confidence) > 0).all()
    assert abs(right.mean() - confidence.mean()) - 1e-9 <= found.ece <= 1
    assert np.isfinite(found.nll)


def test_what_comes_true_as_often_as_it_says_has_no_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(400_000)
    right = rng.random(400_000) < confidence
    assert reliability_of(confidence, right).ece < 0.005
    assert reliability_of(expit(3 * np.log(confidence / (1 - confidence))), right).ece > 0.1


def test_the_plot_is_a_picture_with_both_curves(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 1000)
    before, after = (
        reliability_of(confidence, rng.random(1000) < 0.7),
        reliability_of(confidence, rng.random(1000) < 0.9),
    )
    graphs = {"fused": (2.0, before, after), "segmentation": (0.7, after, before)}
    draw_reliability(tmp_path / "plots" / "reliability.png", graphs, "streets")
    image = cv2.imread(str(tmp_path / "plots" / "reliability.png"))
    for half in np.array_split(image.astype(int), 2, axis=1):
        for colour in ((0, 94, 213), (178, 114, 0)):  # blue, green, red
            assert (np.abs(half - colour).sum(axis=2) < 12).sum() > 200


def test_without_matplotlib_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match="'matplotlib'") as caught:
        check_plotting()
    assert ".[export]" in caught.value.fix
