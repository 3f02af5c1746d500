"""The trained model: a segmentation network and, where there is one, the super-resolution network before it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from fissura.config import Config, checked_section
from train.networks import NETWORKS, SUPER_RESOLUTION_NETWORKS, build_network, network_config
from train.networks.network import CrackNetwork
from train.networks.super_resolution import SuperResolutionNetwork

Positive = Annotated[float, Field(gt=0)]
PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
EPS = 1e-5  # nn.InstanceNorm2d's, which paper 004's code uses
COLOURS, MASK = 3, 1

Order = Literal["super_resolution_first", "segmentation_first"]


class ModelConfig(Config):
    """Networks by name with their options, and how pixels are normalised before the segmentation.

    `fixed` takes `mean` off and divides by `std`. `instance` takes each image's own mean and standard deviation,
    channel by channel (paper 004's code does so between its two networks); `mean` and `std` then have no say.

    `order` says which network sees the camera frame (paper 004, table 1): ``super_resolution_first`` enlarges the
    frame and segments the enlarged image (b, d, f); ``segmentation_first`` segments the frame and enlarges the mask
    (c, e, g).
    """

    segmentation: dict[str, Any] = Field(default_factory=lambda: {"name": "unet"})
    super_resolution: dict[str, Any] | None = None
    order: Order = "super_resolution_first"
    normalisation: Literal["fixed", "instance"] = "fixed"
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

    @model_validator(mode="before")
    @classmethod
    def _instance_starts_from_plain_pixels(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("normalisation") == "instance":
            return {"mean": PLAIN[0], "std": PLAIN[1], **values}  # so the bundle's manifest states them as they are
        return values

    @model_validator(mode="after")
    def _order_needs_two(self) -> ModelConfig:
        if self.order == "segmentation_first" and self.super_resolution is None:
            raise ValueError("`order: segmentation_first` needs `super_resolution`, which enlarges the mask")
        return self

    @model_validator(mode="after")
    def _instance_stands_alone(self) -> ModelConfig:
        if self.normalisation == "instance" and (self.mean, self.std) != PLAIN:
            raise ValueError("`mean` and `std` have no say in `normalisation: instance`: leave them out")
        return self


class Statistics(NamedTuple):
    """Colour statistics of a whole image, for an instance normalisation that sees only a part of it.

    Attributes:
        mean: (1, 3, 1, 1).
        variance: (1, 3, 1, 1), divided by the number of pixels.
    """

    mean: Tensor
    variance: Tensor


class CrackModel(nn.Module):
    """From a camera frame to crack probabilities at `scale` times its resolution.

    Images are RGB in [0, 1]; normalisation is the model's own business. `scale` is 1 without super-resolution.

    Attributes:
        order: which of the two networks sees the frame; see `ModelConfig`.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, segmentation: CrackNetwork, super_resolution: SuperResolutionNetwork | None, config: ModelConfig
    ) -> None:
        super().__init__()
        self.segmentation = segmentation
        self.super_resolution = super_resolution
        self.scale = 1 if super_resolution is None else super_resolution.scale
        self.order = config.order
        self.stride = segmentation.stride
        self.normalisation = config.normalisation
        # One number for all channels where one will do: engines broadcast it many times faster than one a channel.
        self._grey = (config.mean[0], config.std[0]) if len({*config.mean}) == len({*config.std}) == 1 else None
        self.register_buffer("mean", torch.tensor(config.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(config.std).view(1, 3, 1, 1))

    @property
    def segments_frames(self) -> bool:
        """Whether the segmentation network works at the camera frame's resolution."""
        return self.super_resolution is None or self.order == "segmentation_first"

    @property
    def halo(self) -> int | None:
        """Pixels of context of `segment`, to each side; None where an output pixel depends on the whole image."""
        return None if self.normalisation == "instance" else self.segmentation.halo

    def segment(self, image: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Logits (N, 1, H, W) of an image (N, 3, H, W) in [0, 1].

        Args:
            image: what the segmentation network sees.
            statistics: of the whole image, where `image` is a part of it and normalised by instance.
        """
        logits: Tensor = self.segmentation(self._normalised(image, statistics))
        return logits

    def training_logits(self, image: Tensor) -> tuple[Tensor, ...]:
        """What the segmentation loss is summed over; see `CrackNetwork.training_logits`."""
        return self.segmentation.training_logits(self._normalised(image))

    def enlarge(self, low: Tensor) -> Tensor:
        """The super-resolution network's output (N, C, scale*H, scale*W), not clipped.

        Args:
            low: (N, C, H, W) in [0, 1]: the frame, C = 3, or its crack probabilities, C = 1; see `order`.
        """
        assert self.super_resolution is not None, "this model has no super-resolution network"
        high: Tensor = self.super_resolution(low)
        return high

    def forward(self, frame: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Crack probabilities (N, 1, scale*H, scale*W) of a camera frame (N, 3, H, W) in [0, 1].

        Args:
            frame: the frame, or a part of it.
            statistics: of what the segmentation network would see of the whole frame, where `frame` is a part and the
                model normalises by instance.
        """
        if self.segments_frames:
            probability = torch.sigmoid(self.segment(frame, statistics))
            return probability if self.super_resolution is None else self.enlarge(probability).clamp(0, 1)
        return torch.sigmoid(self.segment(self.enlarge(frame).clamp(0, 1), statistics))

    def _normalised(self, image: Tensor, statistics: Statistics | None = None) -> Tensor:
        if self.normalisation == "fixed":
            mean, std = (self.mean, self.std) if self._grey is None else self._grey
            return (image - mean) / std
        if statistics is not None:
            return (image.float() - statistics.mean) / torch.sqrt(statistics.variance + EPS)
        # One operator, also in the exported graph: engines sum in fp32 inside it even where the rest is fp16.
        # torch's, since nn.functional's refuses an image of one pixel. Sums lose their meaning in bf16, hence `float`.
        return torch.instance_norm(
            image.float(),
            weight=None,
            bias=None,
            running_mean=None,
            running_var=None,
            use_input_stats=True,
            momentum=0.0,
            eps=EPS,
            cudnn_enabled=image.is_cuda,
        )


def image_statistics(image: Tensor) -> Statistics:
    """What instance normalisation normalises by.

    Args:
        image: (1, 3, H, W).
    """
    variance, mean = torch.var_mean(image.float(), dim=(2, 3), keepdim=True, correction=0)
    return Statistics(mean, variance)


def build_model(config: ModelConfig, *, pretrained: bool = True) -> CrackModel:
    """Build the networks that a configuration names.

    Args:
        config: names and options.
        pretrained: start from the `weights` file that the options of a network name. False for whoever brings all
            weights, so that the file need not be there.

    Raises:
        ConfigError, CheckpointError: see `train.networks.pretrained.load_pretrained`.
    """
    options = dict(config.segmentation)
    if not pretrained:
        options.pop("weights", None)
    segmentation = build_network(NETWORKS, options)
    super_resolution = None
    if config.super_resolution is not None:
        channels = MASK if config.order == "segmentation_first" else COLOURS
        super_resolution = build_network(SUPER_RESOLUTION_NETWORKS, config.super_resolution, in_channels=channels)
    return CrackModel(segmentation, super_resolution, config)
