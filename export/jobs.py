"""What a command line asks to be scored, and scoring it."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from calibration.selection import select
from export.protocols import ALL, CSSR, SUPER_RESOLUTION, make_protocol
from fissura.dataset import Dataset, find_dataset
from fissura.metrics import PROTOCOLS
from fissura.metrics.protocol import EvaluationProtocol

if TYPE_CHECKING:
    from export.scoring import Evaluation, Predictor

Job = tuple[Dataset, dict[str, EvaluationProtocol]]


def make_jobs(arguments: argparse.Namespace) -> list[Job]:
    """The images with each kind of labels, and the protocols that are scored against them; `masks` first.

    Raises:
        DatasetError: no such images.
        ConfigError: an option of a protocol is out of range.
    """
    if arguments.protocol not in PROTOCOLS:
        names = list(PROTOCOLS) if arguments.protocol == ALL else []
    else:
        names = [arguments.protocol]
    groups: dict[str, dict[str, EvaluationProtocol]] = {} if names else {"masks": {}}
    for name in names:
        groups.setdefault(PROTOCOLS[name].labels, {})[name] = make_protocol(name, arguments)
    if arguments.protocol == ALL and arguments.labels is None:
        root = find_dataset(arguments.data)
        groups = {labels: group for labels, group in groups.items() if labels == "masks" or (root / labels).is_dir()}
    return [(select(arguments.data, arguments, labels), group) for labels, group in groups.items()]


def score_jobs(model: Predictor, jobs: list[Job], protocol: str) -> dict[str, Evaluation]:
    """Score a model by every protocol of the jobs, which keep the images that are counted here.

    Args:
        model: see `export.scoring.open_model`.
        jobs: the first one's images are those of the super-resolution.
        protocol: what was asked for: one of the jobs' protocols, `super_resolution` or `all`.

    Returns:
        By name. `cssr` has `psnr_db` and `ssim` besides its own scores: of the enlarged frame, NaN where the
        segmentation sees none.

    Raises:
        ImageError: an image or a mask cannot be read.
        DataError: the only protocol cannot be told from these images.
        UsageError: `super_resolution` of a model that has none.
    """
    from export.scoring import evaluate, evaluate_super_resolution  # PyTorch: seconds

    evaluations: dict[str, Evaluation] = {}
    for images, protocols in jobs:
        if protocols:
            evaluations |= evaluate(model, images, protocols)
    sees_enlarged = model.enlarge is not None and model.scale > 1
    optional = (protocol == ALL and model.enlarge is not None) or (protocol == CSSR and sees_enlarged)
    quality = evaluate_super_resolution(model, jobs[0][0]) if protocol == SUPER_RESOLUTION or optional else None
    if CSSR in evaluations:
        pictures = {"psnr_db": math.nan, "ssim": math.nan}
        if quality is not None and sees_enlarged:
            pictures = quality.scores
        evaluations[CSSR] = replace(evaluations[CSSR], scores={**pictures, **evaluations[CSSR].scores})
    if quality is not None and protocol != CSSR:
        evaluations[SUPER_RESOLUTION] = quality
    return evaluations
