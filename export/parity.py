"""An exported graph against PyTorch, frame by frame: the graph must be the network that was trained.

Two sizes at least are compared: an exporter that freezes a size, or pools to a fixed one, is right at one of them.
At lower precision the differences are stated, and no limit is set: the accuracy gate decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edge_runtime.stored_graph import Run
from export.differences import Differences, Summary
from export.onnx import ExportedGraph
from export.pavement import pavement
from export.vehicle import running
from fissura.bundle import Parity
from fissura.errors import ExportError
from fissura.imaging.encode import crop, encode
from fissura.imaging.images import Mask, RgbImage
from fissura.imaging.resample import FrameKernel, frame_of
from fissura.metrics.ods import Ods
from fissura.progress import progress
from train.model import CrackModel, image_statistics
from train.predict import predict

LIMIT = 1e-4
SYNTHETIC_FRAMES = 4
SHOWN_FRAMES = 2  # synthetic, of which the report shows the worse one
TOLERANCE_PX = 2.0
HEIGHT, WIDTH = 240, 320  # of a synthetic image

Output = NDArray[np.float32]


@dataclass(frozen=True)
class TaskScores:
    """The ODS F1 of PyTorch and of the graph on the same images, each at its own best threshold, 0 to 1."""

    pytorch: float
    graph: float
    images: int
    tolerance_px: float = TOLERANCE_PX


@dataclass(frozen=True)
class ShownFrame:
    """A synthetic frame with what both give for it: (H, W, 3) and the outputs, (H*s, W*s) or (H*s, W*s, 3)."""

    frame: RgbImage
    pytorch: Output
    graph: Output


@dataclass(frozen=True)
class Comparison:
    """A graph against PyTorch.

    Attributes:
        graph: what was compared.
        images: how many, each whole and as a part with odd sides.
        limit: of the largest difference; None at lower precision.
        all: all frames together.
        by_size: frames of one size together, (height, width) in pixels.
        scores: with masks, of a probability.
        shown: the worse of a few synthetic frames.
    """

    graph: ExportedGraph
    images: int
    limit: float | None
    all: Summary
    by_size: dict[tuple[int, int], Summary]
    scores: TaskScores | None
    shown: ShownFrame

    def record(self, threshold: float | None) -> Parity:
        """What the manifest says of it; with the graph's threshold also how far the crack masks agree."""
        return Parity(
            max_abs=self.all.max_abs,
            mean_abs=self.all.mean_abs,
            sizes=tuple(self.by_size),
            images=self.images,
            limit=self.limit,
            mask_iou=None if threshold is None else self.all.mask_iou(threshold),
        )


def check_parity(
    graph: ExportedGraph,
    model: CrackModel,
    images: Sequence[RgbImage] = (),
    masks: Sequence[Mask] = (),
    *,
    kernel: FrameKernel = "area",
    limit: float | None = LIMIT,
) -> Comparison:
    """Compare a graph on the vehicle's engine with the model in PyTorch.

    Each image is compared whole and as a part with odd sides, so that padding is compared as well.

    Args:
        graph: of this model, at any precision.
        model: in evaluation mode.
        images: real ones, at high resolution; without any, synthetic pavement.
        masks: of the images, for the task metric of graphs whose output has the images' resolution.
        kernel: how the model's frames are made of images.
        limit: the largest difference of a probability (or of a colour in [0, 1]) that passes at fp32; at lower
            precision there is none.

    Raises:
        ExportError: a difference above the limit or that is no number, or all frames have one size.
        EngineError: the engine cannot load or run the graph.
    """
    images = images or [pavement(i, HEIGHT, WIDTH) for i in range(SYNTHETIC_FRAMES)]
    limit = limit if graph.variant is None else None
    scored = len(masks) > 0 and graph.output.kind == "probability" and graph.role != "proposal"
    truths = masks if masks else [np.zeros(image.shape[:2], bool) for image in images]
    pairs = [frame_of(image, mask, graph.output.scale, kernel) for image, mask in zip(images, truths, strict=True)]
    whole = [frame for frame, _ in pairs]
    frames = [*whole, *(_odd_part(frame) for frame in whole)]
    sizes = sorted({(frame.shape[0], frame.shape[1]) for frame in frames})
    if len(sizes) < 2:
        raise ExportError(
            f"graph {graph.role} was compared at {sizes[0][1]}x{sizes[0][0]} only", expected="two sizes or more"
        )
    by_size = {size: Differences() for size in sizes}
    of_pytorch, of_graph = Ods(TOLERANCE_PX), Ods(TOLERANCE_PX)
    with running(graph) as run:
        for index, frame in enumerate(progress(frames, f"{graph.file}: comparing with PyTorch", len(frames))):
            expected, found = reference(model, graph, frame), run(frame)
            _check(graph, frame, expected, found, limit)
            by_size[frame.shape[0], frame.shape[1]].add(expected, found)
            if scored and index < len(whole):
                of_pytorch.add(expected, pairs[index][1])
                of_graph.add(found, pairs[index][1])
        shown = _shown(graph, model, run)
    together = Differences()
    for differences in by_size.values():
        together.add_all(differences)
    return Comparison(
        graph=graph,
        images=len(images),
        limit=limit,
        all=together.summary(),
        by_size={size: differences.summary() for size, differences in by_size.items()},
        scores=TaskScores(of_pytorch.result().f1, of_graph.result().f1, len(images)) if scored else None,
        shown=shown,
    )


def reference(model: CrackModel, graph: ExportedGraph, frame: RgbImage) -> Output:
    """What PyTorch gives for a frame where the graph gives its output; same shape."""
    if graph.role in ("segmentation", "proposal"):
        return predict(model, frame, "segmentation")
    if graph.role == "fused":
        return predict(model, frame, "fused")
    batch, padding = encode(frame, graph.input.model_copy(update={"layout": "NCHW"}))
    with torch.inference_mode():
        pixels = torch.from_numpy(np.ascontiguousarray(batch)).float() / 255
        if graph.role == "super_resolution":
            output = model.enlarge(pixels).clamp(0, 1)[0].permute(1, 2, 0)
        else:  # a tile that is the whole frame, normalised by the frame's statistics
            output = model(pixels, image_statistics(pixels))[0, 0]
    return crop(output.numpy(), padding, graph.output.scale)


def _check(graph: ExportedGraph, frame: RgbImage, expected: Output, found: Output, limit: float | None) -> None:
    worst = float(np.abs(found - expected).max())
    if not worst <= (np.inf if limit is None else limit):  # what is no number fails too
        raise ExportError(
            f"graph {graph.role} differs from PyTorch by {worst:.2e} on a frame of "
            f"{frame.shape[1]}x{frame.shape[0]} pixels",
            expected="a number" if limit is None else f"at most {limit:.0e}",
            fix="a layer of this network is exported wrongly: it cannot be shipped",
        )


def _odd_part(frame: RgbImage) -> RgbImage:
    return frame[: 2 * frame.shape[0] // 3 | 1, : 3 * frame.shape[1] // 4 | 1]


def _shown(graph: ExportedGraph, model: CrackModel, run: Run) -> ShownFrame:
    """The synthetic frame with the larger difference: the images themselves may not be passed on."""
    candidates = []
    for index in range(SHOWN_FRAMES):
        frame = pavement(index, HEIGHT // graph.output.scale, WIDTH // graph.output.scale)
        candidates.append(ShownFrame(frame, reference(model, graph, frame), run(frame).copy()))
    return max(candidates, key=lambda one: float(np.abs(one.graph - one.pytorch).max()))
