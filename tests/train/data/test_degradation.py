"""Camera degradations of training frames: what is hit, what is drawn, and that a seed and a position say it all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fissura.config import load_config
from fissura.errors import ConfigError, MissingDependencyError
from fissura.imaging.degradation import DEGRADATIONS
from fissura.imaging.images import Mask, RgbImage
from fissura.imaging.resample import downsample
from train.data.augment import Augmentation, AugmentConfig
from train.data.degradation import CameraDegradation, DegradationConfig
from train.data.samples import TrainingSamples

BLUR = {"motion_blur": {"length_px": (3, 6)}}


class Grain:
    """Images of noise, whose red channel is bright where the mask is set."""

    def __len__(self) -> int:
        return 3

    def read(self, index: int) -> tuple[RgbImage, Mask]:
        image = np.random.default_rng(index).integers(60, 190, (48, 64, 3), dtype=np.uint8)
        mask = np.zeros((48, 64), np.bool_)
        mask[10 + index : 14 + index] = True
        image[mask, 0] = 250
        return image, mask

    def name(self, index: int) -> str:
        return f"grain {index}"

    def fingerprint(self) -> str:
        return "grain"


def samples(degradation: dict[str, Any] | None, scale: int = 1, seed: int = 7) -> TrainingSamples:
    config = AugmentConfig.model_validate({"horizontal_flip": True, "brightness": 0.1, "degradation": degradation})
    return TrainingSamples([(Grain(), 1)], seed=seed, crop=(32, 32), scale=scale, augmentation=Augmentation(config))


def test_the_frame_is_hit_and_the_target_stays_clean() -> None:
    plain, degraded = samples(None, scale=2), samples({"share": 1, "ranges": BLUR}, scale=2)
    for position in range(6):
        one, other = plain[position], degraded[position]
        assert torch.equal(one["image"], other["image"])
        assert torch.equal(one["mask"], other["mask"])
        assert not torch.equal(one["frame"], other["frame"])
        clean = downsample((one["image"] * 255).round().byte().permute(1, 2, 0).numpy(), 2)
        assert torch.equal((one["frame"] * 255).round().byte().permute(1, 2, 0), torch.from_numpy(clean))
        assert other["frame"].std() < 0.85 * one["frame"].std()


def test_without_super_resolution_the_image_is_hit() -> None:
    plain, degraded = samples(None), samples({"share": 1, "ranges": BLUR})
    for position in range(6):
        one, other = plain[position], degraded[position]
        assert set(other) == {"image", "mask"}
        assert other["image"].dtype == torch.float32
        assert torch.equal(one["mask"], other["mask"])
        assert other["image"].std() < 0.85 * one["image"].std()
        assert other["image"].min() >= 0 and other["image"].max() <= 1


def test_the_same_seed_and_position_give_the_same_sample() -> None:
    options = {"share": 0.5, "ranges": {**BLUR, "noise": {"white_electrons": (100, 1000)}, "jpeg": {"quality": 60}}}
    stream, again = samples(options), samples(options)
    for position in (0, 1):
        stream[position]
    assert torch.equal(stream[5]["image"], again[5]["image"])
    assert not torch.equal(stream[5]["image"], samples(options, seed=8)[5]["image"])


def test_share() -> None:
    frame = Grain().read(0)[0]
    degrade = CameraDegradation(DegradationConfig(share=0.25, ranges={"jpeg": {"quality": 10}}))
    hit = sum(not np.array_equal(degrade(frame, np.random.default_rng(seed)), frame) for seed in range(400))
    assert 70 < hit < 130


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """The options that every degradation is called with, in the order of the calls."""
    calls: dict[str, list[Any]] = {}
    for name in ("noise", "jpeg", "defocus"):

        def apply(frame: RgbImage, config: Any, draw: Any, name: str = name) -> RgbImage:
            calls.setdefault(name, []).append(config)
            return frame

        monkeypatch.setitem(DEGRADATIONS, name, replace(DEGRADATIONS[name], apply=apply))
    return calls


def test_options_are_drawn_from_their_ranges(seen: dict[str, list[Any]]) -> None:
    ranges = {
        "jpeg": {"quality": (40, 42)},
        "noise": {"white_electrons": (100, 10000), "read_electrons": 5},
        "defocus": {"radius_px": (0.5, 1.5)},
    }
    degrade = CameraDegradation(DegradationConfig.model_validate({"share": 1, "ranges": ranges}))
    draw = np.random.default_rng(1)
    for _ in range(300):
        degrade(np.zeros((4, 4, 3), np.uint8), draw)
    assert list(seen) == ["defocus", "noise", "jpeg"]  # the camera's order, not the recipe's
    assert {config.quality for config in seen["jpeg"]} == {40, 41, 42}
    radii = [config.radius_px for config in seen["defocus"]]
    assert 0.5 <= min(radii) < 0.55 and 1.45 < max(radii) <= 1.5
    assert {config.read_electrons for config in seen["noise"]} == {5}
    electrons = [config.white_electrons for config in seen["noise"]]
    assert np.median(electrons) == pytest.approx(1000, rel=0.3)  # each octave alike


@pytest.mark.parametrize(
    ("section", "messages"),
    [
        ("{share: 0.5}", ("ranges",)),
        ("{share: 2, ranges: {jpeg: {quality: 50}}}", ("share",)),
        ("{ranges: {}}", ("ranges",)),
        ("{ranges: {motion_blurr: {length_px: 2}}}", ("no degradation 'motion_blurr'", "motion_blur, defocus")),
        ("{ranges: {jpeg: {quality: [95, 40]}}}", ("jpeg.quality is [95, 40]", "the smaller value first")),
        ("{ranges: {jpeg: {quality: [40, 195]}}}", ("quality", "less than or equal to 100")),
        ("{ranges: {jpeg: {qality: 40}}}", ("unknown key 'qality'", "did you mean 'quality'?")),
        ("{ranges: {motion_blur: {speed_m_per_s: [1, 5]}}}", ("give either `length_px` or all of",)),
        ("{ranges: {jpeg: {quality: best}}}", ("quality",)),
    ],
)
def test_bad_section_is_refused_with_its_line(section: str, messages: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "augmentation.yaml"
    path.write_text(f"horizontal_flip: true\ndegradation: {section}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(AugmentConfig, path)
    for message in ("line 2", *messages):
        assert message in str(caught.value)


def test_missing_package_is_named_before_the_first_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    config = DegradationConfig(ranges={"h264": {"crf": 30}})
    with pytest.raises(MissingDependencyError, match="'av'"):
        CameraDegradation(config)
