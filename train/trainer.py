"""Lightning's trainer, set up for a recipe."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from fissura.errors import ConfigError
from train.averaging import MovingAverage
from train.config import Recipe
from train.history import History
from train.processes import Processes
from train.resume import RESUME_FILE, AtomicCheckpointIO
from train.signals import EndOnSigterm

Precision = Literal["32-true", "bf16-mixed"]

# What Lightning and PyTorch warn of and is meant here: few workers on two cores, a run folder that holds the recipe
# already, short epochs, their own use of deprecated calls, scores that every process
# has got already.
HARMLESS = (
    ".*does not have many workers.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*smaller than the logging interval.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*lr_scheduler.step.*",
    ".*sync_dist=True.*",
)


def choose_precision(wanted: Literal["auto", "fp32", "bf16"]) -> Precision:
    """bf16 autocast where the processor has bf16 arithmetic (two times faster there, slower elsewhere)."""
    if wanted == "auto":
        if torch.cuda.is_available():
            wanted = "bf16" if torch.cuda.is_bf16_supported() else "fp32"
        else:
            native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
            wanted = "bf16" if native else "fp32"
    return "bf16-mixed" if wanted == "bf16" else "32-true"


def build_trainer(
    recipe: Recipe,
    folder: Path,
    history: History,
    precision: Precision,
    *,
    weights: Collection[str],
    progress: bool,
    steps_per_epoch: int,
) -> pl.Trainer:
    """The trainer of one run.

    Args:
        recipe: what is trained.
        folder: the run folder.
        history: gets the figures.
        precision: from `choose_precision`.
        weights: names of the weights that a resume file holds.
        progress: show progress bars.
        steps_per_epoch: optimiser steps of an epoch.

    Raises:
        ConfigError: the recipe's evaluations do not fit its epochs.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    processes = Processes.of_environment()
    interval, rest = divmod(steps_per_epoch, recipe.evaluation.per_epoch)
    if rest:
        raise ConfigError(
            f"`evaluation.per_epoch` is {recipe.evaluation.per_epoch}, and an epoch has {steps_per_epoch} steps",
            expected="a number of evaluations that divides the steps",
            fix=f"set `data.steps_per_epoch` to {(interval + 1) * recipe.evaluation.per_epoch}",
        )
    callbacks: list[pl.Callback] = [
        *([MovingAverage(recipe.averaging)] if recipe.averaging is not None else []),
        history,
        EndOnSigterm(),
        # The state of the last epoch, to resume from; the weights that count are in the checkpoint folder.
        ModelCheckpoint(
            dirpath=folder,
            filename=Path(RESUME_FILE).stem,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
    ]
    if progress:
        callbacks.append(RichProgressBar())
    return pl.Trainer(
        max_epochs=recipe.epochs,
        devices=processes.local_count,
        num_nodes=processes.count // processes.local_count,
        strategy=_strategy(processes),
        sync_batchnorm=recipe.sync_batchnorm and processes.count > 1 and torch.cuda.is_available(),
        use_distributed_sampler=False,  # the data module deals the samples out
        limit_train_batches=steps_per_epoch,
        check_val_every_n_epoch=recipe.evaluation.every_epochs,
        val_check_interval=interval,
        precision=precision,
        gradient_clip_val=recipe.optimiser.clip_norm,
        callbacks=callbacks,
        logger=TensorBoardLogger(str(folder), name="", version="tensorboard"),
        plugins=[AtomicCheckpointIO(weights)],
        enable_progress_bar=progress,
        enable_model_summary=progress,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        # A run that was killed and resumed must equal an unbroken one.
        deterministic="warn" if torch.cuda.is_available() else True,
    )


def _strategy(processes: Processes) -> Any:
    if processes.count == 1:
        return "auto"
    return DDPStrategy(
        process_group_backend="nccl" if torch.cuda.is_available() else "gloo",
        # A network may have parameters that a loss does not reach (weights from a file, unused side outputs).
        find_unused_parameters=True,
        # Not at each forward pass: the processes validate different numbers of images. See `CrackTask`.
        forward_sync_buffers=False,
    )


def check_batch_norm(model: nn.Module, recipe: Recipe, processes: Processes) -> None:
    """Whether batch normalisation can see the whole batch.

    Raises:
        ConfigError: the recipe asks for it, and PyTorch has it on GPUs only.
    """
    # Running statistics tell it from instance normalisation, which sees one image anyway.
    batched = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
    if batched and recipe.sync_batchnorm and processes.count > 1 and not torch.cuda.is_available():
        raise ConfigError(
            f"a network with batch normalisation in {processes.count} processes without GPUs",
            expected="one process: PyTorch shares the batch's statistics between GPUs only",
            fix="leave --devices out, or `--set sync_batchnorm=false`: each process then normalises by its own images",
        )
