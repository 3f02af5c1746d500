"""What `fissura eval` prints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from export.protocols import NAMES, in_words, options_of
from export.scoring import Evaluation, Predictor
from fissura.dataset import Dataset
from fissura.metrics.protocol import EvaluationProtocol
from fissura.table import format_table

Jobs = Sequence[tuple[Dataset, Mapping[str, EvaluationProtocol]]]
Evaluations = Mapping[str, Evaluation]


def facts(model: Predictor, dataset: Dataset) -> dict[str, Any]:
    """What was scored, for JSON."""
    return {
        "images": len(dataset.samples),
        "mode": model.mode,
        "scale": model.scale,
        "frames": _frames(model),
        "data": dataset.name,
        "split": dataset.split,
    }


def header(title: str, model: Predictor, dataset: Dataset) -> list[str]:
    """What was scored, for the terminal."""
    return [
        f"{title} on {len(dataset.samples)} images of {dataset.name}/{dataset.split}, labels `{dataset.labels}`",
        f"mode {model.mode}: frames are {_frames(model)}; scores at the images' resolution",
    ]


def as_dictionary(model: Predictor, jobs: Jobs, evaluations: Evaluations, *, together: bool) -> dict[str, Any]:
    """Scores and what they were taken from, for JSON.

    Args:
        model: that was scored.
        jobs: the images with each kind of labels, and the protocols that were scored against them.
        evaluations: by protocol.
        together: all protocols, under `protocols`; else the only one's scores stand beside the rest.
    """
    options = _options(jobs)
    figures = {
        name: {
            **options.get(name, {}),
            **{score: _finite(value) for score, value in evaluation.scores.items()},
            "at_bundle_threshold": evaluation.at_bundle_threshold,
        }
        for name, evaluation in evaluations.items()
    }
    if together:
        return {**facts(model, jobs[0][0]), "protocols": figures}
    ((name, only),) = figures.items()
    return {**only, "protocol": name, **facts(model, jobs[0][0])}


def as_text(title: str, model: Predictor, jobs: Jobs, evaluations: Evaluations, *, together: bool) -> str:
    """Scores and what they were taken from, for the terminal; see `as_dictionary`."""
    options, lines = _options(jobs), header(title, model, jobs[0][0])
    rows = []
    for name, evaluation in evaluations.items():
        if not together:
            described = {key: value for key, value in options.get(name, {}).items() if key != "labels"}
            lines.append(f"protocol {in_words(name, described)}")
        for score, value in evaluation.scores.items():
            shipped = (evaluation.at_bundle_threshold or {}).get(score)
            rows.append((name, score, _number(value), "-" if shipped is None else _number(shipped)))
    columns: tuple[str, ...] = ("protocol", "score", "value", "bundle's threshold")
    first, last = 0 if together else 1, 4 if model.threshold is not None else 3
    cells = [row[first:last] for row in rows]
    lines += ["", format_table(columns[first:last], cells, right=range(2 - first, last - first))]
    left_out = [name for name in NAMES[:-1] if name not in evaluations]
    if together and left_out:
        lines += ["", f"left out, since they do not apply: {', '.join(left_out)}"]
    return "\n".join(lines)


def _options(jobs: Jobs) -> dict[str, dict[str, Any]]:
    """Options and labels of each protocol."""
    return {
        name: {**options_of(protocol), "labels": dataset.labels}
        for dataset, protocols in jobs
        for name, protocol in protocols.items()
    }


def _frames(model: Predictor) -> str:
    if model.scale == 1:
        return "images as stored"
    if model.frame_kernel == "area":
        return f"images averaged over {model.scale}x{model.scale} pixels"
    return f"images made {model.scale} times smaller ({model.frame_kernel})"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None  # JSON has no infinity


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"  # a score that this model does not have
    return f"{value:.0f}" if value > 1 and value == round(value) else f"{value:.4f}"
