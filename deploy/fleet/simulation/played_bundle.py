"""A bundle that is whole, but of which no engine could run anything."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

from fissura.bundle import MANIFEST_NAME

MODEL = "simulated"
SIZE_BYTES = 32_768
# Fields of an ONNX model: one in which anything may stand, and a graph with nothing but a name.
_DOC_STRING = 0x32
_GRAPH = b"\x3a\x03\x12\x01x"


def played_bundle(folder: Path, seed: int, size_bytes: int = SIZE_BYTES) -> Path:
    """Make one; another seed makes another one."""
    folder.mkdir(parents=True)
    text = random.Random(seed).randbytes(size_bytes // 2).hex().encode()
    graph = bytes((_DOC_STRING,)) + _varint(len(text)) + text + _GRAPH
    (folder / "segmentation.onnx").write_bytes(graph)
    entry = {"sha256": hashlib.sha256(graph).hexdigest(), "size_bytes": len(graph)}
    manifest = {
        "schema_version": "1.0",
        "name": MODEL,
        "normalisation": {"mean": [0, 0, 0], "std": [1, 1, 1]},
        "graphs": {
            "segmentation": {
                "file": "segmentation.onnx",
                "input": {},
                "output": {"name": "probability", "kind": "probability"},
                "threshold": 0.5,
            }
        },
        "files": {"segmentation.onnx": entry},
        "lineage": {"recipe": {}, "dataset_fingerprint": "", "seed": seed, "metrics": {}, "versions": {}},
    }
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))
    return folder


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | 0x80 if value else low)
        if not value:
            return bytes(out)
