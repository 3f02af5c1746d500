"""The training stream is a pure function of (seed, position)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from fissura.errors import DatasetError, ImageError
from fissura.imaging.images import Mask, RgbImage
from fissura.imaging.resample import FrameKernel, downsample
from train.data.augment import Augmentation, AugmentConfig
from train.data.samples import EpochPositions, TrainingSamples
from train.data.sampling import SamplingConfig
from train.fit import _without_traceback
from train.losses.distance import distance_maps
from train.losses.loss import DistanceKind

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
NOTHING = AugmentConfig()


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


class Sparse(Gradients):
    """Image 0 has one crack pixel, at (3, 40), image 1 none, image 2 two rows of them. Every pixel differs."""

    def read(self, index: int) -> tuple[RgbImage, Mask]:
        mask = np.zeros(self.size, np.bool_)
        if index == 0:
            mask[3, 40] = True
        if index == 2:
            mask[20:22] = True
        rows, columns = np.indices(self.size)
        return np.stack([rows, columns, np.full(self.size, index)], axis=2).astype(np.uint8), mask


def samples(
    images: Gradients | None = None,
    *,
    seed: int = 7,
    augmentation: AugmentConfig = EVERYTHING,
    crop: tuple[int, int] | None = (32, 32),
    scale: int = 1,
    sampling: SamplingConfig | None = None,
    frame_kernel: FrameKernel = "area",
) -> TrainingSamples:
    return TrainingSamples(
        [(images or Gradients(5), 1)],
        seed=seed,
        crop=crop,
        scale=scale,
        augmentation=Augmentation(augmentation),
        sampling=sampling or SamplingConfig(),
        frame_kernel=frame_kernel,
    )


SAMPLINGS = {
    "anywhere": SamplingConfig(),
    "crack share": SamplingConfig(crack_share=0.5),
    "ratio": SamplingConfig(positive_ratio=(1, 3)),
    "scaled windows": SamplingConfig(window_scale=(0.6, 1.0)),
}


def batches(workers: int, sampling: SamplingConfig) -> list[torch.Tensor]:
    positions = EpochPositions(12, lambda: 36)
    loader = DataLoader(samples(sampling=sampling), batch_size=4, sampler=positions, num_workers=workers)
    return [batch["image"] for batch in loader]


@pytest.mark.parametrize("name", SAMPLINGS)
def test_samples_do_not_depend_on_the_number_of_workers(name: str) -> None:
    alone, helped = batches(0, SAMPLINGS[name]), batches(2, SAMPLINGS[name])
    assert len(alone) == 3
    assert all(torch.equal(a, b) for a, b in zip(alone, helped, strict=True))


@pytest.mark.parametrize("name", SAMPLINGS)
def test_samples_do_not_depend_on_what_was_read_before_and_do_on_the_seed(name: str) -> None:
    sampling = SAMPLINGS[name]
    stream = samples(sampling=sampling)
    for position in (0, 1, 2):
        stream[position]
    assert torch.equal(stream[9]["image"], samples(sampling=sampling)[9]["image"])
    assert not torch.equal(stream[9]["image"], samples(seed=8, sampling=sampling)[9]["image"])


def test_global_random_state_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    samples()[0]
    assert torch.equal(torch.rand(3), expected)


def test_each_pass_takes_every_image_once() -> None:
    plain = samples(augmentation=NOTHING, crop=None)
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


@pytest.mark.parametrize("kernel", ["area", "bicubic", "bilinear"])
def test_frame_is_made_of_the_image_by_the_kernel(kernel: FrameKernel) -> None:
    sample = samples(scale=2, frame_kernel=kernel)[0]
    assert sample["frame"].shape == (3, 16, 16)
    image = (sample["image"] * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal((sample["frame"] * 255).round().byte().permute(1, 2, 0), downsample(image, 2, kernel))


def test_images_smaller_than_the_crop_are_continued_by_mirroring() -> None:
    sample = samples(crop=(64, 64), augmentation=NOTHING)[0]
    part = sample["mask"][0, :40, :48]
    assert part.sum() > 0
    expected = np.pad(part.numpy(), ((0, 24), (0, 16)), mode="symmetric")
    assert np.array_equal(sample["mask"][0], expected)


def test_crops_need_no_other_multiple_than_the_scale() -> None:
    assert samples(crop=(27, 31), augmentation=NOTHING)[0]["image"].shape == (3, 27, 31)
    with pytest.raises(DatasetError, match="crops of 30x32"):
        samples(crop=(30, 32), scale=4)
    with pytest.raises(ImageError, match=r"data\.crop"):
        samples(Gradients(1, 30, 32), crop=None, scale=4, augmentation=NOTHING)[0]


@pytest.mark.parametrize(("positive", "negative"), [(1, 3), (1, 1), (2, 5)])
def test_the_middle_pixels_of_patches_keep_the_ratio_exactly(positive: int, negative: int) -> None:
    sampling = SamplingConfig(positive_ratio=(positive, negative))
    stream = samples(Sparse(3), sampling=sampling, crop=(27, 27), augmentation=NOTHING)
    block = positive + negative
    middles = [bool(stream[position]["mask"][0, 13, 13]) for position in range(6 * block)]
    for start in range(0, len(middles), block):
        assert sum(middles[start : start + block]) == positive


def test_every_crack_pixel_comes_up_once_a_pass() -> None:
    stream = samples(Sparse(3), sampling=SamplingConfig(positive_ratio=(1, 1)), crop=(9, 9), augmentation=NOTHING)
    cracks = 1 + 2 * 48
    assert len(stream) == 2 * cracks
    for first in (0, len(stream)):
        middles = [stream[first + 2 * k]["image"][:, 4, 4] for k in range(cracks)]
        places = {tuple((255 * middle).round().int().tolist()) for middle in middles}
        assert places == {(3, 40, 0)} | {(row, column, 2) for row in (20, 21) for column in range(48)}


def test_other_pixels_come_from_everywhere_alike() -> None:
    stream = samples(Sparse(3), sampling=SamplingConfig(positive_ratio=(1, 3)), crop=(1, 1), augmentation=NOTHING)
    drawn = [stream[position] for position in range(2400) if position % 4]
    assert not any(bool(sample["mask"].any()) for sample in drawn)
    places = np.array([(255 * sample["image"][:, 0, 0]).round().int().tolist() for sample in drawn])
    shares = np.bincount(places[:, 2], minlength=3) / len(places)
    pixels = np.array([40 * 48 - 1, 40 * 48, 38 * 48])
    assert shares == pytest.approx(pixels / pixels.sum(), abs=0.04)  # 1800 draws: sigma 0.011
    assert places[:, 0].mean() == pytest.approx(19.5, abs=1.2)
    assert places[:, 1].mean() == pytest.approx(23.5, abs=1.4)


def test_patches_at_the_border_are_continued_by_mirroring() -> None:
    stream = samples(Sparse(1), sampling=SamplingConfig(positive_ratio=(1, 1)), crop=(27, 27), augmentation=NOTHING)
    image, _ = Sparse(1).read(0)
    padded = np.pad(image, ((13, 13), (13, 13), (0, 0)), mode="symmetric")
    shown = (255 * stream[0]["image"]).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(shown, padded[3:30, 40:67])


@pytest.mark.parametrize(("filled", "lacking"), [(False, "no crack pixels"), (True, "nothing but crack pixels")])
def test_masks_without_both_kinds_of_pixels_cannot_be_sampled(filled: bool, lacking: str) -> None:
    class Uniform(Gradients):
        def read(self, index: int) -> tuple[RgbImage, Mask]:
            return np.zeros((*self.size, 3), np.uint8), np.full(self.size, filled)

    with pytest.raises(DatasetError, match=lacking):
        samples(Uniform(2), sampling=SamplingConfig(positive_ratio=(1, 3)))


@pytest.mark.parametrize("share", [0.25, 0.6, 1.0])
def test_the_share_of_crops_that_hold_a_crack_is_kept(share: float) -> None:
    class Corner(Sparse):
        """One crack pixel in a corner: a crop anywhere hardly ever holds it."""

        def read(self, index: int) -> tuple[RgbImage, Mask]:
            image, _ = super().read(index)
            mask = np.zeros(self.size, np.bool_)
            mask[39, 47] = True
            return image, mask

    stream = samples(Corner(3), sampling=SamplingConfig(crack_share=share), crop=(16, 8), augmentation=NOTHING)
    holding = [bool(stream[position]["mask"].any()) for position in range(100)]
    assert share * 100 <= sum(holding) <= share * 100 + 3


def test_crops_around_a_crack_lie_everywhere_that_holds_it() -> None:
    stream = samples(Sparse(1), sampling=SamplingConfig(crack_share=1), crop=(8, 8), augmentation=NOTHING)
    corners = {tuple((255 * stream[k]["image"][:2, 0, 0]).round().int().tolist()) for k in range(400)}
    assert corners == {(top, left) for top in range(4) for left in range(33, 41)}


def test_a_share_of_cracks_where_there_are_none_takes_any_crop() -> None:
    class Empty(Gradients):
        def read(self, index: int) -> tuple[RgbImage, Mask]:
            return np.zeros((*self.size, 3), np.uint8), np.zeros(self.size, np.bool_)

    assert samples(Empty(2), sampling=SamplingConfig(crack_share=1))[3]["mask"].sum() == 0


def test_scaled_windows_are_enlarged_to_the_crop() -> None:
    stream = samples(
        Sparse(1, 64, 64), sampling=SamplingConfig(window_scale=(0.5, 0.5)), crop=(32, 32), augmentation=NOTHING
    )
    sample = stream[0]
    assert sample["image"].shape == (3, 32, 32)
    steps = (255 * sample["image"][0]).diff(dim=0)[2:-2]
    assert float(steps.mean()) == pytest.approx(0.5, abs=0.02)  # rows of the image, at twice their distance


@pytest.mark.parametrize("kind", ["pixels", "normalized"])
def test_the_distance_map_is_that_of_the_augmented_mask(kind: DistanceKind) -> None:
    stream = TrainingSamples(
        [(Gradients(5), 1)],
        seed=3,
        crop=(24, 24),
        scale=1,
        augmentation=Augmentation(EVERYTHING),
        sampling=SamplingConfig(crack_share=1),
        distance=kind,
    )
    for position in range(4):
        sample = stream[position]
        assert sample["distance"].shape == (1, 24, 24)
        assert sample["distance"].dtype == torch.float32
        assert torch.equal(sample["distance"], distance_maps(sample["mask"][None], kind)[0])
    assert "distance" not in samples()[0]


class Broken(Gradients):
    """Cannot be read, as an image that went away during the run."""

    def read(self, index: int) -> tuple[RgbImage, Mask]:
        raise ImageError("image 7.png is damaged", expected="an image", fix="copy it again")


def test_an_error_in_a_worker_comes_out_without_the_worker_s_traceback() -> None:
    stream = samples(Broken(3), crop=None, augmentation=NOTHING)
    with pytest.raises(ImageError, match="Traceback") as caught:
        list(DataLoader(stream, num_workers=1))
    shown = str(_without_traceback(caught.value))
    assert shown.startswith("image 7.png is damaged\n  expected: an image\n  to do:    copy it again")
    assert "Traceback" not in shown


def test_labels_at_the_frame_are_the_mask_made_smaller() -> None:
    samples = TrainingSamples(
        [(Gradients(2), 1)],
        seed=1,
        crop=(16, 32),
        scale=4,
        augmentation=Augmentation(NOTHING),
        distance="pixels",
        labels_at="frame",
    )
    for position in range(6):
        sample = samples[position]
        blocks = sample["mask"].reshape(1, 4, 4, 8, 4).mean((2, 4))
        assert torch.equal(sample["frame_mask"], (blocks >= 0.5).float())
        assert sample["distance"].shape == sample["frame_mask"].shape == (1, 4, 8)
        expected = distance_maps(sample["frame_mask"][None], "pixels")[0]
        assert torch.allclose(sample["distance"], expected)
