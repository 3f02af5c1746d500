"""The trained model: a segmentation network and, where there is one, the super-resolution network before it."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from fissura.config import Config, checked_section
from train.networks import NETWORKS, SUPER_RESOLUTION_NETWORKS, build_network, network_config
from train.networks.dbpn import Dbpn
from train.networks.network import CrackNetwork

Positive = Annotated[float, Field(gt=0)]


class ModelConfig(Config):
    """Networks by name with their options, and how pixels are normalised."""

    segmentation: dict[str, Any] = Field(default_factory=lambda: {"name": "unet"})
    super_resolution: dict[str, Any] | None = None
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[Positive, Positive, Positive] = (0.25, 0.25, 0.25)

    @field_validator("segmentation")
    @classmethod
    def _segmentation(cls, options: dict[str, Any]) -> dict[str, Any]:
        return checked_section(options, lambda: network_config(NETWORKS, options))

    @field_validator("super_resolution")
    @classmethod
    def _super_resolution(cls, options: dict[str, Any] | None) -> dict[str, Any] | None:
        return options and checked_section(options, lambda: network_config(SUPER_RESOLUTION_NETWORKS, options))


class CrackModel(nn.Module):
    """Segmentation at high resolution, after super-resolution where the model has it.

    Images are RGB in [0, 1]; normalisation is the model's own business. `scale` is 1 without super-resolution.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, segmentation: CrackNetwork, super_resolution: Dbpn | None, config: ModelConfig) -> None:
        super().__init__()
        self.segmentation = segmentation
        self.super_resolution = super_resolution
        self.scale = 1 if super_resolution is None else super_resolution.scale
        self.stride = segmentation.stride
        self.register_buffer("mean", torch.tensor(config.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(config.std).view(1, 3, 1, 1))

    def segment(self, image: Tensor) -> Tensor:
        """Logits (N, 1, H, W) of an image (N, 3, H, W) in [0, 1]."""
        logits: Tensor = self.segmentation((image - self.mean) / self.std)
        return logits

    def training_logits(self, image: Tensor) -> tuple[Tensor, ...]:
        """What the segmentation loss is summed over; see `CrackNetwork.training_logits`."""
        return self.segmentation.training_logits((image - self.mean) / self.std)

    def enlarge(self, frame: Tensor) -> Tensor:
        """Image (N, 3, scale*H, scale*W) in [0, 1] of a low-resolution frame (N, 3, H, W) in [0, 1]."""
        assert self.super_resolution is not None, "this model has no super-resolution network"
        image: Tensor = self.super_resolution(frame)
        return image

    def forward(self, frame: Tensor) -> Tensor:
        """Logits (N, 1, scale*H, scale*W) of a camera frame (N, 3, H, W) in [0, 1]."""
        if self.super_resolution is None:
            return self.segment(frame)
        return self.segment(self.enlarge(frame).clamp(0, 1))


def build_model(config: ModelConfig) -> CrackModel:
    """Build the networks that a configuration names."""
    segmentation = build_network(NETWORKS, config.segmentation)
    super_resolution = None
    if config.super_resolution is not None:
        super_resolution = build_network(SUPER_RESOLUTION_NETWORKS, config.super_resolution)
    return CrackModel(segmentation, super_resolution, config)
