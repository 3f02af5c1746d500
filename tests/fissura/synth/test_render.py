from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation

from fissura.errors import UsageError
from fissura.synth import SynthConfig, SynthFrame, render

ROOT = Path(__file__).parents[3]
SMALL = SynthConfig(width=96, height=128)
# Nothing but asphalt or concrete and its cracks.
PLAIN = {"crack_free": 0, "sand_filled": 0, "shadows": 0, "stains": 0, "joints": 0, "lane_paint": 0}


def digest(frame: SynthFrame) -> str:
    return hashlib.sha256(frame.image.tobytes() + frame.mask.tobytes()).hexdigest()


@pytest.mark.parametrize("hash_seed", ["1", "77"])
def test_another_process_renders_the_same(hash_seed: str) -> None:
    code = (
        "import hashlib\nfrom fissura.synth import SynthConfig, render\n"
        "for index in range(6):\n"
        "    frame = render(SynthConfig(width=96, height=128), 3, index)\n"
        "    print(hashlib.sha256(frame.image.tobytes() + frame.mask.tobytes()).hexdigest())\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert other.stdout.split() == [digest(render(SMALL, 3, index)) for index in range(6)]


def test_seed_and_index_each_change_the_frame() -> None:
    digests = {digest(render(SMALL, seed, index)) for seed in range(3) for index in range(3)}
    assert len(digests) == 9


def test_order_does_not_matter() -> None:
    later = render(SMALL, 0, 5)
    render(SMALL, 0, 4)
    assert digest(render(SMALL, 0, 5)) == digest(later)


def test_distractors_do_not_move_the_cracks() -> None:
    bare, full = SynthConfig(**PLAIN), SynthConfig(**{**PLAIN, "joints": 1, "stains": 1, "shadows": 1, "lane_paint": 1})
    for index in range(3):
        one, other = render(bare, 1, index), render(full, 1, index)
        assert np.array_equal(one.mask, other.mask)
        assert not np.array_equal(one.image, other.image)


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 150),
    height=st.integers(1, 150),
    gsd=st.floats(0.1, 20),
    concrete=st.booleans(),
    seed=st.integers(0, 2**40),
)
def test_any_size_and_resolution(width: int, height: int, gsd: float, concrete: bool, seed: int) -> None:
    every = {"crack_free": 0, "shadows": 1, "stains": 1, "joints": 1, "lane_paint": 1}
    config = SynthConfig(width=width, height=height, gsd_mm_per_px=gsd, concrete=float(concrete), **every)
    frame = render(config, seed, 0)
    assert frame.image.shape == (height, width, 3)
    assert frame.image.dtype == np.uint8
    assert frame.mask.shape == (height, width)
    assert frame.mask.dtype == np.bool_
    for crack in frame.cracks:
        assert crack.polyline.shape == (len(crack.widths_mm), 2)
        assert (crack.polyline >= -0.5).all()
        assert (crack.polyline < (width - 0.5, height - 0.5)).all()
        assert 0 < crack.widths_mm.min() <= crack.mean_width_mm * (1 + 1e-9)
        assert crack.mean_width_mm <= crack.max_width_mm * (1 + 1e-9) <= config.width_mm[1] * (1 + 1e-6)
        x, y = np.rint(crack.polyline).astype(int).T
        assert frame.mask[y, x].all(), "the centre line lies outside the mask"
    if min(width, height) >= 16:
        assert frame.mask.any()


def test_share_of_crack_free_frames() -> None:
    config = SynthConfig(width=32, height=32, crack_free=0.3)
    frames = [render(config, 8, index) for index in range(300)]
    free = [not frame.mask.any() for frame in frames]
    assert free == [not frame.cracks for frame in frames]
    assert 60 <= sum(free) <= 120  # 90 +- 3.8 standard deviations


def test_no_crack_means_an_empty_mask_whatever_lies_on_the_surface() -> None:
    config = SynthConfig(width=160, height=160, crack_free=1, shadows=1, stains=1, joints=1, lane_paint=1)
    clean = SynthConfig(width=160, height=160, **{**PLAIN, "crack_free": 1})
    for index in range(6):
        frame = render(config, 2, index)
        assert not frame.mask.any()
        assert frame.cracks == ()
        assert np.abs(frame.image.astype(int) - render(clean, 2, index).image).max() > 40, "no joint or paint to see"


@pytest.mark.parametrize(("sand", "sign", "spread"), [(0, -1, 0.25), (1, 1, 0.08)])
def test_cracks_show_against_what_is_around_them(sand: float, sign: int, spread: float) -> None:
    config = SynthConfig(**{**PLAIN, "sand_filled": sand}, width_mm=(2.5, 10))
    contrasts = []
    for index in range(12):
        frame = render(config, 4, index)
        grey = frame.image.mean(axis=2)
        ring = binary_dilation(frame.mask, iterations=8) & ~binary_dilation(frame.mask, iterations=3)
        contrasts.append(sign * (grey[frame.mask].mean() - grey[ring].mean()) / grey[ring].mean())
    assert min(contrasts) > 0.04
    assert np.mean(contrasts) > 0.15
    assert max(contrasts) - min(contrasts) > spread, "clear and faint cracks are both wanted"


def test_a_hairline_is_fainter_than_a_wide_crack() -> None:
    def contrast(width_mm: float) -> float:
        config = SynthConfig(**PLAIN, cracks=(1, 1), branches=0, width_mm=(width_mm, width_mm), contrast=(0.8, 0.8))
        values = []
        for index in range(8):
            frame = render(config, 6, index)
            grey = frame.image.mean(axis=2)
            values.append(1 - grey[frame.mask].mean() / grey[~frame.mask].mean())
        return float(np.mean(values))

    hairline, wide = contrast(0.6), contrast(5.0)
    assert 0.02 < hairline < 0.5 * wide


@pytest.mark.parametrize(("seed", "index"), [(-1, 0), (0, -1)])
def test_negative_seed_or_index_is_refused(seed: int, index: int) -> None:
    with pytest.raises(UsageError, match="0 or more"):
        render(SMALL, seed, index)
