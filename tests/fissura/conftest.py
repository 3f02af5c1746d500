from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from fissura.bundle import MANIFEST_NAME


def manifest_values(files: dict[str, bytes]) -> dict[str, Any]:
    """A valid manifest of version 1.0 for these files; the first is the graph."""
    return {
        "schema_version": "1.0",
        "name": "tiny",
        "task": "crack-segmentation",
        "scale": 2,
        "normalisation": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "inside_graph": True},
        "graphs": {
            "fused": {
                "file": next(iter(files)),
                "input": {"name": "image", "layout": "NHWC", "multiple": 16, "min_size": 32},
                "output": {"name": "probability", "kind": "probability", "scale": 2},
                "threshold": 0.42,
                "halo": 24,
            }
        },
        "parity": {
            "fused": {"max_abs": 2e-6, "mean_abs": 1e-7, "sizes": [[64, 64], [96, 128]], "images": 2, "limit": 1e-4}
        },
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
            for name, content in files.items()
        },
        "lineage": {
            "recipe": {"network": {"kind": "unet", "widths": [8, 16]}, "epochs": 2},
            "dataset_fingerprint": "0" * 64,
            "seed": 7,
            "metrics": {"ods_f1": 0.912},
            "versions": {"torch": "2.13.0"},
        },
    }


def write_bundle(folder: Path, **changes: Any) -> Path:
    """Write a small bundle (its graph is no real ONNX); `changes` replace keys of the manifest."""
    files = {"graphs/fused.onnx": b"not a real graph", "golden/frame.png": b"nor a picture"}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest_values(files) | changes), encoding="utf-8")
    return folder


@pytest.fixture
def bundle_folder(tmp_path: Path) -> Path:
    """A valid bundle."""
    return write_bundle(tmp_path / "bundle")
