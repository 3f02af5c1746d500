"""A checkpoint becomes a bundle: graphs, proof against PyTorch, thresholds, golden frames, manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from calibration.proposal import choose_proposal
from calibration.thresholds import Threshold, choose_threshold
from export import golden
from export.onnx import ExportedGraph, Layout, export_graph, roles_of
from export.parity import check_parity
from export.target import check_target
from export.vehicle import running
from fissura.bundle import (
    MANIFEST_NAME,
    Bundle,
    Calibration,
    FileEntry,
    Graph,
    Lineage,
    Manifest,
    Normalisation,
    Parity,
    Role,
    load_bundle,
)
from fissura.dataset import Dataset, read_sample
from fissura.errors import UsageError
from fissura.files import replacing_folder, sha256
from fissura.imaging.resample import FrameKernel
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
        tiles: add the graph that runs on parts of a frame; a proposal network brings it along.
    """

    name: str
    layout: Layout = "NHWC"
    golden_frames: int = 3
    tolerance_px: float = 2.0
    force: bool = False
    tiles: bool = False


def export_bundle(
    checkpoint: Checkpoint,
    out: Path,
    calibration_data: Dataset,
    options: PackageOptions,
    proposal: Checkpoint | None = None,
) -> Bundle:
    """Make a bundle. Nothing is written before every graph has passed, and then in one step.

    Args:
        checkpoint: what was trained.
        out: folder of the bundle.
        calibration_data: the images that choose the thresholds; some of them prove the graphs.
        options: see there.
        proposal: a model whose segmentation network takes camera frames: the cheap pass of the cascade.

    Raises:
        UsageError: the name is not allowed, `out` is taken, or `proposal` segments enlarged frames.
        ExportError: PyTorch cannot export a network, or a graph differs from it.
        EngineError: the vehicle's engine cannot run a graph.
        DataError: an image cannot be read, or no threshold finds any crack.
    """
    check_target(out, options.name, force=options.force)
    if proposal is not None and not proposal.model.segments_frames:
        raise UsageError(
            f"{proposal.path} cannot propose: its segmentation takes enlarged frames",
            expected="a model without super-resolution, or with `order: segmentation_first`",
            fix="train one on frames, for example by recipe edge/deepcrack256-proposal",
        )
    model = checkpoint.model
    roles = roles_of(model) + (("tile",) if options.tiles or proposal is not None else ())
    graphs = [export_graph(model, role, options.layout) for role in roles]
    images = [read_sample(calibration_data.samples[i])[0] for i in _spread(len(calibration_data.samples))]
    parity = {graph.role: check_parity(graph, model, images) for graph in graphs}
    kernel = frame_kernel_of(checkpoint.record.recipe)
    thresholds: dict[Role, Threshold] = {
        graph.role: _threshold(graph, calibration_data, options.tolerance_px, kernel)
        for graph in graphs
        if graph.role in ("segmentation", "fused")
    }
    whole: Role = "fused" if "fused" in thresholds else "segmentation"
    if "tile" in roles:  # the same function
        thresholds["tile"] = thresholds[whole]
    low_threshold = None
    if proposal is not None:
        cheap = export_graph(proposal.model, "proposal", options.layout)
        parity["proposal"] = check_parity(cheap, proposal.model, images)
        full = next(graph for graph in graphs if graph.role == whole)
        with running(cheap) as run_cheap, running(full) as run_full:
            thresholds["proposal"], low_threshold = choose_proposal(
                run_cheap,
                run_full,
                thresholds[whole].value,
                model.scale,
                calibration_data,
                options.tolerance_px,
                kernel,
            )
        graphs.append(cheap)
    frames = golden.make_golden(graphs, options.golden_frames)
    with replacing_folder(out) as aside:
        for graph in graphs:
            (aside / graph.file).write_bytes(graph.onnx)
        golden.write_golden(aside / golden.FILE, frames)
        entries = {
            graph.role: graph.entry(
                thresholds[graph.role].value if graph.role in thresholds else None,
                low_threshold if graph.role == "proposal" else None,
            )
            for graph in graphs
        }
        manifest = _manifest(
            aside,
            name=options.name,
            model=checkpoint,
            proposal=proposal,
            graphs=entries,
            parity=parity,
            calibration={role: threshold.record for role, threshold in thresholds.items()},
        )
        (aside / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
        golden.check_golden(load_bundle(aside))  # the files as written, read back
    return load_bundle(out)


def _threshold(graph: ExportedGraph, dataset: Dataset, tolerance_px: float, kernel: FrameKernel) -> Threshold:
    with running(graph) as run:
        return choose_threshold(run, graph.output.scale, graph.role, dataset, tolerance_px, kernel)


def _manifest(
    folder: Path,
    *,
    name: str,
    model: Checkpoint,
    proposal: Checkpoint | None,
    graphs: dict[Role, Graph],
    parity: dict[Role, Parity],
    calibration: dict[Role, Calibration],
) -> Manifest:
    files = sorted(path.name for path in folder.iterdir())
    return Manifest(
        name=name,
        scale=model.model.scale,
        normalisation=Normalisation(mean=model.record.model.mean, std=model.record.model.std),
        graphs=graphs,
        parity=parity,
        calibration=calibration,
        files={
            file: FileEntry(sha256=sha256(folder / file), size_bytes=(folder / file).stat().st_size) for file in files
        },
        lineage=_lineage(model.record),
        proposal_lineage=None if proposal is None else _lineage(proposal.record),
    )


def _lineage(record: CheckpointRecord) -> Lineage:
    return Lineage(
        recipe=_without_folders(record.recipe),
        dataset_fingerprint=record.dataset_fingerprint,
        seed=record.seed,
        metrics=record.metrics,
        versions={
            **{f"train.{package}": number for package, number in record.versions.items()},
            **{f"export.{package}": version(package) for package in ("torch", "onnx", "onnxscript", "onnxruntime")},
        },
    )


def frame_kernel_of(recipe: Mapping[str, Any]) -> FrameKernel:
    """How the frames that a model was trained on were made of larger images."""
    kernel: FrameKernel = recipe.get("data", {}).get("frame_kernel", "area")
    return kernel


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
