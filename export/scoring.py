"""Opens checkpoints, bundles and baselines, and scores them on a list of images and masks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edge_runtime.engines import open_engine
from edge_runtime.inference import Mode as VehicleMode
from edge_runtime.inference import open_inference
from edge_runtime.stages import StageTimes
from edge_runtime.step import Step
from export.manifest import frame_kernel_of
from export.overlay import write_overlay
from export.vehicle import ENGINE
from fissura.bundle import MANIFEST_NAME, load_bundle
from fissura.dataset import Dataset, read_sample
from fissura.errors import CheckpointError, DataError, UsageError
from fissura.imaging.hysteresis import crack_pixels
from fissura.imaging.images import Mask, RgbImage
from fissura.imaging.resample import FrameKernel, frame_of
from fissura.metrics.protocol import Curve, EvaluationProtocol
from fissura.metrics.super_resolution import SuperResolution
from fissura.progress import progress
from train.checkpoint import is_checkpoint, load_checkpoint
from train.model import CrackModel
from train.predict import Mode, predict

BASELINE = "baseline:"


@dataclass(frozen=True)
class Predictor:
    """A model ready to be scored.

    Attributes:
        mode: `fused` takes low-resolution frames, `segmentation` images as they are.
        scale: output pixels per frame pixel along each axis.
        threshold: stored in the bundle; None for a checkpoint.
        probability: of a frame (H, W, 3) uint8 RGB: (H*scale, W*scale) float32.
        super_resolution_scale: how far `enlarge` enlarges; 1 without super-resolution.
        enlarge: a frame (h, w, 3) uint8 RGB as a larger image, float32, 0 to 1; None without super-resolution.
        frame_kernel: how the frames that the model was trained on were made of larger images.
        low_threshold: of hysteresis, stored in the bundle; None: the threshold alone decides.
    """

    mode: VehicleMode
    scale: int
    threshold: float | None
    probability: Callable[[RgbImage], NDArray[np.float32]]
    super_resolution_scale: int = 1
    enlarge: Callable[[RgbImage], NDArray[np.float32]] | None = None
    frame_kernel: FrameKernel = "area"
    low_threshold: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """What a protocol says of a model.

    Attributes:
        scores: by name; at the best threshold of the list itself where the protocol seeks one.
        at_bundle_threshold: those that apply, at the threshold that a bundle ships with; None for other models.
        curve: precision against recall, where the protocol has it.
    """

    scores: dict[str, float]
    at_bundle_threshold: dict[str, float] | None = None
    curve: Curve | None = None


def open_model(spec: str | Path, mode: Mode | None) -> Predictor:
    """Open a checkpoint, a run folder, a bundle or a baseline.

    Args:
        spec: its folder, or ``baseline:NAME[:DATA]``.
        mode: None takes `fused` where the model has super-resolution.

    Raises:
        CheckpointError, BundleError, EngineError: it cannot be used.
        UsageError: `spec` is none of them, or the model has no such mode.
    """
    if str(spec).startswith(BASELINE):
        return _baseline(str(spec), mode)
    path = Path(spec)
    if is_checkpoint(path):
        return _checkpoint(path, mode)
    if (path / MANIFEST_NAME).is_file():
        return _bundle(path, mode)
    raise UsageError(
        f"{path} is no model" if path.exists() else f"there is no {path}",
        expected="a checkpoint or run folder of `fissura train`, a bundle of `fissura export`, or baseline:NAME",
        fix="check the path",
    )


def evaluate(model: Predictor, dataset: Dataset, protocols: Mapping[str, EvaluationProtocol]) -> dict[str, Evaluation]:
    """Score a model by one protocol or several, looking at each image once.

    Args:
        model: see `open_model`.
        dataset: images and masks.
        protocols: by name, without any image yet; they keep the images that are counted here.

    Returns:
        By name. Of several protocols those that cannot be told from these images are left out.

    Raises:
        ImageError: an image or a mask cannot be read.
        DataError: the only protocol cannot be told from these images.
    """
    fixed = {name: copy.deepcopy(protocol) for name, protocol in protocols.items() if protocol.at_threshold}
    label = f"{model.mode}: scoring"
    for frame, truth in progress(_frames(dataset, model.scale, model.frame_kernel), label, len(dataset.samples)):
        probability = model.probability(frame)
        for protocol in protocols.values():
            protocol.add(probability, truth)
        if model.threshold is not None:
            binary = crack_pixels(probability, model.threshold, model.low_threshold).astype(np.float32)
            for protocol in fixed.values():
                protocol.add(binary, truth)
    evaluations = {}
    for name, protocol in protocols.items():
        try:
            scores = protocol.scores()
        except DataError:
            if len(protocols) == 1:
                raise
            continue
        shipped = None
        if model.threshold is not None and name in fixed:
            # Of a binary map every threshold gives the same.
            of_binary = fixed[name].scores()
            shipped = {"threshold": model.threshold, **{key: of_binary[key] for key in protocol.at_threshold}}
        evaluations[name] = Evaluation(scores, shipped, protocol.curve())
    return evaluations


def evaluate_super_resolution(model: Predictor, dataset: Dataset) -> Evaluation:
    """Score the images that a model enlarges; see `fissura.metrics.super_resolution`.

    Raises:
        UsageError: the model has no super-resolution.
        ImageError: an image or a mask cannot be read.
    """
    if model.enlarge is None:
        raise UsageError(
            "the model enlarges no images",
            expected="a checkpoint with super-resolution, or a bundle with a graph 'super_resolution'",
        )
    protocol, scale = SuperResolution(), model.super_resolution_scale
    frames = _frames(dataset, scale, model.frame_kernel)
    for sample, (frame, truth) in zip(
        dataset.samples, progress(frames, "super-resolution: scoring", len(dataset.samples)), strict=True
    ):
        original = read_sample(sample)[0][: truth.shape[0], : truth.shape[1]]
        protocol.add(model.enlarge(frame), original)
    return Evaluation(protocol.scores())


def draw(model: Predictor, dataset: Dataset, protocol: EvaluationProtocol, threshold: float, folder: Path) -> None:
    """Write a picture of hits and misses of every image, as the protocol judges them at a threshold.

    A second pass: the best threshold is known only after the last image, and probabilities of a set fill a memory.
    """
    frames = progress(_frames(dataset, model.scale, model.frame_kernel), "drawing", len(dataset.samples))
    for sample, (frame, truth) in zip(dataset.samples, frames, strict=True):
        predicted = model.probability(frame) >= np.float32(threshold)
        write_overlay(folder / f"{sample.id}.png", frame, protocol.match(predicted, truth))


def _frames(dataset: Dataset, scale: int, kernel: FrameKernel) -> Iterator[tuple[RgbImage, Mask]]:
    for sample in dataset.samples:
        yield frame_of(*read_sample(sample), scale, kernel)


def _checkpoint(path: Path, mode: Mode | None) -> Predictor:
    checkpoint = load_checkpoint(path)
    model = checkpoint.model
    chosen: Mode = mode or ("segmentation" if model.super_resolution is None else "fused")
    if chosen == "fused" and model.super_resolution is None:
        raise CheckpointError(
            f"{path} has no super-resolution network", expected="--mode segmentation", fix="leave out --mode"
        )
    return Predictor(
        chosen,
        model.scale if chosen == "fused" else 1,
        None,
        lambda frame: predict(model, frame, chosen),
        super_resolution_scale=model.scale,
        enlarge=None if model.segments_frames else lambda frame: _enlarge(model, frame),
        frame_kernel=frame_kernel_of(checkpoint.record.recipe),
    )


def _enlarge(model: CrackModel, frame: RgbImage) -> NDArray[np.float32]:
    device = model.mean.device
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        pixels = torch.from_numpy(frame).to(device).permute(2, 0, 1)[None].float() / 255
        return model.enlarge(pixels)[0].permute(1, 2, 0).cpu().numpy()


def _bundle(path: Path, mode: Mode | None) -> Predictor:
    bundle = load_bundle(path)
    inference, times = open_inference(bundle, mode, ENGINE, {}), StageTimes()
    step: Step | None = None
    if "super_resolution" in bundle.manifest.graphs:
        graph = bundle.graph("super_resolution")
        step = Step("super_resolution", graph, open_engine(ENGINE, bundle.graph_path("super_resolution"), graph, {}))
    return Predictor(
        inference.mode,  # type: ignore[arg-type]
        inference.scale,
        inference.threshold,
        lambda frame: inference.run(frame, times),
        super_resolution_scale=1 if step is None else step.graph.output.scale,
        enlarge=None if step is None else lambda frame: step.run(frame, times),
        frame_kernel=bundle.manifest.lineage.frame_kernel,
        low_threshold=inference.low_threshold,
    )


def _baseline(spec: str, mode: Mode | None) -> Predictor:
    from train.baselines import open_baseline  # scikit-learn, which nothing else here needs

    if mode == "fused":
        raise UsageError(f"{spec} has no super-resolution", expected="--mode segmentation", fix="leave out --mode")
    return Predictor("segmentation", 1, None, open_baseline(spec))
