"""The training stream is a pure function of (seed, position)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from fissura.errors import DatasetError, ImageError
from fissura.imaging.images import Mask, RgbImage
from train.data.augment import Augmentation, AugmentConfig
from train.data.samples import EpochPositions, TrainingSamples
from train.fit import _without_traceback

EVERYTHING = AugmentConfig(
    horizontal_flip=True,
    vertical_flip=True,
    quarter_turns=True,
    rotation_deg=20,
    translation=0.1,
    shear_deg=3,
    zoom=0.2,
    brightness=0.2,
    contrast=0.2,
    saturation=0.1,
    hue=0.05,
    blur_sigma=1.0,
    noise_std=0.05,
)


class Gradients:
    """Images whose red channel is bright exactly where the mask is set."""

    def __init__(self, count: int, height: int = 40, width: int = 48) -> None:
        self.count, self.size = count, (height, width)

    def __len__(self) -> int:
        return self.count

    def read(self, index: int) -> tuple[RgbImage, Mask]:
        mask = np.zeros(self.size, np.bool_)
        mask[5 + index : 9 + index, :] = True
        image = np.full((*self.size, 3), 40 + index, np.uint8)
        image[mask] = 250
        return image, mask

    def name(self, index: int) -> str:
        return f"gradient {index}"

    def fingerprint(self) -> str:
        return "gradients"


def samples(
    *, seed: int = 7, augmentation: AugmentConfig = EVERYTHING, crop: tuple[int, int] | None = (32, 32), scale: int = 1
) -> TrainingSamples:
    return TrainingSamples(
        [(Gradients(5), 1)], seed=seed, crop=crop, multiple=8, scale=scale, augmentation=Augmentation(augmentation)
    )


def batches(workers: int) -> list[torch.Tensor]:
    positions = EpochPositions(12, lambda: 36)
    loader = DataLoader(samples(), batch_size=4, sampler=positions, num_workers=workers)
    return [batch["image"] for batch in loader]


def test_samples_do_not_depend_on_the_number_of_workers() -> None:
    alone, helped = batches(0), batches(2)
    assert len(alone) == 3
    assert all(torch.equal(a, b) for a, b in zip(alone, helped, strict=True))


def test_samples_do_not_depend_on_what_was_read_before_and_do_on_the_seed() -> None:
    stream = samples()
    for position in (0, 1, 2):
        stream[position]
    assert torch.equal(stream[9]["image"], samples()[9]["image"])
    assert not torch.equal(stream[9]["image"], samples(seed=8)[9]["image"])


def test_global_random_state_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    samples()[0]
    assert torch.equal(torch.rand(3), expected)


def test_each_pass_takes_every_image_once() -> None:
    plain = samples(augmentation=AugmentConfig(), crop=None)
    for start in (0, 5, 10):
        darkest = sorted(round(float(plain[start + i]["image"].min()) * 255) for i in range(5))
        assert darkest == [40, 41, 42, 43, 44]


def test_mask_moves_with_the_image() -> None:
    geometry = EVERYTHING.model_copy(update={"noise_std": 0.0, "brightness": 0.0, "contrast": 0.0, "blur_sigma": 0.0})
    stream = samples(augmentation=geometry.model_copy(update={"saturation": 0.0, "hue": 0.0}))
    for position in range(12):
        sample = stream[position]
        bright = sample["image"][0] > 0.57  # half-way between pavement and crack
        disagree = (bright != (sample["mask"][0] > 0.5)).float().mean()
        assert disagree < 0.06, f"sample {position}: mask and image differ on {disagree:.1%} of the pixels"
        assert set(sample["mask"].unique().tolist()) <= {0.0, 1.0}


def test_frame_is_the_block_average_of_the_image() -> None:
    sample = samples(scale=2)[0]
    assert sample["frame"].shape == (3, 16, 16)
    average = sample["image"].view(3, 16, 2, 16, 2).mean(dim=(2, 4))
    assert (sample["frame"] - average).abs().max() <= 1.01 / 255  # rounding to 8 bits, twice


def test_images_smaller_than_the_crop_are_continued() -> None:
    sample = samples(crop=(64, 64), augmentation=AugmentConfig())[0]
    assert sample["image"].shape == (3, 64, 64)
    assert sample["mask"].sum() > 0


def test_impossible_crops_are_refused() -> None:
    with pytest.raises(DatasetError, match="crops of 30x32"):
        samples(crop=(30, 32))
    stream = TrainingSamples(
        [(Gradients(1, 30, 32), 1)], seed=0, crop=None, multiple=8, scale=1, augmentation=Augmentation(AugmentConfig())
    )
    with pytest.raises(ImageError, match=r"data\.crop"):
        stream[0]


class Broken(Gradients):
    """Cannot be read, as an image that went away during the run."""

    def read(self, index: int) -> tuple[RgbImage, Mask]:
        raise ImageError("image 7.png is damaged", expected="an image", fix="copy it again")


def test_an_error_in_a_worker_comes_out_without_the_worker_s_traceback() -> None:
    stream = TrainingSamples(
        [(Broken(3), 1)], seed=0, crop=None, multiple=8, scale=1, augmentation=Augmentation(AugmentConfig())
    )
    with pytest.raises(ImageError, match="Traceback") as caught:
        list(DataLoader(stream, num_workers=1))
    shown = str(_without_traceback(caught.value))
    assert shown.startswith("image 7.png is damaged\n  expected: an image\n  to do:    copy it again")
    assert "Traceback" not in shown
