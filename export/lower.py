"""The graphs of a model at lower precision: images for the ranges, a judge for each graph, the gate."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from calibration.histogram import Histogram
from calibration.ranges import Ranges, observe
from calibration.sample import Method, choose_images
from edge_runtime.statistics import frame_statistics
from export.gate import Limits, Trial, table_of, try_fp16, try_int8
from export.judge import CrackJudge, ImageJudge, Judge
from export.onnx import ExportedGraph
from export.quantize import layers_of, tensors_of
from fissura.bundle import Gate, Role, VariantName
from fissura.dataset import Dataset, Sample, read_sample
from fissura.errors import DatasetError, ExportError
from fissura.files import sha256
from fissura.imaging.encode import encode
from fissura.imaging.resample import FrameKernel, frame_of

RANGES = "ranges.json"


@dataclass(frozen=True)
class LowerOptions:
    """What is asked for.

    Attributes:
        variants: to try for every graph.
        limits: of the gate.
        images: that the ranges are measured on.
        method: how they are chosen.
        seed: of the choice.
        validation: list that the gate scores on; None: what the ranges leave of the calibration list.
    """

    variants: tuple[VariantName, ...] = ()
    limits: Limits = field(default_factory=Limits)
    images: int = 32
    method: Method = "k_center"
    seed: int = 0
    validation: Dataset | None = None


@dataclass(frozen=True)
class Lowered:
    """What came of it.

    Attributes:
        trials: of each graph, in the order of the variants.
        validation: the list that was scored on.
        ranges: the text of `ranges.json`; None where no int8 passed.
    """

    trials: dict[Role, list[Trial]]
    validation: Dataset
    ranges: str | None

    def passed(self, role: Role) -> Iterator[tuple[Trial, ExportedGraph]]:
        """The trials of a graph that passed, and what goes into the bundle."""
        for trial in self.trials.get(role, []):
            if trial.passed is not None:
                yield trial, trial.passed.graph


def lower(
    graphs: Sequence[ExportedGraph],
    calibration: Dataset,
    options: LowerOptions,
    *,
    scale: int,
    tolerance_px: float,
    kernel: FrameKernel,
) -> Lowered:
    """Try every variant of every graph.

    Args:
        graphs: fp32, proven.
        calibration: images and masks.
        options: see there.
        scale: of the model: its frames are made of the images by this factor.
        tolerance_px: of the ODS F1, at the images' resolution.
        kernel: how frames are made of images.

    Raises:
        DatasetError: too few images, or images in which the fp32 graph finds nothing.
        ExportError: a graph has no layer to quantise.
        ImageError: an image or a mask cannot be read.
    """
    chosen, rest = _parted(calibration, options)
    validation = options.validation or rest
    int8 = [variant for variant in options.variants if variant != "fp16"]
    trials: dict[Role, list[Trial]] = {}
    tables: dict[str, dict[str, Any]] = {}
    for graph in graphs:
        judge = judge_of(graph, validation, scale=scale, tolerance_px=tolerance_px, kernel=kernel)
        tried = trials[graph.role] = []
        if "fp16" in options.variants:
            tried.append(try_fp16(graph, judge, options.limits))
        if not int8 or (graph.role == "super_resolution" and not _layers(graph)):  # interpolation has none
            continue
        histograms = _observed(graph, int8, chosen, 1 if graph.role == "segmentation" else scale, kernel)
        for variant in int8:
            trial = try_int8(graph, variant, histograms, judge, options.limits)
            tried.append(trial)
            if trial.passed is not None:
                table = {"calibrator": trial.passed.calibrator, "tensors": _as_json(table_of(trial, histograms))}
                tables.setdefault(graph.role, {})[variant] = table
    return Lowered(trials, validation, _ranges_json(tables, chosen, calibration, options) if tables else None)


def judge_of(
    graph: ExportedGraph, validation: Dataset, *, scale: int, tolerance_px: float, kernel: FrameKernel
) -> Judge:
    """Who scores the variants of a graph."""
    if graph.role == "super_resolution":
        return ImageJudge(graph, validation, kernel)
    return CrackJudge(graph, validation, tolerance_px, kernel, 1 if graph.role == "segmentation" else scale)


def gate_record(trial: Trial, validation: Dataset) -> Gate:
    """What the manifest says of a trial that passed."""
    assert trial.passed is not None
    verdict = trial.passed.verdict
    assert verdict is not None  # else it had not passed
    return Gate(
        dataset=validation.name,
        split=validation.split,
        fingerprint=validation.fingerprint(),
        images=len(validation.samples),
        metric="psnr_db" if verdict.aiu_drop is None else "ods_f1",
        tolerance_px=trial.tolerance_px,
        score=verdict.score,
        drop=verdict.drop,
        max_drop=trial.limit,
        aiu_drop=verdict.aiu_drop,
        probability_mean_abs=verdict.mean_abs,
    )


def _parted(calibration: Dataset, options: LowerOptions) -> tuple[tuple[Sample, ...], Dataset]:
    """The images for the ranges, and the others."""
    count = len(calibration.samples)
    if count < 2:
        raise DatasetError(
            f"{calibration.name}/{calibration.split} has {count} image",
            expected="two or more: some for the ranges, others to score on",
            fix="give more --calibration-data",
        )
    most = count if options.validation is not None else count // 2
    chosen = choose_images(calibration, min(options.images, most), options.method, options.seed)
    others = tuple(sample for sample in calibration.samples if sample not in chosen)
    return chosen, replace(calibration, samples=others, split=f"{calibration.split}-rest")


def _observed(
    graph: ExportedGraph, variants: Sequence[VariantName], chosen: Sequence[Sample], shrink: int, kernel: FrameKernel
) -> dict[str, Histogram]:
    model = onnx.load_from_string(graph.onnx)
    if not _layers(graph):
        raise ExportError(
            f"graph {graph.role} has no convolution that int8 is about",
            fix="leave out int8, or export a network of plain convolutions",
        )
    names = {name: None for variant in variants for name in tensors_of(model, graph.role, variant)}
    return observe(model, list(names), (_feed(graph, sample, shrink, kernel) for sample in chosen))


def _layers(graph: ExportedGraph) -> list[str]:
    return list(layers_of(onnx.load_from_string(graph.onnx), graph.role))


def _feed(graph: ExportedGraph, sample: Sample, shrink: int, kernel: FrameKernel) -> dict[str, NDArray[np.generic]]:
    frame, _ = frame_of(*read_sample(sample), shrink, kernel)
    batch, _ = encode(frame, graph.input)
    feed: dict[str, NDArray[np.generic]] = {graph.input.name: batch}
    if graph.statistics is not None:
        feed[graph.statistics] = frame_statistics(frame)
    return feed


def _ranges_json(
    tables: Mapping[str, Any], chosen: Sequence[Sample], calibration: Dataset, options: LowerOptions
) -> str:
    document = {
        "data": f"{calibration.name}/{calibration.split}",
        "choice": {"method": options.method, "seed": options.seed},
        "images": [{"id": sample.id, "sha256": sha256(sample.image)} for sample in chosen],
        "graphs": tables,
    }
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _as_json(ranges: Ranges) -> dict[str, dict[str, float]]:
    return {name: {"low": low, "high": high} for name, (low, high) in ranges.items()}
