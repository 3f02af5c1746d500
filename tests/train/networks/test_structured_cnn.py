"""The structured-prediction CNN: paper 001's sizes, and a whole image against its patches one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import train.networks.structured_cnn as module
from fissura.errors import TrainingError
from train.networks.count import count
from train.networks.structured_cnn import PATCH, StructuredCnn


def narrow(structure_px: int = 5, **options: object) -> StructuredCnn:
    torch.manual_seed(0)
    return StructuredCnn(structure_px, widths=(4, 6), hidden=8, **options).double().eval()  # type: ignore[arg-type]


def votes_one_by_one(network: StructuredCnn, image: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Summed label probabilities and number of votes of each pixel, as paper 001 describes it: patch by patch."""
    height, width = image.shape[-2:]
    half, reach = PATCH // 2, network.structure // 2
    padded = torch.from_numpy(np.pad(image[0].numpy(), ((0, 0), (half, half), (half, half)), mode="symmetric"))
    sums, votes = np.zeros((height, width)), np.zeros((height, width))
    for row in range(height):
        patches = torch.stack([padded[:, row : row + PATCH, column : column + PATCH] for column in range(width)])
        with torch.no_grad():
            labels = network.training_logits(patches)[0].sigmoid()[:, 0].numpy()
        for column in range(width):
            for i in range(network.structure):
                for j in range(network.structure):
                    y, x = row + i - reach, column + j - reach
                    if 0 <= y < height and 0 <= x < width:
                        sums[y, x] += labels[column, i, j]
                        votes[y, x] += 1
    return sums, votes


@pytest.mark.parametrize(
    ("structure_px", "channels", "parameters"),
    [(1, 3, 94_673), (3, 3, 95_193), (5, 3, 96_233), (7, 3, 97_793), (5, 1, 95_945)],
)
def test_parameter_counts(structure_px: int, channels: int, parameters: int) -> None:
    with torch.device("meta"):
        network = StructuredCnn(structure_px, in_channels=channels)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_fast_mode_is_fast() -> None:
    with torch.device("meta"):
        fast = count(StructuredCnn(mode="fast"), (320, 480))
    assert fast.gmacs < 0.68e3 / 40  # patch by patch an image takes 0.68e12


@pytest.mark.parametrize("structure_px", [1, 3, 5, 7])
@pytest.mark.parametrize("size", [(31, 20), (9, 5)])
def test_exact_mode_is_the_paper_s_evaluation(structure_px: int, size: tuple[int, int]) -> None:
    image = torch.randn(1, 3, *size, dtype=torch.float64)
    network = narrow(structure_px)
    sums, votes = votes_one_by_one(network, image)
    with torch.no_grad():
        found = network(image).sigmoid()[0, 0].numpy()
    np.testing.assert_allclose(found, sums / votes, rtol=0, atol=1e-12)


def test_min_max() -> None:
    image = torch.randn(1, 3, 12, 15, dtype=torch.float64)
    network = narrow(normalisation="min_max")
    assert network.halo is None
    sums, _ = votes_one_by_one(network, image)
    with torch.no_grad():
        found = network(image).sigmoid()[0, 0].numpy()
    np.testing.assert_allclose(found, (sums - sums.min()) / np.ptp(sums), rtol=0, atol=1e-9)


def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.randn(2, 3, 40, 11, dtype=torch.float64)
    network = narrow()
    with torch.no_grad():
        whole = network(image)
        monkeypatch.setattr(module, "PIXELS_AT_ONCE", 100)
        torch.testing.assert_close(network(image), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_saturated_votes_have_finite_logits(mode: str) -> None:
    network = narrow(mode=mode).float()
    with torch.no_grad():
        for bias in (-1e4, 1e4):
            network.connected3.bias.fill_(bias)
            logits = network(torch.randn(1, 3, 30, 30))
            assert logits.isfinite().all()
            assert (logits.sign() == np.sign(bias)).all()


def test_fast_mode_is_the_patch_with_its_surroundings() -> None:
    """The same layers without padding, on a patch and the 6 pixels around it (3 less where pooling drops 3 rows)."""
    network = narrow(1, mode="fast")
    image = torch.randn(1, 3, 60, 60, dtype=torch.float64)
    with torch.no_grad():
        found = network(image)
        for row, column in ((19, 19), (30, 25), (43, 43)):
            x = image[..., row - 19 : row + 17, column - 19 : column + 17]
            for index, layer in enumerate((network.conv1, network.conv2, network.conv3, network.conv4)):
                x = torch.conv2d(x, layer.weight, layer.bias).relu()
                if index % 2:
                    x = torch.max_pool2d(x, 2)
            x = network.connected3(network.connected2(network.connected1(x.flatten(1)).relu()).relu())
            torch.testing.assert_close(found[0, 0, row, column], x[0, 0], rtol=0, atol=1e-12)


def test_halo_is_exact() -> None:
    assert (StructuredCnn(5).halo, StructuredCnn(1).halo, StructuredCnn(5, mode="fast").halo) == (15, 13, 21)


def test_only_patches_train() -> None:
    network = narrow()
    patches = torch.randn(3, 3, PATCH, PATCH, dtype=torch.float64)
    assert network.training_logits(patches)[0].shape == (3, 1, 5, 5)
    with pytest.raises(TrainingError, match="64x48"):
        network.training_logits(torch.randn(1, 3, 48, 64, dtype=torch.float64))
