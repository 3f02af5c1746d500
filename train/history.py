"""The figures of each epoch, as CSV and as curves; they survive a resume because they travel in the resume file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from fissura.files import replacing

DIGITS = 6  # Lightning logs in single precision: more would be noise


class History(pl.Callback):
    """Writes `metrics.csv` and `curves.png` into the run folder after each epoch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, float]] = []
        self._scored = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._scored = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        row = {"epoch": float(trainer.current_epoch + 1), "step": float(trainer.global_step)}
        for key, value in trainer.callback_metrics.items():
            # Lightning keeps the scores of the last validation: an epoch without one has none.
            if key == "train_loss" or (self._scored and not key.startswith("train_loss")):
                row[key] = round(float(value), DIGITS)
        self._scored = False
        self.rows.append(row)
        if trainer.is_global_zero:
            write_csv(self.folder / "metrics.csv", self.rows)
            draw_curves(self.folder / "curves.png", self.rows)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])


def write_csv(path: Path, rows: list[dict[str, float]]) -> None:
    """One line an epoch; columns in order of their first appearance."""
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
