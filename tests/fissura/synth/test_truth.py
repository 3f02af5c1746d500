"""What a frame states about its cracks agrees with its mask, and with what measuring the mask gives."""

from __future__ import annotations

import numpy as np
import pytest

from fissura.imaging.decode import find_cracks
from fissura.synth import SynthConfig, SynthCrack, render

GSD = 0.8
ONE_CRACK = SynthConfig(gsd_mm_per_px=GSD, cracks=(1, 1), branches=0, crack_free=0, width_mm=(3 * GSD, 10 * GSD))


def test_length_and_width_follow_from_the_polyline() -> None:
    crack = SynthCrack(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 14.0]]), np.array([2.0, 4.0, 4.0]), 0.5)
    assert crack.length_mm == pytest.approx(7.5)
    assert crack.mean_width_mm == pytest.approx((3.0 * 5 + 4.0 * 10) / 15)
    assert crack.max_width_mm == 4.0


def test_area_of_the_mask_is_length_times_width() -> None:
    """Within 4 % each and 2 % on average."""
    ratios = []
    for index in range(25):
        frame = render(ONE_CRACK, 11, index)
        area_mm2 = frame.mask.sum() * GSD**2
        ratios.append(area_mm2 / sum(crack.length_mm * crack.mean_width_mm for crack in frame.cracks))
    assert np.abs(np.array(ratios) - 1).max() < 0.04
    assert abs(np.mean(ratios) - 1) < 0.02


def test_points_are_about_a_pixel_apart() -> None:
    for index in range(5):
        for crack in render(SynthConfig(crack_free=0), 12, index).cracks:
            steps = np.hypot(*np.diff(crack.polyline, axis=0).T)
            assert steps.max() < 4
            assert 0.7 < steps.mean() < 1.6


def test_measuring_the_mask_gives_the_truth() -> None:
    """Of cracks at least 3 px wide: mean width and length within 10 %, on average 2 %; largest width within 30 %."""
    widths, lengths, largest = [], [], []
    for index in range(25):
        frame = render(ONE_CRACK, 13, index)
        found = find_cracks(frame.mask.astype(np.float32), threshold=0.5, gsd_mm_per_px=GSD)
        if len(frame.cracks) != 1 or len(found) != 1:
            continue  # it left the frame and came back
        (truth,), geometry = frame.cracks, found[0].geometry
        assert geometry.length_mm is not None
        assert geometry.mean_width_mm is not None
        assert geometry.max_width_mm is not None
        widths.append(geometry.mean_width_mm / truth.mean_width_mm)
        largest.append(geometry.max_width_mm / truth.max_width_mm)
        lengths.append(geometry.length_mm / truth.length_mm)
    assert len(widths) >= 15
    for ratios in (widths, lengths):
        assert np.abs(np.array(ratios) - 1).max() < 0.1
        assert abs(np.mean(ratios) - 1) < 0.02
    # A notch of a pixel or two counts in the truth and is averaged out of the measured profile.
    assert np.abs(np.array(largest) - 1).max() < 0.3
