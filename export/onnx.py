"""A trained model as ONNX graphs, one a role. Scaling to [0, 1], normalisation and sigmoid live inside the graph.

Height and width are dynamic, as multiples of what the networks need. The batch is fixed at one unless asked for
otherwise: a camera gives one frame at a time, a batch of images brings nothing on a CPU, and every shape then depends
on height and width alone. Several cameras on a GPU are what a free batch is for. The `tile` graph always takes several
parts of a frame at once.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import onnx
import torch
from onnx import ModelProto, helper, numpy_helper
from torch import Tensor, nn

from fissura.bundle import Graph, GraphInput, GraphOutput, Precision, Role, VariantName
from fissura.errors import ExportError
from fissura.imaging.encode import CHANNELS
from train.model import CrackModel, Statistics
from train.predict import frame_multiple

OPSET = 20
LAST = 2**63 - 1  # of a slice that ends with its axis
STATISTICS = "statistics"  # name of the second input of a tile graph
Layout = Literal["NHWC", "NCHW"]


@dataclass(frozen=True)
class ExportedGraph:
    """An ONNX graph in memory, and how to talk to it."""

    role: Role
    onnx: bytes
    input: GraphInput
    output: GraphOutput
    halo: int | None
    statistics: str | None = None
    variant: VariantName | None = None

    @property
    def file(self) -> str:
        """Its name in the bundle."""
        return f"{self.role}.onnx" if self.variant is None else f"{self.role}.{self.variant}.onnx"

    @property
    def precision(self) -> Precision:
        """Of the weights and of most activations."""
        if self.variant is None:
            return "fp32"
        return "fp16" if self.variant == "fp16" else "int8"

    def as_variant(self, variant: VariantName, model: ModelProto) -> ExportedGraph:
        """The same graph at lower precision."""
        return replace(self, variant=variant, onnx=model.SerializeToString(deterministic=True))

    def entry(self, threshold: float | None, proposal_threshold: float | None = None) -> Graph:
        """Its entry in the manifest."""
        return Graph(
            file=self.file,
            input=self.input,
            output=self.output,
            precision=self.precision,
            halo=self.halo,
            threshold=threshold,
            statistics=self.statistics,
            proposal_threshold=proposal_threshold,
        )


def roles_of(model: CrackModel) -> tuple[Role, ...]:
    """The graphs that a model gives."""
    if model.super_resolution is None:
        return ("segmentation",)
    if model.order == "segmentation_first":  # what enlarges masks enlarges no image
        return ("segmentation", "fused")
    return ("segmentation", "super_resolution", "fused")


def export_graph(model: CrackModel, role: Role, layout: Layout = "NHWC", *, free_batch: bool = False) -> ExportedGraph:
    """Export one graph. The same weights give the same bytes, on any path of any machine.

    Args:
        model: in evaluation mode, on the CPU.
        role: one of `roles_of(model)`, `tile`, or `proposal` for a model whose segmentation takes camera frames.
        layout: of the input, and of the output where that is an image.
        free_batch: the graph takes any number of images at once; a `tile` graph does anyway.

    Raises:
        ExportError: PyTorch cannot export the network.
    """
    multiple, scale = _multiple(model, role), 1 if role in ("segmentation", "proposal") else model.scale
    feed = GraphInput(layout=layout, multiple=multiple, min_size=multiple)
    if role == "super_resolution":
        output = GraphOutput(name="enlarged", kind="image", scale=scale)
    else:
        output = GraphOutput(name="probability", kind="probability", scale=scale)

    axes = (1, 2) if layout == "NHWC" else (2, 3)
    shape = [1, CHANNELS, CHANNELS, CHANNELS]
    for axis, factor in zip(axes, (3, 4), strict=True):  # any two sizes that differ from each other, and from one
        shape[axis] = factor * multiple
    height, width = torch.export.Dim("h"), torch.export.Dim("w")
    sizes: dict[int, Any] = {axes[0]: multiple * height, axes[1]: multiple * width}
    examples: tuple[Tensor, ...] = (torch.zeros(shape, dtype=torch.uint8),)
    dynamic: dict[str, Any] = {"image": sizes}
    statistics = STATISTICS if role == "tile" and model.normalisation == "instance" else None
    if role == "tile" or free_batch:
        sizes[0] = torch.export.Dim("n")
        examples = (examples[0].repeat(2, 1, 1, 1),)  # of one, the exporter would make a constant
    if statistics is not None:
        examples += (torch.ones(2, 3),)
        dynamic["statistics"] = None
    try:
        with _quiet():
            program = torch.onnx.export(
                _GraphModule(model, role, layout).eval(),
                examples,
                dynamo=True,
                opset_version=OPSET,
                external_data=False,
                input_names=[feed.name, *([statistics] if statistics else [])],
                output_names=[output.name],
                dynamic_shapes=dynamic,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise ExportError(f"PyTorch cannot export graph {role}: {error}") from error
    assert program is not None  # with dynamo there always is one
    proto = program.model_proto
    _strip(proto)
    _slice_shapes(proto.graph)
    output_axes = axes if output.kind == "image" else (2, 3)
    _name_sizes(proto.graph.output[0], output_axes, multiple * scale)
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"PyTorch made an invalid graph {role}: {error}") from error
    onnx_bytes = proto.SerializeToString(deterministic=True)
    return ExportedGraph(role, onnx_bytes, feed, output, _halo(model, role), statistics)


class _GraphModule(nn.Module):
    """What a graph computes, from uint8 pixels on."""

    def __init__(self, model: CrackModel, role: Role, layout: Layout) -> None:
        super().__init__()
        self.model, self.role, self.layout = model, role, layout

    def forward(self, image: Tensor, statistics: Tensor | None = None) -> Tensor:
        pixels = image.float()  # before all else: TensorRT takes bytes into a cast only
        if self.layout == "NHWC":
            pixels = pixels.permute(0, 3, 1, 2)
        pixels = pixels / 255
        if self.role == "super_resolution":
            enlarged = self.model.enlarge(pixels).clamp(0, 1)
            return enlarged.permute(0, 2, 3, 1) if self.layout == "NHWC" else enlarged
        if self.role in ("segmentation", "proposal"):
            return torch.sigmoid(self.model.segment(pixels))
        whole = None
        if statistics is not None:
            whole = Statistics(statistics[0].view(1, 3, 1, 1), statistics[1].view(1, 3, 1, 1))
        probability: Tensor = self.model(pixels, whole)
        return probability


def _multiple(model: CrackModel, role: Role) -> int:
    """What height and width of the input must be multiples of, in pixels."""
    if role in ("segmentation", "proposal") or model.super_resolution is None:
        return frame_multiple(model, "segmentation")
    own = model.super_resolution.stride
    return own if role == "super_resolution" else math.lcm(own, frame_multiple(model, "fused"))


def _halo(model: CrackModel, role: Role) -> int | None:
    """Context that an output pixel depends on, to each side, in input pixels; None for the whole frame."""
    # A tile is given the statistics that otherwise depend on the whole frame.
    segmentation = model.segmentation.halo if role == "tile" else model.halo
    if role in ("segmentation", "proposal") or model.super_resolution is None:
        return segmentation
    own = model.super_resolution.halo
    if role == "super_resolution":
        return own
    if segmentation is None:
        return None
    # Behind super-resolution the segmentation's context is counted in enlarged pixels.
    return own + (segmentation if model.segments_frames else -(-segmentation // model.scale))


def _strip(proto: onnx.ModelProto) -> None:
    """Remove the exporter's notes, in which the paths of source files stand, and the inferable inner shapes."""
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]


