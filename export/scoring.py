"""Scores a checkpoint or a bundle on a list of images and masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.thresholds import frames_of
from edge_runtime.cascade import Mode as VehicleMode
from edge_runtime.cascade import open_cascade
from edge_runtime.stages import StageTimes
from export.overlay import write_overlay
from export.vehicle import ENGINE
from fissura.bundle import MANIFEST_NAME, load_bundle
from fissura.dataset import Dataset
from fissura.errors import CheckpointError, UsageError
from fissura.imaging.images import RgbImage
from fissura.metrics.ods import OdsScores, count_image, score
from fissura.progress import progress
from train.checkpoint import is_checkpoint, load_checkpoint
from train.predict import Mode, predict


@dataclass(frozen=True)
class Predictor:
    """A model ready to be scored.

    Attributes:
        mode: `fused` takes low-resolution frames, `segmentation` images as they are.
        scale: output pixels per frame pixel along each axis.
        threshold: stored in the bundle; None for a checkpoint.
        probability: of a frame (H, W, 3) uint8 RGB: (H*scale, W*scale) float32.
    """

    mode: VehicleMode
    scale: int
    threshold: float | None
    probability: Callable[[RgbImage], NDArray[np.float32]]


@dataclass(frozen=True)
class FixedScores:
    """Scores at one given threshold."""

    threshold: float
    f1: float
    precision: float
    recall: float
    iou: float


@dataclass(frozen=True)
class Evaluation:
    """Scores at the best threshold of the list itself and, of a bundle, at the threshold that it ships with."""

    scores: OdsScores
    at_bundle_threshold: FixedScores | None


def open_model(path: Path, mode: Mode | None) -> Predictor:
    """Open a checkpoint, a run folder or a bundle.

    Args:
        path: its folder.
        mode: None takes `fused` where the model has super-resolution.

    Raises:
        CheckpointError, BundleError, EngineError: it cannot be used.
        UsageError: `path` is neither, or the model has no such mode.
    """
    if is_checkpoint(path):
        return _checkpoint(path, mode)
    if (path / MANIFEST_NAME).is_file():
        return _bundle(path, mode)
    raise UsageError(
        f"{path} is no model" if path.exists() else f"there is no {path}",
        expected="a checkpoint or run folder of `fissura train`, or a bundle of `fissura export`",
        fix="check the path",
    )


def evaluate(model: Predictor, dataset: Dataset, tolerance_px: float, overlays: Path | None = None) -> Evaluation:
    """Score a model by the ODS protocol; see `fissura.metrics.ods`.

    Args:
        model: see `open_model`.
        dataset: images and masks.
        tolerance_px: radius within which a pixel counts as right.
        overlays: folder for one picture an image, drawn at the bundle's threshold, or at the best one.

    Raises:
        ImageError: an image or a mask cannot be read.
    """
    counts, fixed = [], []
    total = len(dataset.samples)
    for frame, truth in progress(frames_of(dataset, model.scale), f"{model.mode}: scoring", total):
        probability = model.probability(frame)
        counts.append(count_image(probability, truth, tolerance_px))
        if model.threshold is not None:
            binary = (probability >= np.float32(model.threshold)).astype(np.float32)
            fixed.append(count_image(binary, truth, tolerance_px))
    scores = score(counts)
    at_threshold = None
    if model.threshold is not None:
        pooled = sum(fixed[1:], fixed[0])
        # Of a binary image every threshold gives the same.
        figures = (pooled.f1[0], pooled.precision[0], pooled.recall[0], pooled.iou[0])
        at_threshold = FixedScores(model.threshold, *(float(figure) for figure in figures))
    if overlays is not None:
        _draw(model, dataset, scores.threshold if model.threshold is None else model.threshold, tolerance_px, overlays)
    return Evaluation(scores, at_threshold)


def as_dictionary(evaluation: Evaluation) -> dict[str, object]:
    """Figures by name, as `fissura eval --json` prints them."""
    fixed = evaluation.at_bundle_threshold
    return {**asdict(evaluation.scores), "at_bundle_threshold": None if fixed is None else asdict(fixed)}


def _draw(model: Predictor, dataset: Dataset, threshold: float, tolerance_px: float, folder: Path) -> None:
    # A second pass: the best threshold is known only after the last image, and probabilities of a set fill a memory.
    frames = progress(frames_of(dataset, model.scale), "drawing", len(dataset.samples))
    for sample, (frame, truth) in zip(dataset.samples, frames, strict=True):
        predicted = model.probability(frame) >= np.float32(threshold)
        write_overlay(folder / f"{sample.id}.png", frame, predicted, truth, tolerance_px)


def _checkpoint(path: Path, mode: Mode | None) -> Predictor:
    model = load_checkpoint(path).model
    chosen: Mode = mode or ("segmentation" if model.super_resolution is None else "fused")
    if chosen == "fused" and model.super_resolution is None:
        raise CheckpointError(
            f"{path} has no super-resolution network", expected="--mode segmentation", fix="leave out --mode"
        )
    scale = model.scale if chosen == "fused" else 1
    return Predictor(chosen, scale, None, lambda frame: predict(model, frame, chosen))


def _bundle(path: Path, mode: Mode | None) -> Predictor:
    cascade, times = open_cascade(load_bundle(path), mode, ENGINE, {}), StageTimes()
    return Predictor(cascade.mode, cascade.scale, cascade.threshold, lambda frame: cascade.run(frame, times))
