"""Choices on disk: one file for each bundle, way of running it, machine, and set of libraries."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_runtime.engine_choice.request import Request
from edge_runtime.engine_choice.turns import Row
from edge_runtime.engines import ENGINES
from edge_runtime.probe import gpus, processor
from fissura.files import write_text

logger = logging.getLogger(__name__)

# Distributions whose update may change what is fastest, or right.
LIBRARIES = (
    "fissura",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "tensorrt",
    "tensorrt-cu12",
    "tensorrt-cu13",
    "cuda-python",
    "numpy",
)


class Stored(BaseModel):
    """The content of a file.

    Attributes:
        key: what it was measured for; the file's name is its hash.
        chosen: the candidate that was kept.
        rows: all of them.
    """

    model_config = ConfigDict(frozen=True)

    key: dict[str, Any]
    chosen: Row
    rows: list[Row]


def default_folder() -> Path:
    """``$XDG_STATE_HOME/fissura/engines``."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "fissura" / "engines"


def key_of(bundle_id: str, request: Request) -> dict[str, Any]:
    """All that a choice depends on. The bundle counts by its id: where it lies does not matter."""
    return {
        "bundle_id": bundle_id,
        **request.model_dump(mode="json", exclude={"bundle"}),
        "processor": processor(),
        "gpus": gpus(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name)) is not None},
    }


def path_of(folder: Path, key: dict[str, Any]) -> Path:
    """Where the choice for a key lies."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return folder / f"{digest[:32]}.json"


def find(folder: Path, key: dict[str, Any]) -> Stored | None:
    """The choice that was kept for a key; None where there is none, or it is damaged."""
    path = path_of(folder, key)
    try:
        stored = Stored.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        logger.warning("%s cannot be used, the engines are tried again: %s", path, str(error).splitlines()[0])
        return None
    if stored.key != key or stored.chosen.candidate.kind not in ENGINES or stored.chosen.ms is None:
        logger.warning("%s belongs to something else, the engines are tried again", path)
        return None
    return stored


def keep(folder: Path, stored: Stored) -> None:
    """Write a choice down; a disk that does not take it costs the next start a few seconds, and not this run."""
    path = path_of(folder, stored.key)
    try:
        write_text(path, stored.model_dump_json(indent=2) + "\n")
    except OSError as error:
        logger.warning("the choice of engine cannot be kept in %s: %s", path, error)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
