"""Networks of a model that start from an earlier run's checkpoint."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from torch import nn

from fissura.config import Config
from fissura.errors import CheckpointError
from train.checkpoint import load_checkpoint
from train.model import CrackModel


class StartConfig(Config):
    """Where networks come from: run folders of `fissura train`, absolute or seen from the current folder."""

    segmentation: Path | None = Field(None, description="run whose segmentation network this run starts with")
    super_resolution: Path | None = Field(None, description="run whose super-resolution network this run starts with")


def start_from(model: CrackModel, start: StartConfig) -> None:
    """Copy the weights of the networks that `start` names.

    Raises:
        CheckpointError: there is no such run, or its network is another one.
    """
    for part, path in start:
        if path is None:
            continue
        own: nn.Module | None = getattr(model, part)
        earlier: nn.Module | None = getattr(load_checkpoint(path).model, part)
        if own is None or earlier is None:
            raise CheckpointError(f"`start.{part}`: {path if own is not None else 'this model'} has no such network")
        try:
            own.load_state_dict(earlier.state_dict())
        except RuntimeError as error:
            raise CheckpointError(
                f"`start.{part}`: the network of {path} is another one: {str(error).splitlines()[-1].strip()}",
                expected="the same network with the same options",
                fix="train that run with the options (and the --scale) of this one",
            ) from error
