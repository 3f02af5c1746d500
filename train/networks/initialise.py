"""How the convolutions of a network start."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn


def he_normal(network: nn.Module, heads: Iterable[nn.Conv2d]) -> None:
    """Draw all convolutions by He et al. 2015 and set their biases to zero; draw the `heads` smaller, by Glorot.

    He's variance on a last layer would start with logits in the tens: a loss of that size teaches nothing.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for head in heads:
        nn.init.xavier_normal_(head.weight)
