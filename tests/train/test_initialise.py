"""Kernels drawn anew by a recipe."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from train.config import Recipe
from train.initialise import initialise
from train.networks import NETWORKS

SET = {"kind": "synth", "count": 1}


def test_he_normal_keeps_the_signal_through_relus_and_transposed_kernels() -> None:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(4):
        layers += [nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular"), nn.ReLU()]
    layers += [nn.ConvTranspose2d(64, 64, 4, stride=2, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 1)]
    network = nn.Sequential(*layers)
    initialise(network, "he_normal")
    out = network(torch.randn(2, 64, 32, 32))[..., 4:-4, 4:-4]
    assert 0.5 < float(out.detach().pow(2).mean()) / 2 < 2  # E[x^2] doubles where no ReLU halves it


def test_what_gives_logits_starts_small_and_biases_at_zero() -> None:
    torch.manual_seed(0)
    head = nn.Conv2d(256, 1, 1)
    initialise(head, "he_normal")
    assert float(head.weight.detach().abs().max()) <= (6 / 257) ** 0.5
    assert head.bias is not None
    assert float(head.bias.detach().abs().max()) == 0


def test_xavier_is_uniform_with_its_variance() -> None:
    torch.manual_seed(0)
    linear, kernel = nn.Linear(300, 100), nn.Conv2d(20, 30, 3)
    initialise(nn.Sequential(linear, kernel), "xavier")
    for weight, fans in ((linear.weight, 400), (kernel.weight, 450)):
        assert float(weight.detach().abs().max()) == pytest.approx((6 / fans) ** 0.5, rel=0.01)
        assert float(weight.detach().var()) == pytest.approx(2 / fans, rel=0.05)


@pytest.mark.parametrize("kind", ["he_normal", "xavier"])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_starts_with_finite_logits_by_the_seed(name: str, kind: str) -> None:
    config = NETWORKS[name].config().narrowed(1 / 16)

    def start() -> nn.Module:
        torch.manual_seed(3)
        network = NETWORKS[name](**config.model_dump())
        initialise(network, kind)  # type: ignore[arg-type]
        return network

    one, other = start(), start()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    with torch.no_grad():
        logits = one(torch.randn(2, 3, 64, 64))
    assert logits.isfinite().all()
    assert float(logits.abs().max()) < 100


def test_pretrained_weights_are_not_overwritten() -> None:
    values = {
        "name": "x",
        "epochs": 1,
        "data": {"train": [SET], "validation": [SET]},
        "model": {"segmentation": {"name": "hed", "weights": "vgg16.safetensors"}},
        "loss": {"name": "bce"},
        "initialisation": "xavier",
    }
    with pytest.raises(ValueError, match="overwrite"):
        Recipe.model_validate(values)
