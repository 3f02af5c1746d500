"""An exported graph against PyTorch, frame by frame: the graph must be the network that was trained.

Two sizes at least are compared: an exporter that freezes a size, or pools to a fixed one, is right at one of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from export.onnx import ExportedGraph
from export.pavement import pavement
from export.vehicle import running
from fissura.bundle import Parity
from fissura.errors import ExportError
from fissura.imaging.encode import crop, encode
from fissura.imaging.images import RgbImage
from fissura.imaging.resample import downsample
from fissura.progress import progress
from train.model import CrackModel, image_statistics
from train.predict import predict

LIMIT = 1e-4
SYNTHETIC_FRAMES = 4


def check_parity(
    graph: ExportedGraph, model: CrackModel, images: Sequence[RgbImage] = (), limit: float = LIMIT
) -> Parity:
    """Compare a graph on the vehicle's engine with the model in PyTorch.

    Each image is compared whole and as a part with odd sides, so that padding is compared as well.

    Args:
        graph: of this model.
        model: in evaluation mode.
        images: real ones, at high resolution; without any, synthetic pavement.
        limit: the largest difference of a probability (or of a colour in [0, 1]) that passes.

    Raises:
        ExportError: a difference above the limit, or all frames have one size.
        EngineError: the engine cannot load or run the graph.
    """
    images = images or [pavement(i, 240, 320) for i in range(SYNTHETIC_FRAMES)]
    frames = _frames(images, graph.output.scale)
    sizes = sorted({(frame.shape[0], frame.shape[1]) for frame in frames})
    if len(sizes) < 2:
        raise ExportError(
            f"graph {graph.role} was compared at {sizes[0][1]}x{sizes[0][0]} only", expected="two sizes or more"
        )
    largest, total, count = 0.0, 0.0, 0
    with running(graph) as run:
        for frame in progress(frames, f"{graph.role}: comparing with PyTorch", len(frames)):
            difference = np.abs(run(frame) - reference(model, graph, frame))
            worst = float(difference.max())
            if not worst <= limit:  # not a number fails too
                size = f"{frame.shape[1]}x{frame.shape[0]}"
                raise ExportError(
                    f"graph {graph.role} differs from PyTorch by {worst:.2e} on a frame of {size} pixels",
                    expected=f"at most {limit:.0e}",
                    fix="a layer of this network is exported wrongly: it cannot be shipped",
                )
            largest = max(largest, worst)
            total += float(difference.sum(dtype=np.float64))
            count += difference.size
    return Parity(max_abs=largest, mean_abs=total / count, sizes=tuple(sizes), images=len(images), limit=limit)


def reference(model: CrackModel, graph: ExportedGraph, frame: RgbImage) -> NDArray[np.float32]:
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


def _frames(images: Sequence[RgbImage], scale: int) -> list[RgbImage]:
    """Whole frames and, of each, a part with odd sides."""
    whole = [downsample(image, scale) for image in images]
    parts = [frame[: 2 * frame.shape[0] // 3 | 1, : 3 * frame.shape[1] // 4 | 1] for frame in whole]
    return [*whole, *parts]
