"""A trained model on disk: `weights.safetensors` and `checkpoint.json` in one folder. Nothing is pickled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError

from fissura.errors import CheckpointError
from fissura.files import replacing_folder
from fissura.schema_version import CURRENT, SchemaVersion
from train.model import CrackModel, ModelConfig, build_model

WEIGHTS = "weights.safetensors"
RECORD = "checkpoint.json"
FOLDER = "checkpoint"


class CheckpointRecord(BaseModel):
    """Where the weights come from: becomes the bundle's lineage."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: SchemaVersion = CURRENT
    recipe: dict[str, Any]
    model: ModelConfig
    dataset_fingerprint: str
    seed: int
    epochs: int
    metrics: dict[str, float]
    versions: dict[str, str]


@dataclass(frozen=True)
class Checkpoint:
    """A model in evaluation mode, and its record."""

    model: CrackModel
    record: CheckpointRecord
    path: Path


def save_checkpoint(folder: Path, model: CrackModel, record: CheckpointRecord) -> None:
    """Write weights and record in one step: the folder is the old one or the new one, never half."""
    with replacing_folder(folder) as aside:
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        safetensors.torch.save_file(weights, aside / WEIGHTS)
        (aside / WEIGHTS).chmod(0o644)  # it writes files that only their owner can read
        (aside / RECORD).write_text(
            json.dumps(record.model_dump(mode="json"), indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )


def is_checkpoint(path: Path) -> bool:
    """Whether `path` is a checkpoint folder, or a run folder that holds one."""
    return (path / RECORD).is_file() or (path / FOLDER / RECORD).is_file()


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a checkpoint folder, or the one inside a run folder.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    folder = path if (path / RECORD).is_file() else path / FOLDER
    if not (folder / RECORD).is_file():
        raise CheckpointError(
            f"{path} is no checkpoint",
            expected=f"a folder with {RECORD} and {WEIGHTS}, or the run folder of `fissura train`",
        )
    try:
        record = CheckpointRecord.model_validate_json((folder / RECORD).read_text(encoding="utf-8"))
        weights = safetensors.torch.load_file(folder / WEIGHTS)
    except (OSError, UnicodeDecodeError, ValidationError, SafetensorError) as error:
        raise CheckpointError(
            f"checkpoint {folder} is damaged: {error}", fix="train again, or copy it again"
        ) from error
    model = build_model(record.model, pretrained=False)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"weights of {folder} do not fit the network that {RECORD} names: {error}") from error
    return Checkpoint(model.eval(), record, folder)
