"""DeepLabv3+: size, the image's mean in a batch of one, no halo."""

from __future__ import annotations

import torch

from train.networks.count import count
from train.networks.deeplabv3plus import DeepLabV3Plus, Pyramid


def test_parameter_count() -> None:
    with torch.device("meta"):
        parameters = count(DeepLabV3Plus(), (32, 32)).parameters
    assert parameters == 40_347_041
    assert f"{parameters / 1e6:.2f}" == "40.35"


def test_a_batch_of_one_trains() -> None:
    torch.manual_seed(0)
    network = DeepLabV3Plus(4, 16, 3)
    network.training_logits(torch.randn(1, 3, 64, 64))[0].square().mean().backward()
    gradient = network.pyramid.whole[0].weight.grad
    assert gradient is not None
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_the_mean_is_of_each_image_alone() -> None:
    """In training too: the branch gives what it gives for the image by itself."""
    torch.manual_seed(0)
    branch, x = Pyramid(8, 16).whole, torch.randn(3, 8, 1, 1)
    torch.testing.assert_close(branch(x)[1:2], branch(x[1:2]))
    torch.testing.assert_close(branch(x), branch.eval()(x))


def test_a_pixel_is_felt_everywhere() -> None:
    torch.manual_seed(0)
    network = DeepLabV3Plus(2, 8, 2).double().eval()
    assert network.halo is None
    image = torch.randn(1, 3, 16, 1600, dtype=torch.float64)
    other = image.clone()
    other[..., 8, :8] += 10
    with torch.no_grad():
        changed = (network(other) - network(image)).abs()[..., -100:]
    assert changed.max() > 0
