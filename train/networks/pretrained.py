"""ImageNet weights of an encoder, from a file that the user gives. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import Self

from fissura.errors import CheckpointError, ConfigError
from train.networks.network import NetworkConfig

SHOWN = 3  # keys that a message names of each kind


class PretrainedConfig(NetworkConfig):
    """Options of a network whose encoder can start from ImageNet weights.

    Such weights expect pixels that are normalised by ImageNet's statistics: set the model's `mean` to
    [0.485, 0.456, 0.406] and its `std` to [0.229, 0.224, 0.225].
    """

    weights: Path | None = Field(
        None, description="state dict with torchvision's keys, .pth or .safetensors; null: random weights"
    )

    def narrowed(self, share: float) -> Self:
        if self.weights is not None and share != 1:
            raise ConfigError(
                f"`weights` is {self.weights}, and the network is to have {share:g} of its channels",
                expected="the full width: pretrained weights fit no other",
                fix="set `weights` to null",
            )
        return super().narrowed(share)


def load_pretrained(network: nn.Module, path: Path, names: Mapping[str, str], ignored: tuple[str, ...]) -> None:
    """Load the weights of an encoder.

    Weights of a fully connected layer also fit the convolution that it becomes in a fully convolutional network.

    Args:
        network: what holds the parameters, and perhaps others that stay as they are.
        path: a state dict with torchvision's keys, `.safetensors` or what `torch.save` wrote.
        names: keys of `network` that are loaded, and what the file calls them.
        ignored: first parts of keys of the file that are not needed (the ImageNet classifier).

    Raises:
        ConfigError: there is no such file.
        CheckpointError: it cannot be read, or it does not fit: keys are missing, unknown or of another shape.
    """
    stored = _read(path)
    own = network.state_dict()
    # Files of 2017 and before do not count the batches that their statistics have seen.
    wanted = {key: name for key, name in names.items() if name in stored or not name.endswith("num_batches_tracked")}
    known = set(wanted.values())
    problems = {
        "missing": [name for name in wanted.values() if name not in stored],
        "unexpected": [name for name in stored if name not in known and not name.startswith(ignored)],
        "of another shape": [
            f"{name} {tuple(stored[name].shape)} instead of {tuple(own[key].shape)}"
            for key, name in wanted.items()
            if name in stored and not _fits(stored[name], own[key])
        ],
    }
    if any(problems.values()):
        raise CheckpointError(
            f"the weights {path} do not fit {type(network).__name__}: "
            + "; ".join(f"{kind}: {_some(keys)}" for kind, keys in problems.items() if keys),
            expected=f"keys of torchvision's state dict, such as {next(iter(names.values()))}",
            fix="give the file of this very encoder (vgg16, vgg16_bn or resnet50), and leave the widths as they are",
        )
    network.load_state_dict({**own, **{key: stored[name].reshape(own[key].shape) for key, name in wanted.items()}})


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ConfigError(
            f"there is no weights file {path}",
            expected="a state dict with torchvision's keys, .pth or .safetensors",
            fix="give its path as `weights`, or set `weights` to null to start from random ones",
        )
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever its bytes lead to, AssertionError and IndexError too
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"the weights {path} cannot be read: {reason}", fix="download the file again") from error
    if not isinstance(stored, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in stored.items()
    ):
        raise CheckpointError(
            f"{path} holds no state dict",
            expected="names and tensors, as `torch.save(model.state_dict(), path)` writes",
        )
    return stored


def _fits(stored: Tensor, own: Tensor) -> bool:
    fully_connected = stored.ndim == 2 and own.ndim == 4
    return stored.shape == own.shape or (fully_connected and len(stored) == len(own) and stored.numel() == own.numel())


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more
