"""Options of the TensorRT engine."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from edge_runtime.engines.engine import MOST_THREADS
from fissura.config import Config

CudaLibrary = Literal["cuda-python", "pycuda"]
FIRST_SIZE = (640, 480)


class TensorRtConfig(Config):
    """Options of the engine."""

    size: tuple[int, int] | None = Field(
        None,
        description="width and height that the plan is made for, pixels: the camera's frame, or the window of a tile; "
        "smaller images run too, larger ones are refused. null: 640x480 at first; a larger image has a plan built for "
        "it, for which it waits",
    )
    max_batch: int = Field(1, ge=1, le=64, description="images at once, where the graph takes several")
    precision: Literal["fp16", "int8"] | None = Field(
        None,
        description="lower the precision of an fp32 graph while building, TensorRT 8 and 10 only; null: the graph's. "
        "No accuracy gate stands behind this: prefer a variant of the bundle",
    )
    ranges: Path | None = Field(
        None,
        description="ranges of the activations, for `precision: int8` alone; null: `ranges.json` from the bundle's "
        "folder",
    )
    calibration_images: Path | None = Field(
        None, description="folder of real images for `precision: int8` where there are no ranges"
    )
    cache: Path | None = Field(None, description="folder of the built plans; null: in the user's cache folder")
    cuda: CudaLibrary = Field("cuda-python", description="library for memory and streams")
    cuda_graph: bool = Field(True, description="replay a recorded CUDA graph for each shape (cuda-python only)")
    contexts: int = Field(
        1, ge=1, le=2, description="batches in flight, for users of the Python API (`submit`, `collect`) only"
    )
    build_time_s: float = Field(3600, gt=0, description="a build that takes longer is ended, seconds")
    build_memory_mb: float | None = Field(
        None, gt=0, description="a build that takes more host memory is ended, 10^6 bytes; null: 3/4 of the machine's"
    )
    workspace_mb: float | None = Field(
        None, gt=0, description="device memory that a layer may use as scratch space, 10^6 bytes; null: all of it"
    )
    tactic_sources: tuple[str, ...] | None = Field(
        None,
        description="sources that TensorRT takes kernels from besides its own, by their names in its `TacticSource`; "
        "[]: none; null: TensorRT's choice",
    )
    optimization_level: int | None = Field(
        None,
        ge=0,
        le=5,
        description="how long TensorRT looks for fast kernels: 0 builds soonest, 5 runs fastest; null: TensorRT's "
        "choice (3)",
    )
    fallback: bool = Field(True, description="run in ONNX Runtime where TensorRT cannot; false: that is an error")
    threads: int = Field(0, ge=0, le=MOST_THREADS, description="of ONNX Runtime, where it runs instead; 0: all cores")

    @field_validator("size")
    @classmethod
    def _is_an_image(cls, size: tuple[int, int] | None) -> tuple[int, int] | None:
        if size is not None and min(size) < 1:
            raise ValueError("expected width and height of at least 1 pixel")
        return size

    @property
    def first_size(self) -> tuple[int, int]:
        """Width and height that the first plan is made for."""
        return self.size or FIRST_SIZE
