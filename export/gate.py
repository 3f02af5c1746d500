"""The accuracy gate: lower precision enters a bundle only if it costs next to nothing on real images.

For int8 the task metric first chooses the rule of the ranges; when the best one still loses too much, the layers that
hurt most are returned to fp32, worst first, until the loss is small enough.

Reference: the search follows the idea of NNCF's accuracy-aware quantisation (restore the worst layers until the drop
is at most the allowed one), with layers ranked by what each does alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import onnx

from calibration.histogram import Histogram
from calibration.ranges import CALIBRATORS, Calibrator, Ranges, ranges_by
from export.judge import Judge, Verdict
from export.onnx import ExportedGraph
from export.quantize import layers_of, to_fp16, to_int8
from fissura.bundle import VariantName
from fissura.errors import DataError, EngineError
from fissura.progress import progress

SENSITIVITY_IMAGES = 4
SYMMETRIC: tuple[VariantName, ...] = ("int8-portable",)  # around zero, see `to_int8`


@dataclass(frozen=True)
class Limits:
    """What a graph at lower precision may lose.

    Attributes:
        ods_points: percent points of the ODS F1.
        psnr_db: of an enlarged image.
    """

    ods_points: float = 0.5
    psnr_db: float = 0.1

    def of(self, judge: Judge) -> float:
        """The limit in the judge's own metric."""
        return self.ods_points if judge.metric == "ods_f1" else self.psnr_db


@dataclass(frozen=True)
class Attempt:
    """One graph that was tried.

    Attributes:
        calibrator: rule of the ranges; None of fp16.
        restored: layers that stayed fp32.
        verdict: what it loses; None where it cannot be scored.
        failure: why it cannot.
        graph: itself.
    """

    calibrator: Calibrator | None
    restored: tuple[str, ...]
    graph: ExportedGraph
    verdict: Verdict | None
    failure: str | None = None

    @property
    def drop(self) -> float:
        """What it loses, in the judge's metric; infinite where it cannot be scored."""
        return math.inf if self.verdict is None else self.verdict.drop


@dataclass
class Trial:
    """Everything that was tried for one variant of one graph.

    Attributes:
        variant: its name.
        layers: how many it is about.
        limit: the largest drop that passes.
        tolerance_px: that the judge scored with.
        attempts: in order.
        sensitivity: mean difference of the output when a layer alone is quantised, by layer; empty if not needed.
        passed: the attempt that goes into the bundle; None: none does.
    """

    variant: VariantName
    layers: int
    limit: float
    tolerance_px: float
    attempts: list[Attempt] = field(default_factory=list)
    sensitivity: dict[str, float] = field(default_factory=dict)
    passed: Attempt | None = None


def try_fp16(original: ExportedGraph, judge: Judge, limits: Limits) -> Trial:
    """Convert to fp16 and score: there is nothing to search for."""
    model = onnx.load_from_string(original.onnx)
    trial = Trial("fp16", len(layers_of(model, original.role)), limits.of(judge), judge.tolerance_px)
    candidate = original.as_variant("fp16", to_fp16(model))
    trial.attempts.append(_judged(judge, candidate, None, ()))
    _decide(trial)
    return trial


def try_int8(
    original: ExportedGraph,
    variant: VariantName,
    histograms: Mapping[str, Histogram],
    judge: Judge,
    limits: Limits,
    calibrators: Sequence[Calibrator] = tuple(CALIBRATORS),
) -> Trial:
    """Search for an int8 graph that passes.

    Args:
        original: the fp32 graph.
        variant: `int8-portable` or `int8-cpu`.
        histograms: of the activations that the flavour quantises, at least.
        judge: of the original.
        limits: the largest drop that passes.
        calibrators: rules to try.
    """
    model = onnx.load_from_string(original.onnx)
    layers = list(layers_of(model, original.role))
    trial = Trial(variant, len(layers), limits.of(judge), judge.tolerance_px)
    symmetric = variant in SYMMETRIC
    tables = {calibrator: ranges_by(calibrator, histograms, symmetric) for calibrator in calibrators}

    def quantised(calibrator: Calibrator, restored: Sequence[str]) -> ExportedGraph:
        return original.as_variant(variant, to_int8(model, original.role, variant, tables[calibrator], restored))

    def attempt(calibrator: Calibrator, restored: Sequence[str]) -> Attempt:
        made = _judged(judge, quantised(calibrator, restored), calibrator, restored)
        trial.attempts.append(made)
        return made

    for calibrator in calibrators:
        attempt(calibrator, ())
    best = min(trial.attempts, key=lambda made: made.drop)
    rule = best.calibrator
    assert rule is not None
    if trial.limit < best.drop < math.inf:  # what cannot be scored at all is not a matter of layers
        for layer in progress(layers, f"{original.role}: sensitivity of {variant}", len(layers)):
            alone = quantised(rule, [other for other in layers if other != layer])
            difference = judge.difference(alone, SENSITIVITY_IMAGES)
            trial.sensitivity[layer] = difference if math.isfinite(difference) else 1.0  # the largest there is
        worst_first = sorted(layers, key=lambda layer: -trial.sensitivity[layer])
        _restore(lambda count: attempt(rule, worst_first[:count]).drop <= trial.limit, len(layers))
    _decide(trial)
    return trial


def table_of(trial: Trial, histograms: Mapping[str, Histogram]) -> Ranges:
    """The ranges that the passed attempt was made with."""
    assert trial.passed is not None and trial.passed.calibrator is not None
    return ranges_by(trial.passed.calibrator, histograms, trial.variant in SYMMETRIC)


def _judged(judge: Judge, graph: ExportedGraph, calibrator: Calibrator | None, restored: Sequence[str]) -> Attempt:
    """Score a candidate. One that cannot be run, or gives what is no number, is refused, and the others go on."""
    try:
        verdict = judge.verdict(graph)
    except (DataError, EngineError) as error:
        return Attempt(calibrator, tuple(restored), graph, None, error.found)
    if not math.isfinite(verdict.drop):
        return Attempt(calibrator, tuple(restored), graph, None, "it gives what is no number")
    return Attempt(calibrator, tuple(restored), graph, verdict)


def _restore(passes: Callable[[int], bool], layers: int) -> None:
    """Look for the smallest number of layers to restore: twice as many each time, then between the last two.

    All of them would be no int8 any more.
    """
    fails, count = 0, 1
    while count < layers and not passes(count):
        fails, count = count, min(2 * count, layers - 1) if count < layers - 1 else layers
    while count < layers and count - fails > 1:
        middle = (fails + count) // 2
        if passes(middle):
            count = middle
        else:
            fails = middle


def _decide(trial: Trial) -> None:
    """Take the attempt that passes with the fewest layers restored, and of those the one that loses least."""
    passing = [made for made in trial.attempts if made.drop <= trial.limit]
    if passing:
        trial.passed = min(passing, key=lambda made: (len(made.restored), made.drop))
