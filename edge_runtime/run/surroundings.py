"""What a model is tested with: what was found with one engine says little about another, or about its next version."""

from __future__ import annotations

import hashlib
import json

from edge_runtime.probe import package_version
from edge_runtime.run.config import OF_THE_MODEL, RunConfig

LIBRARIES = ("fissura", "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "tensorrt-cu12", "tensorrt-cu13")


def surroundings(config: RunConfig) -> str:
    """Names engine, mode, their options and the libraries; the bundle does not matter."""
    options = config.model_dump(mode="json", include=set(OF_THE_MODEL - {"bundle"}))
    libraries = {name: package_version(name) for name in LIBRARIES}
    document = json.dumps([options, libraries], sort_keys=True, default=str)
    return hashlib.sha256(document.encode()).hexdigest()[:16]
