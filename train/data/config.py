"""What a recipe says of its data."""

from __future__ import annotations

from pydantic import Field, PositiveInt, model_validator

from fissura.config import Config
from fissura.imaging.resample import FrameKernel
from train.data.sampling import SamplingConfig
from train.data.sets import SetConfig


class DataConfig(Config):
    """Which images, in which portions."""

    train: tuple[SetConfig, ...] = Field(min_length=1)
    validation: tuple[SetConfig, ...] = Field(min_length=1)
    batch_size: PositiveInt = 2
    steps_per_epoch: PositiveInt | None = Field(None, description="null: each image once an epoch")
    crop: tuple[PositiveInt, PositiveInt] | None = Field(
        None, description="height, width of random crops, pixels; null: whole images, which must then share one size"
    )
    sampling: SamplingConfig = SamplingConfig()
    frame_kernel: FrameKernel = Field(
        "area", description="how the low-resolution frame is made of the image, where the model has super-resolution"
    )
    workers: int = Field(1, ge=0, description="processes that load and augment images; 0: none beside the trainer")

    @model_validator(mode="after")
    def _sampling_places_crops(self) -> DataConfig:
        if self.sampling.needs_crop and self.crop is None:
            raise ValueError("`data.sampling` places crops: set `data.crop`")
        return self
