"""Calibrates the graphs of a bundle, and the same graphs at lower precision, on a list of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from calibration.false_alarms import choose_by_false_alarms
from calibration.hysteresis import Hysteresis, choose_hysteresis
from calibration.session import GraphSession
from calibration.temperature import TemperatureFit, choose_temperature
from calibration.thresholds import GraphOnList, Threshold, choose_threshold
from fissura.bundle import Bundle, Role, VariantName
from fissura.dataset import Dataset
from fissura.errors import BundleError, UsageError

WHOLE: tuple[Role, ...] = ("segmentation", "fused")  # graphs of whole images and frames
Precision = Literal["fp32", "fp16", "int8-portable", "int8-cpu"]


@dataclass(frozen=True)
class CalibrationOptions:
    """What is chosen, and by what.

    Attributes:
        tolerance_px: of the scores.
        most_false_per_frame: take the lowest threshold that keeps so many false cracks a frame; None: the one with the
            best F1 (ODS).
        hysteresis: look for a second, low threshold.
        temperature: fit the temperature of the confidences.
        precision: only the graphs of this one; None: all that the bundle has.
    """

    tolerance_px: float = 2.0
    most_false_per_frame: float | None = None
    hysteresis: bool = False
    temperature: bool = False
    precision: Precision | None = None


@dataclass(frozen=True)
class Outcome:
    """What was chosen for a graph.

    Attributes:
        threshold: what a manifest takes over.
        false_cracks_per_frame: at it; None where they were not limited.
        hysteresis: what a low threshold brings; None where there was nothing to find out.
        fit: of the temperature; None where none was fitted.
    """

    threshold: Threshold
    false_cracks_per_frame: float | None = None
    hysteresis: Hysteresis | None = None
    fit: TemperatureFit | None = None


@dataclass(frozen=True)
class Outcomes:
    """What was chosen for the graphs of a bundle; in `variants` at lower precision."""

    graphs: Mapping[Role, Outcome] = field(default_factory=dict)
    variants: Mapping[tuple[Role, VariantName], Outcome] = field(default_factory=dict)


def calibrate(bundle: Bundle, dataset: Dataset, options: CalibrationOptions = CalibrationOptions()) -> Outcomes:
    """Calibrate the graphs of a bundle that segment images and frames.

    A `tile` graph gives what the whole frame's graph gives, and takes over its outcome. The thresholds of a
    `proposal` belong to the export, where its checkpoint is at hand.

    A graph at lower precision gets a threshold of its own, found with its own file; low threshold and temperature it
    shares with the graph at full precision, so that its threshold is chosen to go with that low one. Where only one
    precision of several is calibrated, the low threshold so stays as it is.

    Raises:
        BundleError: the bundle segments neither images nor frames.
        UsageError: the bundle has no such precision, or what is asked for would change what other precisions share.
        DatasetError: nothing can be chosen on these images.
        EngineError: a graph cannot be run.
        ImageError: an image or a mask cannot be read.
    """
    roles = [role for role in WHOLE if role in bundle.manifest.graphs]
    _check(bundle, roles, options)
    keeps_low = options.precision == "fp32" and bool(_variants(bundle, _calibrated(bundle)))

    def on_list(role: Role, variant: VariantName | None = None) -> GraphOnList:
        graph, name = bundle.graph(role), role if variant is None else f"{role}/{variant}"
        run = GraphSession(bundle, role, variant).run
        return GraphOnList(
            run, graph.output.scale, name, dataset, options.tolerance_px, bundle.manifest.lineage.frame_kernel
        )

    chosen: dict[Role, Outcome] = {}
    at_lower: dict[tuple[Role, VariantName], Outcome] = {}
    for role in roles:
        low = bundle.graph(role).low_threshold
        if options.precision in (None, "fp32"):
            graph = on_list(role)
            outcome = _choose_for(graph, options, low) if keeps_low else _choose(graph, options)
            chosen[role] = _with_temperature(outcome, graph) if options.temperature else outcome
            low = outcome.threshold.low
        for variant in bundle.graph(role).variants:
            if options.precision in (None, variant):
                at_lower[role, variant] = _choose_for(on_list(role, variant), options, low)
    if "tile" in bundle.manifest.graphs:
        whole = roles[-1]
        if whole in chosen:
            chosen["tile"] = chosen[whole]
        for variant in bundle.graph("tile").variants:
            if (whole, variant) in at_lower:
                at_lower["tile", variant] = at_lower[whole, variant]
    if keeps_low:
        _check_low(bundle, chosen)
    return Outcomes(chosen, at_lower)


def _calibrated(bundle: Bundle) -> list[Role]:
    """The graphs that get a threshold here."""
    return [role for role in (*WHOLE, "tile") if role in bundle.manifest.graphs]


def _variants(bundle: Bundle, roles: Iterable[Role]) -> list[VariantName]:
    return sorted({variant for role in roles for variant in bundle.graph(role).variants})


def _check(bundle: Bundle, roles: list[Role], options: CalibrationOptions) -> None:
    if not roles:
        raise BundleError(
            f"bundle {bundle.path} has no graph to calibrate: it holds {', '.join(sorted(bundle.manifest.graphs))}",
            expected=f"one of: {', '.join(WHOLE)}",
        )
    if options.precision is None:
        return
    if options.precision == "fp32":
        others = _variants(bundle, _calibrated(bundle))
        if options.hysteresis and others:
            raise UsageError(
                f"hysteresis of fp32 alone, where {bundle.path} has {', '.join(others)} as well",
                expected="a low threshold for every precision, each with the threshold that goes with it",
                fix="leave out --precision, or --hysteresis",
            )
        return
    if options.hysteresis or options.temperature:
        raise UsageError(
            f"hysteresis or temperature of {options.precision} alone",
            expected="both are the graph's, at every precision",
            fix="leave out --precision, or --hysteresis and --temperature",
        )
    held = _variants(bundle, roles)
    if options.precision not in held:
        raise UsageError(
            f"bundle {bundle.path} has no graph at precision {options.precision}",
            expected=f"one of: {', '.join(['fp32', *held])}",
            fix="export the bundle again with that precision",
        )


def _check_low(bundle: Bundle, chosen: Mapping[Role, Outcome]) -> None:
    """A threshold below the low one would take it along, from under the variants."""
    for role, outcome in chosen.items():
        low = bundle.graph(role).low_threshold
        if outcome.threshold.low != low:
            raise UsageError(
                f"the best threshold of {role} at fp32, {outcome.threshold.value:g}, would change its low one, {low}",
                expected="a threshold not below the low one, which every precision shares",
                fix="leave out --precision, so that all of them get new ones",
            )


def _choose(graph: GraphOnList, options: CalibrationOptions) -> Outcome:
    threshold, rate = _alone(graph, options)
    if not options.hysteresis:
        return Outcome(threshold, rate)
    found = choose_hysteresis(graph, threshold, options.most_false_per_frame)
    return Outcome(found.threshold, found.false_cracks_per_frame, found)


def _with_temperature(outcome: Outcome, graph: GraphOnList) -> Outcome:
    fit = choose_temperature(graph, outcome.threshold)
    return replace(outcome, threshold=replace(outcome.threshold, temperature=fit.temperature), fit=fit)


def _choose_for(graph: GraphOnList, options: CalibrationOptions, low: float | None) -> Outcome:
    """The threshold that goes with a low one; None: there is none."""
    threshold, rate = _alone(graph, options)
    if low is None:
        return Outcome(threshold, rate)
    found = choose_hysteresis(graph, threshold, options.most_false_per_frame, low)
    return Outcome(found.threshold, found.false_cracks_per_frame, found)


def _alone(graph: GraphOnList, options: CalibrationOptions) -> tuple[Threshold, float | None]:
    if options.most_false_per_frame is not None:
        return choose_by_false_alarms(graph, options.most_false_per_frame)
    threshold = choose_threshold(graph.run, graph.scale, graph.name, graph.dataset, graph.tolerance_px, graph.kernel)
    return threshold, None
