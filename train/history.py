"""The figures of each evaluation, as CSV and as curves; they survive a resume: they travel in the resume file."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from fissura.files import replacing
from train.task import CrackTask

DIGITS = 6  # Lightning logs in single precision: more would be noise
CLOCK = "seconds"  # the one column that differs between a resumed run and an unbroken one

Row = dict[str, float]


class History(pl.Callback):
    """Writes `metrics.csv` and `curves.png` into the run folder after each evaluation and each epoch.

    A row holds `epoch` (epochs trained, 0.25 after a quarter of the first), `step` (optimiser steps), `seconds` (wall
    time of the training steps and what feeds them, without evaluation and writing), `train_loss` (mean since the last
    row) and the scores, if there was an evaluation.

    Args:
        folder: the run folder.
        on_row: called with each new row.
    """

    def __init__(self, folder: Path, on_row: Callable[[Row], None] | None = None) -> None:
        self.folder, self.on_row = folder, on_row
        self.rows: list[Row] = []
        self._clock = Clock()
        self._scored = False

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._clock.start()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._clock.stop()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: CrackTask) -> None:
        self._scored = True
        if trainer.global_step % pl_module.steps_per_epoch:  # the epoch's end writes its own row
            self._add_row(trainer, pl_module)
            self._clock.start()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: CrackTask) -> None:
        self._clock.stop()
        self._add_row(trainer, pl_module)

    def _add_row(self, trainer: pl.Trainer, task: CrackTask) -> None:
        row = {
            "epoch": round(trainer.global_step / task.steps_per_epoch, DIGITS),
            "step": float(trainer.global_step),
            CLOCK: round(self._clock.seconds, 3),
            "train_loss": round(task.take_mean_loss(), DIGITS),
        }
        if self._scored:  # Lightning keeps the scores of the last evaluation: an epoch without one has none
            scores = {key: round(float(value), DIGITS) for key, value in trainer.callback_metrics.items()}
            row.update({key: value for key, value in scores.items() if key != "loss"})
        self._scored = False
        self.rows.append(row)
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.log_metrics({"train_loss": row["train_loss"]}, trainer.global_step)
            write_csv(self.folder / "metrics.csv", self.rows)
            draw_curves(self.folder / "curves.png", self.rows)
        if self.on_row is not None:
            self.on_row(row)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])
        self._clock = Clock(self.rows[-1][CLOCK] if self.rows else 0.0)


class Clock:
    """Wall time of the stretches between `start` and `stop`."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._before = seconds
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        """So far, s."""
        return self._before + (0.0 if self._since is None else time.monotonic() - self._since)

    def start(self) -> None:
        """Begin a stretch."""
        self._since = time.monotonic()

    def stop(self) -> None:
        """End the stretch; nothing without one."""
        self._before, self._since = self.seconds, None


def write_csv(path: Path, rows: list[Row]) -> None:
    """One line a row; columns in order of their first appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with replacing(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)


def draw_curves(path: Path, rows: list[dict[str, float]]) -> None:
    """Training loss on the left, scores on the right, over epochs."""
    from matplotlib.figure import Figure  # half a second to import: only once there is something to draw

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    losses = [row["train_loss"] for row in rows]
    left.plot(epochs, losses, marker="o", color="tab:gray")
    left.set(xlabel="epoch", ylabel="training loss", title="loss")
    labels = {"f1": "ODS F1", "ois_f1": "OIS F1", "iou": "IoU", "segmentation_f1": "ODS F1, full resolution"}
    for key, label in labels.items():
        scored = [(row["epoch"], row[key]) for row in rows if key in row]
        if scored:
            right.plot(*zip(*scored, strict=True), marker="o", label=f"{label}: {scored[-1][1]:.3f}")
    right.set(xlabel="epoch", ylabel="score", title="validation", ylim=(None, 1))
    if right.lines:
        right.legend(loc="lower right", fontsize="small")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    with replacing(path) as aside:
        figure.savefig(aside, dpi=120)
