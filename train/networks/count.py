"""What a network costs: parameters and multiply-accumulates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Cost:
    """Parameters, and multiply-accumulates of convolutions and matrix products in units of 1e9."""

    parameters: int
    gmacs: float


def count(network: nn.Module, size: tuple[int, int], in_channels: int = 3) -> Cost:
    """Count the parameters and the multiply-accumulates of one image.

    Biases, activations, pooling and normalisation are left out of the multiply-accumulates, as is usual. A network
    made under ``torch.device("meta")`` is counted without computing anything. One without parameters counts zero.

    Args:
        network: takes (N, in_channels, H, W).
        size: height and width of the image, in pixels.
        in_channels: of the image.

    Example:
        >>> from train.networks.unet import UNet
        >>> with torch.device("meta"):
        ...     count(UNet(), (320, 480))
        Cost(parameters=31031745, gmacs=112.8923136)
    """
    parameters = list(network.parameters())
    if not parameters:
        return Cost(0, 0.0)
    image = torch.zeros(1, in_channels, *size, device=parameters[0].device)
    training = network.training
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(image)
    network.train(training)
    return Cost(sum(parameter.numel() for parameter in parameters), counter.get_total_flops() / 2e9)
