"""`fissura eval --degrade`: a model's scores on frames that a camera spoilt, level by level.

The mask stays what it is. A frame's chance (direction of a blur, noise) comes from its own pixels, so that it does not
depend on the list of images, and is the same at all levels and for all protocols.
"""

from __future__ import annotations

import argparse
import difflib
import json
import math
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from export.jobs import make_jobs, score_jobs
from export.protocols import ALL, SUPER_RESOLUTION
from fissura.config import Config
from fissura.errors import UsageError
from fissura.files import write_text
from fissura.imaging.degradation import DEGRADATIONS
from fissura.imaging.degradation.degradation import Degradation
from fissura.imaging.images import RgbImage
from fissura.metrics import PROTOCOLS

if TYPE_CHECKING:
    from export.scoring import Evaluation, Predictor

SEED = 0
HEADLINES = {name: protocol.headline for name, protocol in PROTOCOLS.items()} | {SUPER_RESOLUTION: "psnr_db"}


def add_degrade_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `--degrade`."""
    parser.add_argument(
        "--degrade",
        metavar="NAMES",
        help="score degraded frames too, at five levels each: `all`, or names with commas between them: "
        + ", ".join(DEGRADATIONS),
    )


def run_degrade(arguments: argparse.Namespace) -> int:
    """Score; prints a table or JSON, and writes a table and plots with `--out`."""
    names = _names(arguments.degrade)
    if arguments.score is not None and arguments.protocol == ALL:
        raise UsageError("--score names a score of one protocol", fix="leave it out, or name a --protocol")
    dataset = make_jobs(arguments)[0][0]

    from export.degrade_plot import draw_degradation  # PyTorch: seconds
    from export.degrade_report import CLEAN, as_csv, as_levels, level_table, values_of
    from export.report import facts, header
    from export.scoring import open_model

    model = open_model(arguments.model, arguments.mode)
    cameras = {CLEAN: [model]}
    for name in names:
        cameras[name] = [degraded(model, DEGRADATIONS[name], level) for level in DEGRADATIONS[name].levels]
    found: dict[str, dict[str, list[Evaluation]]] = {}
    shown: dict[str, str] = {}
    for name, levels in cameras.items():
        for camera in levels:
            jobs = make_jobs(arguments)  # whose protocols have counted nothing yet
            for protocol, evaluation in score_jobs(camera, jobs, arguments.protocol).items():
                found.setdefault(protocol, {}).setdefault(name, []).append(evaluation)
        shown = shown or {p: _shown(p, clean[CLEAN][0], arguments.score) for p, clean in found.items()}
    if arguments.out is not None:
        write_text(arguments.out / "degradation.csv", as_csv(found))
        for protocol, score in shown.items():
            values = {name: values_of(evaluations, score) for name, evaluations in found[protocol].items()}
            path, title = arguments.out / f"degradation-{protocol}.png", f"{arguments.model} on {dataset.name}"
            draw_degradation(path, values.pop(CLEAN)[0], values, f"{score} ({protocol})", title)
    if arguments.json:
        print(json.dumps({**facts(model, dataset), **as_levels(found)}, indent=2))
    else:
        tables = [level_table(protocol, found[protocol], score) for protocol, score in shown.items()]
        print("\n".join([*header(arguments.model, model, dataset), *tables]))
    return 0


def degraded(model: Predictor, degradation: Degradation[Any], level: Config) -> Predictor:
    """The model behind a bad camera: every frame that it gets is degraded first."""

    def spoilt(frame: RgbImage) -> RgbImage:
        draw = np.random.default_rng([SEED, zlib.crc32(frame.tobytes())])
        return degradation.apply(frame, level, draw)

    enlarge = model.enlarge
    return replace(
        model,
        probability=lambda frame: model.probability(spoilt(frame)),
        enlarge=None if enlarge is None else lambda frame: enlarge(spoilt(frame)),
    )


def _names(text: str) -> list[str]:
    names = list(DEGRADATIONS) if text == "all" else text.split(",")
    for name in names:
        if name not in DEGRADATIONS:
            near = difflib.get_close_matches(name, DEGRADATIONS, n=1)
            raise UsageError(
                f"there is no degradation {name!r}",
                expected=f"all, or of these with commas between them: {', '.join(DEGRADATIONS)}",
                fix=f"did you mean {near[0]!r}?" if near else "",
            )
        DEGRADATIONS[name].check_installed(name)
    if len(set(names)) < len(names):
        raise UsageError(f"a degradation stands twice: {text}", expected="each once")
    return names


def _shown(protocol: str, clean: Evaluation, wanted: str | None) -> str:
    """The score that tables and plots show; refuses one that the protocol does not give, or not of this model."""
    score, given = (
        wanted or HEADLINES[protocol],
        [name for name, value in clean.scores.items() if not math.isnan(value)],
    )
    if score not in given:
        raise UsageError(f"there is no score {score!r}", expected=f"one of: {', '.join(given)}")
    return score
