"""Training by several processes: which part of the work is ours.

Each process takes its part of every batch, the gradients are averaged over the processes, and what a loss sums over
the whole batch it sums over all processes (`train.losses.ranks`): together they do what one process would do alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn

from fissura.errors import ConfigError, TrainingError

# What the gloo library says when another process has gone; NCCL's errors have a class of their own.
GONE = ("gloo", "Connection closed", "Connection reset", "Broken pipe")


class PeerLostError(TrainingError):
    """Another process of the run has ended: the reason is there, not here."""


@dataclass(frozen=True)
class Processes:
    """The processes of a run and our place among them.

    Attributes:
        rank: ours, from 0; process 0 writes the files.
        count: of all machines.
        local_count: of this machine.
    """

    rank: int = 0
    count: int = 1
    local_count: int = 1

    @classmethod
    def of_environment(cls) -> Processes:
        """As torchrun tells by environment variables; one process without it."""
        if not dist.is_available() or not dist.is_torchelastic_launched():
            return cls()
        return cls(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")))

    def share(self, length: int) -> range:
        """Our part of `length` things, all parts together in order."""
        return range(length * self.rank // self.count, length * (self.rank + 1) // self.count)


def copy_buffers(model: nn.Module) -> None:
    """Give every process the buffers of process 0 (running statistics of batch normalisation)."""
    if dist.is_available() and dist.is_initialized():
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)


def check_processes(processes: Processes, *, batch_size: int, images: int) -> None:
    """Whether a run can be divided.

    Args:
        processes: of the run.
        batch_size: of the recipe.
        images: of the validation list.

    Raises:
        ConfigError: it cannot.
    """
    if batch_size % processes.count:
        raise ConfigError(
            f"{processes.count} processes share batches of {batch_size}",
            expected="a `data.batch_size` that the number of processes divides: it is the batch of all of them",
            fix="choose another --devices, or another `data.batch_size`",
        )
    if images < processes.count:
        raise ConfigError(
            f"{processes.count} processes share {images} validation images", expected="an image or more for each"
        )
    if torch.cuda.is_available() and torch.cuda.device_count() < processes.local_count:
        raise ConfigError(
            f"{processes.local_count} processes and {torch.cuda.device_count()} GPUs",
            expected="a GPU for each process",
            fix="choose another --devices, or set CUDA_VISIBLE_DEVICES= to train on the processor",
        )


def lost_peer(error: BaseException) -> bool:
    """Whether an error means that another process has gone away."""
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in GONE)
    )
