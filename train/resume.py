"""The trainer's own state, to go on after a kill or a power cut. Loaded with `weights_only=True`: never unpickled."""

from __future__ import annotations

import pickle
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from fissura.errors import CheckpointError
from fissura.files import replacing

RESUME_FILE = "resume.ckpt"
PARTS = {"state_dict", "loops", "optimizer_states", "epoch", "global_step", "pytorch-lightning_version"}


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes the resume file aside and renames it: a kill leaves the old one or the new one.

    Args:
        weights: names of the weights that a resume file of this run holds.
    """

    def __init__(self, weights: Collection[str]) -> None:
        super().__init__()
        self.weights = set(weights)

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        with replacing(Path(path)) as aside:
            torch.save(checkpoint, aside)

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        try:
            checkpoint: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise _unusable(path, str(error)) from error
        lacking = PARTS - set(checkpoint)
        if lacking:
            raise _unusable(path, f"it lacks {', '.join(sorted(lacking))}")
        if set(checkpoint["state_dict"]) != self.weights:
            raise _unusable(path, "its weights are those of another network")
        return checkpoint


def _unusable(path: str | Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"resume file {path} cannot be used: {reason}",
        expected="the file that `fissura train` wrote",
        fix="start anew with another --out",
    )
