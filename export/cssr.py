"""`fissura eval --protocol cssr --cross DATA --models ...`: paper 004's table 1 and figure 6 for any models."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from typing import Any

from calibration.selection import select
from export.cross import check_cross, names_of
from export.iou_threshold import draw_iou_threshold
from export.jobs import score_jobs
from export.protocols import CSSR
from fissura.dataset import Dataset
from fissura.errors import UsageError
from fissura.files import write_text
from fissura.metrics.cssr import Cssr

COLUMNS = {
    "psnr_db": "PSNR [dB]",
    "ssim": "SSIM",
    "max_iou": "max IoU",
    "threshold": "threshold",
    "aiu_code": "AIU",
    "aiu": "AIU (text)",
}
CAPTION = (
    "IoU and AIU as paper 004's code computes them, from which its figures come; `AIU (text)` has the epsilon in the "
    "denominator only, as its text says. PSNR and SSIM: of the enlarged frame, where the segmentation sees one."
)


def run_cssr(arguments: argparse.Namespace) -> int:
    """Score; prints a Markdown table or JSON, and writes both and the curves with `--out`."""
    check_cross(arguments)
    if len(arguments.cross) > 1:
        raise UsageError(
            f"protocol {CSSR!r} compares models on one data set (found {', '.join(arguments.cross)})",
            fix="one command a data set",
        )
    if arguments.score is not None:
        raise UsageError(f"protocol {CSSR!r} shows all its scores", fix="leave out --score")
    dataset = select(arguments.cross[0], arguments)

    from export.report import facts  # PyTorch: seconds
    from export.scoring import open_model

    models: dict[str, dict[str, Any]] = {}
    curves = {}
    for name, spec in names_of(arguments).items():
        model, protocol = open_model(spec, arguments.mode), Cssr()
        scores = score_jobs(model, [(dataset, {CSSR: protocol})], CSSR)[CSSR].scores
        curves[name] = protocol.iou_by_threshold()
        models[name] = {"model": spec, **facts(model, dataset), "scores": scores}
    markdown = f"{_caption(dataset)}\n\n{table({name: model['scores'] for name, model in models.items()})}"
    document = json.dumps(_document(dataset, models, curves), indent=2)
    if arguments.out is not None:
        write_text(arguments.out / "cssr.json", document + "\n")
        write_text(arguments.out / "table.md", markdown + "\n")
        draw_iou_threshold(arguments.out / "iou-threshold.png", curves, f"{dataset.name}/{dataset.split}")
    print(document if arguments.json else markdown)
    return 0


def table(scores: Mapping[str, Mapping[str, float]]) -> str:
    """A Markdown table, one row a model: `COLUMNS` of its scores, - for those that it does not have (NaN)."""
    lines = [f"| model | {' | '.join(COLUMNS.values())} |", "|---|" + "---:|" * len(COLUMNS)]
    for name, figures in scores.items():
        lines.append(f"| {name} | {' | '.join(_cell(column, figures[column]) for column in COLUMNS)} |")
    return "\n".join(lines)


def _cell(column: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.2f}" if column in ("psnr_db", "threshold") else f"{value:.4f}"


def _caption(dataset: Dataset) -> str:
    return f"{len(dataset.samples)} images of `{dataset.name}/{dataset.split}`. {CAPTION}"


def _document(dataset: Dataset, models: dict[str, dict[str, Any]], curves: Mapping[str, Any]) -> dict[str, Any]:
    entries = {}
    for name, model in models.items():
        scores = {key: value if math.isfinite(value) else None for key, value in model["scores"].items()}
        entries[name] = {**model, "scores": scores, "iou_by_threshold": curves[name].round(6).tolist()}
    return {
        "protocol": CSSR,
        "data": dataset.name,
        "split": dataset.split,
        "labels": dataset.labels,
        "images": len(dataset.samples),
        "models": entries,
    }
