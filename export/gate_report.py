"""What the accuracy gate tried: as `gate.json` in the bundle, and with speeds as a plot for whoever exports."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from export.gate import Attempt, Trial
from export.onnx import ExportedGraph
from export.pavement import pavement
from export.vehicle import running
from fissura.bundle import Role
from fissura.files import write_text

GATE = "gate.json"
ROUNDS = 9
WARM_UP = 2
HEIGHT, WIDTH = 320, 480  # of the frame that speeds are measured on, at most

Trials = Mapping[Role, list[Trial]]


def gate_json(trials: Trials) -> str:
    """Everything that was tried, without speeds: the same checkpoint and images give the same text."""
    document = {role: {trial.variant: _trial(trial) for trial in tried} for role, tried in trials.items()}
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def write_frontier(folder: Path, originals: Mapping[Role, ExportedGraph], trials: Trials) -> None:
    """Measure the speed of every attempt and write `gate.json` with it, and `frontier-ROLE.png`: speed against drop.

    Speed is fp32's time by the attempt's on this machine's ONNX Runtime, the median of rounds in which all take turns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {}
    for role, tried in trials.items():
        speeds = _speeds(originals[role], tried)
        document[role] = {trial.variant: _trial(trial, speeds) for trial in tried}
        _draw(folder / f"frontier-{role}.png", role, tried, speeds)
    write_text(folder / GATE, json.dumps(document, indent=2, sort_keys=True) + "\n")


def _trial(trial: Trial, speeds: Mapping[int, float] | None = None) -> dict[str, Any]:
    return {
        "passed": None if trial.passed is None else trial.attempts.index(trial.passed),
        "limit": trial.limit,
        "layers": trial.layers,
        "attempts": [
            {
                "calibrator": made.calibrator,
                "restored": list(made.restored),
                **({"failure": made.failure} if made.verdict is None else asdict(made.verdict)),
                **({} if speeds is None or id(made) not in speeds else {"speed": round(speeds[id(made)], 3)}),
            }
            for made in trial.attempts
        ],
        "sensitivity": trial.sensitivity,
    }


def _speeds(original: ExportedGraph, tried: list[Trial]) -> dict[int, float]:
    frame = pavement(0, HEIGHT // original.output.scale, WIDTH // original.output.scale)
    attempts = [made for trial in tried for made in trial.attempts if made.verdict is not None]
    with ExitStack() as stack:
        runs = [stack.enter_context(running(graph)) for graph in (original, *(made.graph for made in attempts))]
        seconds = np.empty((ROUNDS + WARM_UP, len(runs)))
        for times in seconds:
            for index, run in enumerate(runs):
                began = time.perf_counter()
                run(frame)
                times[index] = time.perf_counter() - began
    ratios = np.median(seconds[WARM_UP:, :1] / seconds[WARM_UP:], axis=0)
    return {id(made): float(ratio) for made, ratio in zip(attempts, ratios[1:], strict=True)}


def _draw(path: Path, role: Role, tried: list[Trial], speeds: Mapping[int, float]) -> None:
    from matplotlib.figure import Figure  # a second, and nobody else needs it

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color="0.6", linewidth=1)
    axes.axhline(tried[0].limit, color="tab:red", linestyle="--", label=f"most that passes: {tried[0].limit:g}")
    axes.plot(1, 0, "k*", markersize=12, label="fp32")
    for trial, marker, colour in zip(tried, "osD", ("tab:blue", "tab:orange", "tab:green"), strict=False):
        scored = [made for made in trial.attempts if id(made) in speeds]
        x, y = [speeds[id(made)] for made in scored], [made.drop for made in scored]
        axes.plot(x, y, marker, color=colour, label=trial.variant, alpha=0.7)
        for made, left, up in zip(scored, x, y, strict=True):
            if made is trial.passed or made.restored or up > trial.limit:  # the others lie on top of each other
                axes.annotate(_label(made), (left, up), xytext=(7, 7), textcoords="offset points", fontsize=8)
        if trial.passed is not None:
            axes.plot(speeds[id(trial.passed)], trial.passed.drop, marker, markersize=15, mfc="none", color=colour)
    axes.set_yscale("symlog", linthresh=tried[0].limit)  # a rule of ranges that ruins everything is far away
    axes.yaxis.set_major_formatter("{x:g}")
    unit = "PSNR, dB" if role == "super_resolution" else "ODS F1, percent points"
    axes.set_xlabel("speed, fp32 = 1 (ONNX Runtime on this machine)")
    axes.set_ylabel(f"drop against fp32 ({unit})")
    axes.set_title(f"{role}: speed against accuracy; a ring marks what was taken")
    axes.legend()
    figure.savefig(path, dpi=120)


def _label(made: Attempt) -> str:
    if made.restored:
        return f"{len(made.restored)} fp32"
    return (made.calibrator or "").replace("_", "-")