def _slice_shapes(graph: onnx.GraphProto) -> None:
    """Write a part of a shape as a slice of the whole: TensorRT 8.6 passes over `start` and `end` of `Shape`."""
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        part = {attribute.name: attribute.i for attribute in node.attribute} if node.op_type == "Shape" else {}
        if not part:
            nodes.append(node)
            continue
        (name,) = node.output
        bounds = {f"{name}_start": part.get("start", 0), f"{name}_end": part.get("end", LAST)}
        graph.initializer.extend(numpy_helper.from_array(np.array([at], np.int64), key) for key, at in bounds.items())
        nodes.append(helper.make_node("Shape", node.input, [f"{name}_whole"], name=node.name))
        nodes.append(helper.make_node("Slice", [f"{name}_whole", *bounds], [name], name=f"{node.name}_slice"))
    del graph.node[:]
    graph.node.extend(nodes)


def _name_sizes(value: onnx.ValueInfoProto, axes: tuple[int, int], multiple: int) -> None:
    """Say how large the output is in terms of the input's `h` and `w`, where PyTorch leaves internal symbols."""
    for axis, name in zip(axes, "hw", strict=True):
        value.type.tensor_type.shape.dim[axis].dim_param = f"{multiple}*{name}" if multiple > 1 else name


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the exporter from writing of operators that we do not use (torchvision's) and of its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logger.setLevel(before)
