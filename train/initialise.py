"""How a network's weights start, where the recipe and not the network says so."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

Initialisation = Literal["he_normal", "xavier"]
KERNELS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def initialise(network: nn.Module, kind: Initialisation) -> None:
    """Draw all kernels of a network anew, from torch's global generator; biases start at zero.

    ``he_normal``: variance 2 / fan-in, which keeps the signal through ReLUs (He et al. 2015; paper 000's code). What
    gives the logits has none behind it and starts by Xavier, as in that code: He's variance would start with logits in
    the tens, and a loss of that size teaches nothing. ``xavier``: uniform, variance 2 / (fan-in + fan-out) (Glorot and
    Bengio 2010; paper 001).

    Fixed kernels (those that are not trained) and normalisation layers stay as the network made them.

    Args:
        network: changed in place.
        kind: which of the two.
    """
    for module in network.modules():
        if not isinstance(module, KERNELS) or not module.weight.requires_grad:
            continue
        if kind == "xavier" or _gives_logits(module):
            nn.init.xavier_uniform_(module.weight)
        elif isinstance(module, nn.ConvTranspose2d):
            # torch's fan-in of a transposed kernel is its outputs'; each output pixel sums inputs * k^2 / stride^2.
            steps = module.stride[0] * module.stride[1]
            _normal(module.weight, module.weight[:, 0].numel() / steps)
        else:
            _normal(module.weight, module.weight[0].numel())
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _normal(weight: torch.Tensor, fan_in: float) -> None:
    nn.init.normal_(weight, std=(2 / fan_in) ** 0.5)


def _gives_logits(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.out_channels == 1
