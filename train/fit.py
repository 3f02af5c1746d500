"""A training run from a recipe to a checkpoint folder."""

from __future__ import annotations

import logging
import platform
import signal
import warnings
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
import yaml
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn

from fissura import __version__
from fissura.errors import CheckpointError, ConfigError, DataError, DatasetError
from fissura.files import write_text
from train.checkpoint import FOLDER, CheckpointRecord, save_checkpoint
from train.config import Recipe
from train.data.module import CrackData
from train.history import History
from train.losses import build_loss
from train.model import CrackModel, build_model
from train.resume import RESUME_FILE, AtomicCheckpointIO
from train.task import CrackTask

RECIPE_FILE = "recipe.yaml"
# What Lightning warns of and is meant here: few workers on two cores, a run folder that holds the recipe already,
# short epochs, its own use of a deprecated call.
HARMLESS = (
    ".*does not have many workers.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*smaller than the logging interval.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*lr_scheduler.step.*",
)


def fit(recipe: Recipe, folder: Path, *, resume: bool, progress: bool) -> dict[str, float]:
    """Train by a recipe; the run folder gets logs, curves, the resume file and the checkpoint.

    Args:
        recipe: everything that decides the result.
        folder: the run folder.
        resume: go on from the resume file in `folder`, if there is one.
        progress: show progress bars.

    Returns:
        The last epoch's figures, by name.

    Raises:
        DataError: a data set is missing or empty, or an image or a mask cannot be used.
        CheckpointError: `folder` holds another run, or its resume file cannot be used.
        TrainingError: the loss is not finite.
        SystemExit: SIGTERM came (143); the last epoch's state is kept.
    """
    pl.seed_everything(recipe.seed, workers=True, verbose=False)
    model = build_model(recipe.model)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss = build_loss(recipe.loss)
    data = CrackData(recipe, multiple=_crop_multiple(model), scale=model.scale)
    task = CrackTask(model, loss, recipe, total_steps=recipe.epochs * data.steps_per_epoch)
    data.check()
    resume_from = _claim(folder, recipe, resume=resume)  # only now: what cannot run leaves no folder behind
    history = History(folder)
    precision = choose_precision(recipe.precision)
    trainer = _trainer(
        recipe,
        folder,
        history,
        precision,
        weights=task.state_dict(),
        progress=progress,
        steps_per_epoch=data.steps_per_epoch,
    )
    with warnings.catch_warnings():
        for message in HARMLESS:
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.fit(task, datamodule=data, ckpt_path=resume_from, weights_only=True)
        except DataError as error:
            raise _without_traceback(error) from error
        except SystemExit:  # Lightning ends the process with 1 after a signal
            if not trainer.received_sigterm:
                raise KeyboardInterrupt from None
    if trainer.received_sigterm:
        raise SystemExit(128 + signal.SIGTERM)
    if not history.rows:
        raise CheckpointError(f"{folder} is a finished run: nothing was left to train")
    metrics = history.rows[-1]
    if trainer.is_global_zero:
        record = _record(recipe, model, data, metrics, precision)
        save_checkpoint(folder / FOLDER, model, record)
    return metrics


def _without_traceback(error: DataError) -> DataError:
    """PyTorch gives an error of a data worker the worker's whole traceback as its message: keep its last part."""
    _, marker, last = error.found.rpartition("fissura.errors.")
    return DataError(last.partition(": ")[2].rstrip()) if marker else error


def choose_precision(wanted: Literal["auto", "fp32", "bf16"]) -> Literal["32-true", "bf16-mixed"]:
    """bf16 autocast where the processor has bf16 arithmetic (two times faster there, slower elsewhere)."""
    if wanted == "auto":
        if torch.cuda.is_available():
            wanted = "bf16" if torch.cuda.is_bf16_supported() else "fp32"
        else:
            native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
            wanted = "bf16" if native else "fp32"
    return "bf16-mixed" if wanted == "bf16" else "32-true"


def _claim(folder: Path, recipe: Recipe, *, resume: bool) -> Path | None:
    """Take the run folder: new, or going on with the very same recipe."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    stored, resume_file = folder / RECIPE_FILE, folder / RESUME_FILE
    if not resume_file.exists() and not (folder / FOLDER).exists():
        write_text(stored, text)
        return None
    if not resume:
        raise CheckpointError(
            f"{folder} holds a run already", fix="add --resume to go on with it, or choose another --out"
        )
    if stored.read_text(encoding="utf-8") != text:
        raise CheckpointError(
            f"the recipe differs from {stored}",
            expected="the recipe that the run was started with: a resumed run equals an unbroken one",
            fix="choose another --out for the changed recipe",
        )
    return resume_file


def _trainer(
    recipe: Recipe,
    folder: Path,
    history: History,
    precision: Any,
    *,
    weights: Collection[str],
    progress: bool,
    steps_per_epoch: int,
) -> pl.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    callbacks: list[pl.Callback] = [
        history,
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
        devices=1,
        limit_train_batches=steps_per_epoch,
        check_val_every_n_epoch=recipe.evaluation.every_epochs,
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


def _crop_multiple(model: CrackModel) -> int:
    # High-resolution sides must suit the segmentation network; the frame's sides follow by division.
    if model.stride % model.scale:
        raise ConfigError(f"stride {model.stride} with scale {model.scale}", expected="a scale that divides the stride")
    return model.stride


def _record(
    recipe: Recipe, model: nn.Module, data: CrackData, metrics: dict[str, float], precision: str
) -> CheckpointRecord:
    try:
        fingerprint = data.fingerprint()
    except OSError as error:
        raise DatasetError(f"the data set went away while it was trained on: {error}") from error
    return CheckpointRecord(
        recipe=recipe.model_dump(mode="json"),
        model=recipe.model,
        dataset_fingerprint=fingerprint,
        seed=recipe.seed,
        epochs=recipe.epochs,
        metrics={**metrics, "parameters": float(sum(p.numel() for p in model.parameters()))},
        versions={
            "fissura": __version__,
            "python": platform.python_version(),
            "torch": version("torch"),
            "lightning": version("lightning"),
            "precision": precision,
        },
    )
