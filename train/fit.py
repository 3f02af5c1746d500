"""A training run from a recipe to a checkpoint folder."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import lightning.pytorch as pl
import torch
import yaml
from torch import nn

from fissura import __version__
from fissura.errors import CheckpointError, DataError, DatasetError
from fissura.files import write_text
from train.checkpoint import FOLDER, CheckpointRecord, save_checkpoint
from train.config import Recipe
from train.data.module import CrackData
from train.data.samples import Labels
from train.history import CLOCK, History, Row
from train.initialise import initialise
from train.losses import build_loss
from train.model import build_model
from train.processes import PeerLostError, Processes, check_processes, lost_peer
from train.resume import RESUME_FILE
from train.start import start_from
from train.task import CrackTask
from train.trainer import HARMLESS, build_trainer, check_batch_norm, choose_precision

RECIPE_FILE = "recipe.yaml"


def fit(
    recipe: Recipe, folder: Path, *, resume: bool, progress: bool, on_row: Callable[[Row], None] | None = None
) -> Row:
    """Train by a recipe; the run folder gets logs, curves, the resume file and the checkpoint.

    Args:
        recipe: everything that decides the result.
        folder: the run folder.
        resume: go on from the resume file in `folder`, if there is one.
        progress: show progress bars.
        on_row: called with the figures of each evaluation and each epoch; what it raises ends the run.

    Returns:
        The last epoch's figures, by name.

    Raises:
        ConfigError: the recipe cannot be divided among the processes, or its evaluations do not fit its epochs.
        DataError: a data set is missing or empty, or an image or a mask cannot be used.
        CheckpointError: `folder` holds another run, or its resume file cannot be used.
        TrainingError: the loss is not finite.
        PeerLostError: another process of the run has ended.
        SystemExit: SIGTERM came (143); the last epoch's state is kept.
    """
    processes = Processes.of_environment()
    pl.seed_everything(recipe.seed, workers=True, verbose=False)
    model = build_model(recipe.model)
    if recipe.initialisation is not None:
        for network in filter(None, (model.segmentation, model.super_resolution)):
            initialise(network, recipe.initialisation)
    start_from(model, recipe.start)
    for part in recipe.frozen:
        # In evaluation mode, so that statistics stay as well; Lightning leaves each module's mode as it finds it.
        getattr(model, part).requires_grad_(False).eval()
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    check_batch_norm(model, recipe, processes)
    labels_at: Labels = "frame" if model.order == "segmentation_first" else "image"
    data = CrackData(recipe, scale=model.scale, labels_at=labels_at)
    images = sum(len(images) for images in data.validation_sets)
    check_processes(processes, batch_size=recipe.data.batch_size, images=images)
    task = CrackTask(model, build_loss(recipe.loss), recipe, data.steps_per_epoch)
    history = History(folder, on_row)
    precision = choose_precision(recipe.precision)
    trainer = build_trainer(
        recipe,
        folder,
        history,
        precision,
        weights=task.state_dict(),
        progress=progress,
        steps_per_epoch=data.steps_per_epoch,
    )
    data.check()
    resume_from = _claim(folder, recipe, resume=resume)  # only now: what cannot run leaves no folder behind
    with warnings.catch_warnings():
        for message in HARMLESS:
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.fit(task, datamodule=data, ckpt_path=resume_from, weights_only=True)
        except DataError as error:
            raise _without_traceback(error) from error
        except RuntimeError as error:
            if processes.count > 1 and lost_peer(error):
                raise PeerLostError("another process of this run has ended") from error
            raise
        except SystemExit as error:
            if error.code == 1:  # Lightning ends the process with 1 after SIGINT
                raise KeyboardInterrupt from None
            raise
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


def _claim(folder: Path, recipe: Recipe, *, resume: bool) -> Path | None:
    """Take the run folder: new, or going on with the very same recipe."""
    values = recipe.model_dump(mode="json")
    stored, resume_file = folder / RECIPE_FILE, folder / RESUME_FILE
    if not resume_file.exists() and not (folder / FOLDER).exists():
        if Processes.of_environment().rank == 0:
            write_text(stored, yaml.safe_dump(values, sort_keys=False))
        return None
    if not resume:
        raise CheckpointError(
            f"{folder} holds a run already", fix="add --resume to go on with it, or choose another --out"
        )
    if yaml.safe_load(stored.read_text(encoding="utf-8")) != values:
        raise CheckpointError(
            f"the recipe differs from {stored}",
            expected="the recipe that the run was started with: a resumed run equals an unbroken one",
            fix="choose another --out for the changed recipe",
        )
    return resume_file


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
        metrics={
            **{key: value for key, value in metrics.items() if key != CLOCK},
            "parameters": float(sum(p.numel() for p in model.parameters())),
        },
        versions={
            "fissura": __version__,
            "python": platform.python_version(),
            "torch": version("torch"),
            "lightning": version("lightning"),
            "precision": precision,
        },
    )
