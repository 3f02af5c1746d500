"""FCN-8s: the published size, logits as the difference of two classes, bilinear start, halo."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.train.networks.reach import assert_halo_is_exact
from train.networks.bilinear import enlarge
from train.networks.count import count
from train.networks.fcn8s import Fcn8s

NARROW = (2, 3, 4, 5, 6)


def test_parameter_count() -> None:
    with torch.device("meta"):
        parameters = count(Fcn8s(), (32, 32)).parameters
    assert parameters == 134_270_406
    assert f"{parameters / 1e6:.2f}" == "134.27"


def test_probability_is_the_softmax_of_the_two_classes() -> None:
    torch.manual_seed(0)
    network = Fcn8s(NARROW, 8).eval()
    deepest: list[Tensor] = []
    network.score.register_forward_hook(lambda module, inputs, output: deepest.append(output))
    for skip in (network.score_eighth, network.score_sixteenth):
        torch.nn.init.zeros_(skip.weight)
    logits = network(torch.randn(1, 3, 160, 192))
    probability = torch.softmax(enlarge(enlarge(enlarge(deepest[0], 2), 2), 8), dim=1)[:, 1:]
    inside = (..., slice(48, -48), slice(48, -48))  # transposed convolutions fade at the border
    torch.testing.assert_close(torch.sigmoid(logits)[inside], probability[inside])


def test_dropout_works_in_training_only() -> None:
    torch.manual_seed(0)
    network, image = Fcn8s(NARROW, 64), torch.randn(1, 3, 64, 64)
    assert not torch.equal(network(image), network(image))
    network.eval()
    assert torch.equal(network(image), network(image))


def test_halo_is_exact() -> None:
    assert_halo_is_exact(Fcn8s(NARROW, 2))
