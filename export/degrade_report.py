"""What `fissura eval --degrade` prints and writes."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import Any

from export.scoring import Evaluation
from fissura.imaging.degradation import DEGRADATIONS
from fissura.table import format_table

CLEAN = "clean"

Levels = Mapping[str, list[Evaluation]]  # of one protocol: `clean`, once, and each degradation's levels


def values_of(evaluations: list[Evaluation], score: str) -> list[float]:
    """One score of several evaluations."""
    return [evaluation.scores[score] for evaluation in evaluations]


def level_table(protocol: str, levels: Levels, score: str) -> str:
    """Rows are degradations, columns levels; a second table at the bundle's own threshold, where there is one."""
    parts = [f"\n`{score}` by protocol {protocol}", _rows({name: values_of(levels[name], score) for name in levels})]
    shipped = {
        name: [(evaluation.at_bundle_threshold or {}).get(score, math.nan) for evaluation in evaluations]
        for name, evaluations in levels.items()
    }
    if not math.isnan(shipped[CLEAN][0]):
        parts += [f"\n`{score}` by protocol {protocol}, at the bundle's threshold", _rows(shipped)]
    return "\n".join(parts)


def _rows(values: Mapping[str, list[float]]) -> str:
    (clean,) = values[CLEAN]
    rows = []
    for name, scores in values.items():
        if name != CLEAN:
            degradation = DEGRADATIONS[name]
            severities = ", ".join(f"{severity:g}" for severity in degradation.severities())
            rows.append((name, f"{degradation.severity} {severities}", *(f"{score:.4f}" for score in (clean, *scores))))
    return format_table(("degradation", "levels", CLEAN, *"12345"), rows, right=range(2, 8))


def as_levels(found: Mapping[str, Levels]) -> dict[str, Any]:
    """All scores by protocol and degradation, and what the levels are, for JSON."""
    chosen = [name for name in next(iter(found.values())) if name != CLEAN]
    return {
        "levels": {
            name: {"option": DEGRADATIONS[name].severity, "values": DEGRADATIONS[name].severities()} for name in chosen
        },
        "protocols": {
            protocol: {name: [_figures(evaluation) for evaluation in levels[name]] for name in levels}
            for protocol, levels in found.items()
        },
    }


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    finite = {name: value if math.isfinite(value) else None for name, value in evaluation.scores.items()}
    return {**finite, "at_bundle_threshold": evaluation.at_bundle_threshold}


def as_csv(found: Mapping[str, Levels]) -> str:
    """All scores, one a line."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("protocol", "degradation", "level", "option", "setting", "score", "value", "at_bundle_threshold"))
    for protocol, levels in found.items():
        for name, evaluations in levels.items():
            option = "" if name == CLEAN else DEGRADATIONS[name].severity
            settings = ("",) if name == CLEAN else DEGRADATIONS[name].severities()
            for level, (setting, evaluation) in enumerate(zip(settings, evaluations, strict=True), name != CLEAN):
                for score, value in evaluation.scores.items():
                    shipped = (evaluation.at_bundle_threshold or {}).get(score, "")
                    rows.writerow((protocol, name, level, option, setting, score, value, shipped))
    return text.getvalue()
