"""What the building process is told on its standard input, and what it says on its standard output."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from edge_runtime.engines.tensorrt.config import CudaLibrary
from fissura.bundle import Graph

Precision = Literal["fp32", "fp16", "int8"]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True)


class BuildRequest(_Line):
    """One line of JSON on standard input.

    Attributes:
        onnx: the graph's file.
        plan: where the plan is to be written.
        timing_cache: measurements of earlier builds; is read and written.
        graph: the manifest's word on it.
        size: width and height of the frame, pixels.
        max_batch: images at once.
        precision: what the convolutions are to run in.
        weak: lower the precision by builder flags, instead of taking each layer's from the graph.
        ranges: file with the ranges of the activations, for weak int8.
        calibration_images: folder of images, for weak int8 without ranges.
        cuda: library for the calibration's buffers.
        workspace_mb: device memory that a layer may use as scratch space, 10^6 bytes.
        tactic_sources: sources of kernels besides TensorRT's own, by name; None: TensorRT's choice.
        optimization_level: how long to look for fast kernels, 0 to 5; None: TensorRT's choice.
    """

    onnx: str
    plan: str
    timing_cache: str
    graph: Graph
    size: tuple[int, int]
    max_batch: int
    precision: Precision
    weak: bool
    ranges: str | None = None
    calibration_images: str | None = None
    cuda: CudaLibrary = "cuda-python"
    workspace_mb: float | None = None
    tactic_sources: tuple[str, ...] | None = None
    optimization_level: int | None = None


class Progress(_Line):
    """How far a build is: step 0 of `steps` when a phase begins."""

    event: Literal["progress"] = "progress"
    phase: str
    step: int
    steps: int


class Done(_Line):
    """The plan is written.

    Attributes:
        layers: achieved precision of each convolution by its name in the graph; 'unknown' where the plan does not say.
        build_s: seconds that TensorRT took.
    """

    event: Literal["done"] = "done"
    layers: dict[str, str]
    build_s: float


class Failed(_Line):
    """There is no plan, and why. `shape`: graph and manifest do not belong together."""

    event: Literal["failed"] = "failed"
    kind: Literal["engine", "shape"]
    found: str
    expected: str
    fix: str
