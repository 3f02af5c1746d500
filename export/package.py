"""A checkpoint becomes a bundle: graphs, proof against PyTorch, thresholds, golden frames, manifest."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from calibration.proposal import choose_proposal
from calibration.thresholds import Threshold, choose_threshold
from edge_runtime import golden as stored_golden
from export import golden
from export.gate_report import GATE, gate_json, write_frontier
from export.lower import RANGES, Lowered, LowerOptions, gate_record, lower
from export.manifest import frame_kernel_of, make_manifest
from export.model_card import sources_of, write_papers
from export.onnx import ExportedGraph, Layout, export_graph, roles_of
from export.parity import Comparison, check_parity
from export.parity_report import Entry, write_parity
from export.target import check_target
from export.vehicle import running
from fissura.bundle import MANIFEST_NAME, Bundle, Graph, Role, Variant, VariantName, load_bundle
from fissura.dataset import Dataset, read_sample
from fissura.errors import UsageError
from fissura.files import replacing_folder, write_text
from fissura.imaging.images import Mask, RgbImage
from fissura.imaging.resample import FrameKernel
from train.checkpoint import Checkpoint
from train.model import CrackModel

PARITY_IMAGES = 8


@dataclass(frozen=True)
class PackageOptions:
    """How a bundle is made.

    Attributes:
        name: of the bundle: lower-case letters, digits, ``.``, ``_`` and ``-``.
        layout: of the graphs' inputs.
        free_batch: graphs take several frames at once, of several cameras.
        golden_frames: for each graph.
        tolerance_px: of the F1 that chooses the thresholds.
        force: replace a bundle that stands there already.
        tiles: add the graph that runs on parts of a frame; a proposal network brings it along.
        lower: graphs at lower precision.
        report: folder for what the accuracy gate tried, with speeds; None: none.
    """

    name: str
    layout: Layout = "NHWC"
    free_batch: bool = False
    golden_frames: int = 3
    tolerance_px: float = 2.0
    force: bool = False
    tiles: bool = False
    lower: LowerOptions = field(default_factory=LowerOptions)
    report: Path | None = None


@dataclass
class Part:
    """A graph on its way into the bundle.

    Attributes:
        graph: exported.
        model: whose it is.
        comparison: with PyTorch.
        threshold: of a probability.
        proposal_threshold: of a proposal.
        variants: the same graph at lower precision, with what the manifest says of it.
    """

    graph: ExportedGraph
    model: CrackModel
    comparison: Comparison
    threshold: Threshold | None = None
    proposal_threshold: float | None = None
    variants: dict[VariantName, tuple[ExportedGraph, Comparison, Variant]] = field(default_factory=dict)

    def entry(self) -> Graph:
        """Its entry in the manifest."""
        entry = self.graph.entry(None if self.threshold is None else self.threshold.value, self.proposal_threshold)
        return entry.model_copy(update={"variants": {name: variant for name, (*_, variant) in self.variants.items()}})


def export_bundle(
    checkpoint: Checkpoint,
    out: Path,
    calibration_data: Dataset,
    options: PackageOptions,
    proposal: Checkpoint | None = None,
) -> Bundle:
    """Make a bundle. Nothing is written before every graph has passed, and then in one step.

    Args:
        checkpoint: what was trained.
        out: folder of the bundle.
        calibration_data: the images that choose the thresholds; some of them prove the graphs.
        options: see there.
        proposal: a model whose segmentation network takes camera frames: the cheap pass of the cascade.

    Raises:
        UsageError: the name is not allowed, `out` is taken, or `proposal` segments enlarged frames.
        ExportError: PyTorch cannot export a network, or a graph differs from it.
        EngineError: the vehicle's engine cannot run a graph.
        DataError: an image cannot be read, or no threshold finds any crack.
    """
    check_target(out, options.name, force=options.force)
    if proposal is not None and not proposal.model.segments_frames:
        raise UsageError(
            f"{proposal.path} cannot propose: its segmentation takes enlarged frames",
            expected="a model without super-resolution, or with `order: segmentation_first`",
            fix="train one on frames, for example by recipe edge/road-proposal",
        )
    model, kernel = checkpoint.model, frame_kernel_of(checkpoint.record.recipe)
    pairs = [read_sample(calibration_data.samples[i]) for i in _spread(len(calibration_data.samples))]
    roles = roles_of(model) + (("tile",) if options.tiles or proposal is not None else ())
    parts = {role: _part(model, role, options, pairs, kernel) for role in roles}
    whole: Role = "fused" if "fused" in parts else "segmentation"
    for role in ("segmentation", "fused"):
        if role in parts:
            parts[role].threshold = _threshold(parts[role].graph, calibration_data, options.tolerance_px, kernel)
    if "tile" in parts:  # the same function
        parts["tile"].threshold = parts[whole].threshold
    if proposal is not None:
        parts["proposal"] = _part(proposal.model, "proposal", options, pairs, kernel)
        _propose(parts["proposal"], parts[whole], calibration_data, options.tolerance_px, kernel)
    frames = golden.make_golden([part.graph for part in parts.values()], options.golden_frames)
    lowered = None
    if options.lower.variants:
        lowered = _lower(parts, calibration_data, options, pairs, frames, kernel)
    entries = [Entry(c, t) for part in parts.values() for c, t in _comparisons(part)]
    with replacing_folder(out) as aside:
        for part in parts.values():
            for graph in (part.graph, *(graph for graph, *_ in part.variants.values())):
                (aside / graph.file).write_bytes(graph.onnx)
        golden.write_golden(aside / stored_golden.FILE, frames)
        write_parity(aside, options.name, entries)
        if lowered is not None:
            write_text(aside / GATE, gate_json(lowered.trials))
            if lowered.ranges is not None:
                write_text(aside / RANGES, lowered.ranges)
        manifest = partial(
            make_manifest,
            aside,
            name=options.name,
            model=checkpoint,
            proposal=proposal,
            graphs={role: part.entry() for role, part in parts.items()},
            parity={
                role: part.comparison.record(None if part.threshold is None else part.threshold.value)
                for role, part in parts.items()
            },
            calibration={role: part.threshold.record for role, part in parts.items() if part.threshold is not None},
        )
        recipes = [one.record.recipe for one in (checkpoint, proposal) if one is not None]
        chose = [calibration_data, *([] if lowered is None else [lowered.validation])]
        sources = sources_of(recipes, {dataset.name: dataset.root for dataset in chose})
        write_papers(aside, manifest(), sources)
        write_text(aside / MANIFEST_NAME, manifest().to_json())
        stored_golden.check_golden(load_bundle(aside))  # the files as written, read back
    if options.report is not None and lowered is not None:
        write_frontier(options.report, {role: part.graph for role, part in parts.items()}, lowered.trials)
    return load_bundle(out)


def _part(
    model: CrackModel, role: Role, options: PackageOptions, pairs: list[tuple[RgbImage, Mask]], kernel: FrameKernel
) -> Part:
    graph = export_graph(model, role, options.layout, free_batch=options.free_batch)
    return Part(graph, model, _compared(graph, model, pairs, kernel))


def _compared(
    graph: ExportedGraph, model: CrackModel, pairs: list[tuple[RgbImage, Mask]], kernel: FrameKernel
) -> Comparison:
    images, masks = [image for image, _ in pairs], [mask for _, mask in pairs]
    return check_parity(graph, model, images, masks, kernel=kernel)


def _threshold(graph: ExportedGraph, dataset: Dataset, tolerance_px: float, kernel: FrameKernel) -> Threshold:
    with running(graph) as run:
        return choose_threshold(run, graph.output.scale, graph.role, dataset, tolerance_px, kernel)


def _propose(part: Part, full: Part, dataset: Dataset, tolerance_px: float, kernel: FrameKernel) -> None:
    assert full.threshold is not None
    with running(part.graph) as run_cheap, running(full.graph) as run_full:
        part.threshold, part.proposal_threshold = choose_proposal(
            run_cheap, run_full, full.threshold.value, full.model.scale, dataset, tolerance_px, kernel
        )


def _lower(
    parts: dict[Role, Part],
    dataset: Dataset,
    options: PackageOptions,
    pairs: list[tuple[RgbImage, Mask]],
    frames: stored_golden.GoldenFrames,
    kernel: FrameKernel,
) -> Lowered:
    """Try the graphs at lower precision; those that pass get a threshold, a comparison and a tolerance of their own."""
    graphs = [part.graph for part in parts.values()]
    scale = next(iter(parts.values())).model.scale
    lowered = lower(graphs, dataset, options.lower, scale=scale, tolerance_px=options.tolerance_px, kernel=kernel)
    for role, part in parts.items():
        for trial, graph in lowered.passed(role):
            threshold = _lowered_threshold(parts, part, trial.variant, graph, dataset, options.tolerance_px, kernel)
            comparison = _compared(graph, part.model, pairs, kernel)
            value = None if threshold is None else threshold.value
            with running(graph) as run:
                tolerance = golden.measure_tolerance(graph, frames, run)
            assert trial.passed is not None
            variant = Variant(
                file=graph.file,
                precision="fp16" if trial.variant == "fp16" else "int8",
                threshold=value,
                tolerance=tolerance,
                parity=comparison.record(value),
                calibration=None if threshold is None or threshold is part.threshold else threshold.record,
                gate=gate_record(trial, lowered.validation),
                restored=trial.passed.restored,
            )
            part.variants[trial.variant] = (graph, comparison, variant)
    return lowered


def _lowered_threshold(
    parts: dict[Role, Part],
    part: Part,
    variant: VariantName,
    graph: ExportedGraph,
    dataset: Dataset,
    tolerance_px: float,
    kernel: FrameKernel,
) -> Threshold | None:
    """A threshold of its own for what segments whole images; a `tile` has that of the whole frame in its precision.

    A `proposal` keeps the fp32 one: its two thresholds were chosen together.
    """
    if part.graph.role in ("segmentation", "fused"):
        return _threshold(graph, dataset, tolerance_px, kernel)
    whole = parts["fused" if "fused" in parts else "segmentation"]
    if part.graph.role == "tile" and variant in whole.variants:
        chosen = whole.variants[variant][2]
        assert chosen.threshold is not None and chosen.calibration is not None  # it gives probabilities
        return Threshold(chosen.threshold, chosen.calibration)
    return part.threshold


def _comparisons(part: Part) -> list[tuple[Comparison, float | None]]:
    own = None if part.threshold is None else part.threshold.value
    return [(part.comparison, own), *((made, variant.threshold) for _, made, variant in part.variants.values())]


def _spread(count: int) -> list[int]:
    """Positions spread evenly over a list, `PARITY_IMAGES` at most."""
    return sorted({int(i) for i in np.linspace(0, count - 1, min(count, PARITY_IMAGES))})
