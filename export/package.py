"""A checkpoint becomes a bundle: graphs, proof against PyTorch, thresholds, golden frames, manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from calibration.thresholds import Threshold, choose_threshold
from export import golden
from export.onnx import ExportedGraph, Layout, export_graph, roles_of
from export.parity import check_parity
from export.target import check_target
from export.vehicle import running
from fissura.bundle import (
    MANIFEST_NAME,
    Bundle,
    FileEntry,
    Lineage,
    Manifest,
    Normalisation,
    Parity,
    Role,
    load_bundle,
)
from fissura.dataset import Dataset, read_sample
from fissura.files import replacing_folder, sha256
from train.checkpoint import Checkpoint, CheckpointRecord

PARITY_IMAGES = 8


@dataclass(frozen=True)
class PackageOptions:
    """How a bundle is made.

    Attributes:
        name: of the bundle: lower-case letters, digits, ``.``, ``_`` and ``-``.
        layout: of the graphs' inputs.
        golden_frames: for each graph.
        tolerance_px: of the F1 that chooses the thresholds.
        force: replace a bundle that stands there already.
    """

    name: str
    layout: Layout = "NHWC"
    golden_frames: int = 3
    tolerance_px: float = 2.0
    force: bool = False


def export_bundle(checkpoint: Checkpoint, out: Path, calibration_data: Dataset, options: PackageOptions) -> Bundle:
    """Make a bundle. Nothing is written before every graph has passed, and then in one step.

    Args:
        checkpoint: what was trained.
        out: folder of the bundle.
        calibration_data: the images that choose the thresholds; some of them prove the graphs.
        options: see there.

    Raises:
        UsageError: the name is not allowed, or `out` is taken.
        ExportError: PyTorch cannot export a network, or a graph differs from it.
        EngineError: the vehicle's engine cannot run a graph.
        DataError: an image cannot be read, or no threshold finds any crack.
    """
    check_target(out, options.name, force=options.force)
    model = checkpoint.model
    graphs = [export_graph(model, role, options.layout) for role in roles_of(model)]
    images = [read_sample(calibration_data.samples[i])[0] for i in _spread(len(calibration_data.samples))]
    parity = {graph.role: check_parity(graph, model, images) for graph in graphs}
    thresholds = {
        graph.role: _threshold(graph, calibration_data, options.tolerance_px)
        for graph in graphs
        if graph.output.kind == "probability"
    }
    frames = golden.make_golden(graphs, options.golden_frames)
    with replacing_folder(out) as aside:
        for graph in graphs:
            (aside / graph.file).write_bytes(graph.onnx)
        golden.write_golden(aside / golden.FILE, frames)
        manifest = _manifest(aside, checkpoint.record, model.scale, graphs, parity, thresholds, options.name)
        (aside / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
        golden.check_golden(load_bundle(aside))  # the files as written, read back
    return load_bundle(out)


def _threshold(graph: ExportedGraph, dataset: Dataset, tolerance_px: float) -> Threshold:
    with running(graph) as run:
        return choose_threshold(run, graph.output.scale, graph.role, dataset, tolerance_px)


def _manifest(
    folder: Path,
    record: CheckpointRecord,
    scale: int,
    graphs: list[ExportedGraph],
    parity: dict[Role, Parity],
    thresholds: Mapping[Role, Threshold],
    name: str,
) -> Manifest:
    files = sorted(path.name for path in folder.iterdir())
    return Manifest(
        name=name,
        scale=scale,
        normalisation=Normalisation(mean=record.model.mean, std=record.model.std),
        graphs={
            graph.role: graph.entry(thresholds[graph.role].value if graph.role in thresholds else None)
            for graph in graphs
        },
        parity=parity,
        calibration={role: threshold.record for role, threshold in thresholds.items()},
        files={
            file: FileEntry(sha256=sha256(folder / file), size_bytes=(folder / file).stat().st_size) for file in files
        },
        lineage=Lineage(
            recipe=_without_folders(record.recipe),
            dataset_fingerprint=record.dataset_fingerprint,
            seed=record.seed,
            metrics=record.metrics,
            versions={
                **{f"train.{package}": number for package, number in record.versions.items()},
                **{f"export.{package}": version(package) for package in ("torch", "onnx", "onnxscript", "onnxruntime")},
            },
        ),
    )


def _without_folders(recipe: Any) -> Any:
    """The recipe with each absolute path cut to its last part: a bundle does not tell where it was made."""
    if isinstance(recipe, dict):
        return {key: _without_folders(value) for key, value in recipe.items()}
    if isinstance(recipe, list | tuple):
        return [_without_folders(value) for value in recipe]
    return Path(recipe).name if isinstance(recipe, str) and Path(recipe).is_absolute() else recipe


def _spread(count: int) -> list[int]:
    """Positions spread evenly over a list, `PARITY_IMAGES` at most."""
    return sorted({int(i) for i in np.linspace(0, count - 1, min(count, PARITY_IMAGES))})
