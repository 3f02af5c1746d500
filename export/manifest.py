"""The manifest of an exported bundle: what was proven and chosen, and where the weights come from."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from export.lower import RANGES
from fissura.bundle import Calibration, FileEntry, Graph, Lineage, Manifest, Normalisation, Parity, Role
from fissura.files import sha256
from fissura.imaging.resample import FrameKernel
from train.checkpoint import Checkpoint, CheckpointRecord


def make_manifest(
    folder: Path,
    *,
    name: str,
    model: Checkpoint,
    proposal: Checkpoint | None,
    graphs: dict[Role, Graph],
    parity: dict[Role, Parity],
    calibration: dict[Role, Calibration],
) -> Manifest:
    """The manifest for the files that lie in a folder now.

    Args:
        folder: of the bundle.
        name: of the bundle.
        model: the checkpoint that was exported.
        proposal: the one of the cheap pass.
        graphs, parity, calibration: by role.
    """
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
        ranges=RANGES if RANGES in files else None,
        proposal_lineage=None if proposal is None else _lineage(proposal.record),
    )


def frame_kernel_of(recipe: Mapping[str, Any]) -> FrameKernel:
    """How the frames that a model was trained on were made of larger images."""
    kernel: FrameKernel = recipe.get("data", {}).get("frame_kernel", "area")
    return kernel


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


def _without_folders(recipe: Any) -> Any:
    """The recipe with each absolute path cut to its last part: a bundle does not tell where it was made."""
    if isinstance(recipe, dict):
        return {key: _without_folders(value) for key, value in recipe.items()}
    if isinstance(recipe, list | tuple):
        return [_without_folders(value) for value in recipe]
    return Path(recipe).name if isinstance(recipe, str) and Path(recipe).is_absolute() else recipe
