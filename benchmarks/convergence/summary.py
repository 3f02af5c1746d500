"""From curves to the question: epochs that a loss needs for what `wce_xie` has at its last epoch."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fissura.files import replacing, write_text
from fissura.table import format_table

REFERENCE = "wce_xie"
# What a curve is drawn of: the tolerant score of the paper's kind, the strict one, and both at the fixed threshold 0.5.
SCORES = {
    "f1": "ODS, 2 px",
    "strict_f1": "ODS, 0 px",
    "half_f1": "threshold 0.5, 2 px",
    "half_strict_f1": "threshold 0.5, 0 px",
}
Key = tuple[str, int]
Curves = Mapping[Key, Sequence[Mapping[str, float]]]


def history(run: Path) -> list[dict[str, float]]:
    """The scored rows of a run folder's `metrics.csv`."""
    with (run / "metrics.csv").open(newline="") as stream:
        rows = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(stream)]
    return [row for row in rows if "f1" in row]


def epochs_to_reach(epochs: Sequence[float], scores: Sequence[float], target: float) -> float | None:
    """The first (linearly interpolated) epoch at which a curve is at `target`; None where it never is.

    Example:
        >>> epochs_to_reach([1, 2, 3], [0.5, 0.7, 0.8], 0.6)
        1.5
    """
    for index, score in enumerate(scores):
        if score >= target:
            if index == 0:
                return float(epochs[0])
            before, step = scores[index - 1], epochs[index] - epochs[index - 1]
            return float(epochs[index - 1] + step * (target - before) / (score - before))
    return None


def write(folder: Path, curves: Curves, facts: Mapping[str, object]) -> None:
    """Write CSV, plot, JSON and Markdown into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(folder / "curves.csv", curves)
    _draw(folder / "convergence.png", curves)
    answers = {score: _answers(curves, score) for score in SCORES}
    write_text(folder / "result.json", json.dumps({**facts, "answers": answers}, indent=2) + "\n")
    text = _markdown(answers)
    write_text(folder / "README.md", text)
    print(text)


def _mean_curve(curves: Curves, loss: str, score: str) -> tuple[list[float], np.ndarray, np.ndarray]:
    rows = [history for (name, _), history in curves.items() if name == loss]
    values = np.array([[row[score] for row in history] for history in rows])
    spread = values.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros(values.shape[1])
    return [row["epoch"] for row in rows[0]], values.mean(axis=0), spread


def _answers(curves: Curves, score: str) -> dict[str, dict[str, object]]:
    losses = list(dict.fromkeys(loss for loss, _ in curves))
    seeds = sorted({seed for _, seed in curves})
    epochs, reference, _ = _mean_curve(curves, REFERENCE, score)
    answers: dict[str, dict[str, object]] = {}
    for loss in losses:
        _, mean, spread = _mean_curve(curves, loss, score)
        needed = epochs_to_reach(epochs, list(mean), reference[-1])
        of_seeds = [
            epochs_to_reach(epochs, [row[score] for row in curves[loss, seed]], curves[REFERENCE, seed][-1][score])
            for seed in seeds
        ]
        whole = [round(value, 4) for epoch, value in zip(epochs, mean, strict=True) if epoch == int(epoch)]
        answers[loss] = {
            "at_whole_epochs": whole,
            "spread_at_the_last": round(float(spread[-1]), 4),
            "epochs_to_the_reference": None if needed is None else round(needed, 2),
            "ratio": None if needed is None else round(needed / epochs[-1], 3),
            "ratio_of_each_seed": [None if e is None else round(e / epochs[-1], 3) for e in of_seeds],
        }
    return answers


def _markdown(answers: Mapping[str, Mapping[str, Mapping[str, object]]]) -> str:
    parts = [
        "# Convergence on CFD\n\nMean of the seeds at each whole epoch, and the epochs that a loss's mean curve needs "
        f"to reach what `{REFERENCE}` has at its last epoch. `result.json` holds the commands and versions, "
        "`curves.csv` every point.\n"
    ]
    for score, by_loss in answers.items():
        rows = []
        for loss, answer in by_loss.items():
            whole = answer["at_whole_epochs"]
            assert isinstance(whole, list)
            ratio = answer["ratio"]
            rows.append(
                (
                    loss,
                    " ".join(f"{value:.3f}" for value in whole),
                    str(answer["spread_at_the_last"]),
                    "never" if ratio is None else f"{answer['epochs_to_the_reference']} ({ratio})",
                )
            )
        head = ("loss", "F1 at whole epochs", "spread, last", "epochs to the reference (ratio)")
        parts.append(f"\n## {SCORES[score]}\n\n```\n{format_table(head, rows)}\n```\n")
    return "".join(parts)


def _write_csv(path: Path, curves: Curves) -> None:
    columns = ("epoch", "step", "seconds", "train_loss", *SCORES)
    with replacing(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("loss", "seed", *columns))
        for (loss, seed), history in curves.items():
            writer.writerows((loss, seed, *(row.get(column, "") for column in columns)) for row in history)


def _draw(path: Path, curves: Curves) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained")
    for axes, (score, title) in zip(figure.subplots(2, 2).flat, SCORES.items(), strict=True):
        for loss in dict.fromkeys(loss for loss, _ in curves):
            epochs, mean, spread = _mean_curve(curves, loss, score)
            (line,) = axes.plot(epochs, mean, label=loss)
            axes.fill_between(epochs, mean - spread, mean + spread, color=line.get_color(), alpha=0.15, lw=0)
        _, reference, _ = _mean_curve(curves, REFERENCE, score)
        axes.axhline(reference[-1], color="black", lw=0.8, ls=":", label=f"{REFERENCE}, last epoch")
        axes.set(title=title, xlabel="epoch", ylabel="F1", ylim=(max(0.0, float(reference.min()) - 0.1), None))
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right", fontsize="small")
    with replacing(path) as aside:
        figure.savefig(aside, dpi=110)
