"""A bundle with golden frames and graphs at lower precision, made without PyTorch: a vehicle has none."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from edge_runtime.golden import FILE
from edge_runtime.stored_graph import as_run, stored_graph
from fissura.bundle import (
    MANIFEST_NAME,
    FileEntry,
    Gate,
    Manifest,
    Parity,
    Role,
    Tolerance,
    Variant,
    VariantName,
    load_bundle,
)
from fissura.files import sha256
from tests.bundles import make_bundle
from tests.edge_runtime.conftest import pavement

TOLERANCE = Tolerance(max_abs=0.1, mean_abs=0.005)
GATE = Gate(
    dataset="cfd",
    split="test",
    fingerprint="0" * 64,
    images=46,
    metric="ods_f1",
    tolerance_px=2,
    score=91.23,
    drop=0.17,
    max_drop=0.5,
    probability_mean_abs=0.002,
)
PARITY = Parity(max_abs=0.05, mean_abs=0.001, sizes=((60, 80), (41, 61)), images=8, limit=None, mask_iou=0.9871)
STEEPNESS = 58.0  # of the sigmoid, 60 at fp32: about as far off as int8 is
WRONG_STEEPNESS = 20.0


def make_proven_bundle(
    folder: Path, *, roles: tuple[Role, ...] = ("segmentation",), variants: tuple[VariantName, ...] = ("int8-portable",)
) -> Path:
    """Write a bundle whose probability graphs have the given variants, each a little off, and golden frames."""
    make_bundle(folder, roles=roles)
    manifest = load_bundle(folder).manifest
    graphs = {}
    for role, graph in manifest.graphs.items():
        entries: dict[VariantName, Variant] = {}
        for name in variants if graph.output.kind == "probability" else ():
            file = f"{role}.{name}.onnx"
            shutil.copyfile(folder / graph.file, folder / file)
            set_steepness(folder / file, STEEPNESS)
            precision = "fp16" if name == "fp16" else "int8"
            restored = ("encoders.0",) if name == "int8-portable" else ()
            entries[name] = Variant(
                file=file,
                precision=precision,  # type: ignore[arg-type]
                threshold=0.48,
                tolerance=TOLERANCE,
                parity=PARITY,
                gate=GATE,
                restored=restored,
            )
        graphs[role] = graph.model_copy(update={"variants": entries})
    _write_golden(folder, roles)
    list_files(folder, manifest.model_copy(update={"graphs": graphs}))
    return folder


def set_steepness(path: Path, value: float) -> None:
    """Make a graph of `tests.bundles` more or less sure of itself."""
    model = onnx.load(path)
    constant = next(tensor for tensor in model.graph.initializer if tensor.name == "steepness")
    constant.CopyFrom(numpy_helper.from_array(np.array(value, np.float32), "steepness"))
    onnx.save(model, path)


def list_files(folder: Path, manifest: Manifest) -> None:
    """Write the manifest with the hashes of what lies in the folder now."""
    files = {
        path.name: FileEntry(sha256=sha256(path), size_bytes=path.stat().st_size)
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST_NAME
    }
    text = manifest.model_copy(update={"files": files}).to_json()
    (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")


def _write_golden(folder: Path, roles: tuple[Role, ...]) -> None:
    bundle = load_bundle(folder)
    arrays: dict[str, np.ndarray] = {"tolerance": np.array(1 / 255)}
    for role in roles:
        with stored_graph(bundle, role, None, "onnxruntime", {"threads": 1}) as step:
            run = as_run(step)
            for number, (width, height) in enumerate(((96, 72), (61, 45))):
                frame = pavement(number, width=width, height=height)
                arrays[f"{role}/{number}/frame"] = frame
                arrays[f"{role}/{number}/output"] = np.rint(run(frame).clip(0, 1) * 255).astype(np.uint8)
    np.savez_compressed(folder / FILE, **arrays)
