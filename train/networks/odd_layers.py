"""The building blocks of paper 002's networks: layers without padding, which map 2n + 1 pixels to n and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

INITIAL_DEVIATION = 0.02  # Isola et al. 2017, section 6.2


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation that takes its running statistics where a batch has one value a channel.

    That is one patch of 255x255 pixels at seven layers: nothing can be normalised by a single value's statistics, and
    torch refuses to.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(x)


def encoder_layer(in_channels: int, out_channels: int, affine: bool) -> nn.Sequential:
    """Convolution 3x3 of stride 2: (N, C, 2n + 1, 2m + 1) -> (N, C', n, m)."""
    convolution = nn.Conv2d(in_channels, out_channels, 3, stride=2, bias=False)
    return nn.Sequential(convolution, BatchNorm(out_channels, affine=affine), nn.ReLU(inplace=True))


def decoder_layer(in_channels: int, out_channels: int, affine: bool) -> nn.Sequential:
    """Transposed convolution 3x3 of stride 2: (N, C, n, m) -> (N, C', 2n + 1, 2m + 1)."""
    convolution = nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, bias=False)
    return nn.Sequential(convolution, BatchNorm(out_channels, affine=affine), nn.ReLU(inplace=True))


def pad_to_odd_grid(x: Tensor, layers: int) -> Tensor:
    """Continue an image to the right and below by its last pixels, to sides that `layers` layers can halve and restore.

    Args:
        x: (N, C, H, W).
        layers: of stride 2, one on top of the other.

    Returns:
        (N, C, H', W') with sides of the form ``2**layers * k - 1``, k >= 2, the smallest that are large enough.
    """
    rows, columns = (_odd_side(side, layers) for side in x.shape[-2:])
    # Gathered rather than padded: one operator at every size, so that an exported graph serves all of them.
    for axis, side in ((2, rows), (3, columns)):
        x = x.index_select(axis, torch.arange(side, device=x.device).clamp(max=x.shape[axis] - 1))
    return x


def draw_weights(network: nn.Module) -> None:
    """Draw every convolution's weights as pix2pix does."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0, INITIAL_DEVIATION)


def _odd_side(side: int, layers: int) -> int:
    grid = 2**layers
    blocks = (side + grid) // grid  # the fewest whose grid * blocks - 1 pixels hold the side
    return torch.sym_max(blocks, 2) * grid - 1  # max(), which an exporter can follow
