"""A manifest for people: what a bundle holds and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fissura.bundle import Graph, Manifest, Parity, Variant
from fissura.table import format_table


def describe(manifest: Manifest, identity: str) -> Iterator[str]:
    """Lines for the terminal.

    Args:
        manifest: of the bundle.
        identity: of the bundle: SHA-256 of its manifest.
    """
    lineage, normalisation = manifest.lineage, manifest.normalisation
    yield f"{manifest.name}  ({manifest.task}, manifest {manifest.schema_version})"
    yield f"bundle id      {identity}"
    yield f"scale          {manifest.scale} (output pixels per camera pixel)"
    yield f"normalisation  mean {_numbers(normalisation.mean)}, std {_numbers(normalisation.std)}, inside the graphs"
    yield ""
    yield format_table(
        ("graph", "file", "input", "sizes", "output", "scale", "halo"),
        [_graph_row(role, graph) for role, graph in manifest.graphs.items()],
        right=(5, 6),
    )
    decisions = [_decision_row(role, graph) for role, graph in manifest.graphs.items() if graph.threshold is not None]
    if decisions:
        yield ""
        yield format_table(
            ("decision", "threshold", "low threshold", "temperature", "proposal threshold"),
            decisions,
            right=(1, 2, 3, 4),
        )
    yield from _variants(manifest)
    if manifest.parity:
        yield ""
        yield format_table(
            ("parity with PyTorch", "max abs", "mean abs", "limit", "mask IoU", "images"),
            [_parity_row(role, parity) for role, parity in manifest.parity.items()],
            right=(1, 2, 3, 4, 5),
        )
    if manifest.calibration:
        yield ""
        rows = [
            (role, f"{c.dataset}/{c.split}", str(c.images), f"{c.tolerance_px:g}", f"{c.f1:.4f}", f"{c.recall:.4f}")
            for role, c in manifest.calibration.items()
        ]
        header = ("threshold chosen on", "data", "images", "tolerance px", "f1", "recall")
        yield format_table(header, rows, right=(2, 3, 4, 5))
    yield ""
    yield format_table(("score", "value"), [(name, _figure(value)) for name, value in lineage.metrics.items()])
    yield ""
    yield f"trained on     data {lineage.dataset_fingerprint[:16]}..., seed {lineage.seed}"
    yield f"versions       {', '.join(f'{name} {version}' for name, version in sorted(lineage.versions.items()))}"
    yield "recipe"
    yield from (f"  {key}: {shortened(value)}" for key, value in flatten(lineage.recipe))
    yield ""
    yield format_table(
        ("file", "bytes", "sha256"),
        [(name, f"{entry.size_bytes:,}", entry.sha256[:16] + "...") for name, entry in sorted(manifest.files.items())],
        right=(1,),
    )


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested dictionaries as (dotted key, value); an empty dictionary is a leaf."""
    if isinstance(value, dict) and value:
        for key, nested in value.items():
            yield from flatten(nested, f"{prefix}.{key}" if prefix else str(key))
    elif prefix:
        yield prefix, value


def shortened(value: Any, most: int = 60) -> str:
    """A value as JSON, text as it is; its end is cut off where it is long."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _graph_row(role: str, graph: Graph) -> tuple[str, ...]:
    feed = graph.input
    largest = f" to {feed.max_size}" if feed.max_size else ""
    return (
        role,
        f"{graph.file} ({graph.precision})",
        f"{feed.dtype} {feed.channel_order} {feed.layout}",
        f"multiples of {feed.multiple}, from {feed.min_size}{largest}",
        graph.output.kind,
        str(graph.output.scale),
        "frame" if graph.halo is None else str(graph.halo),
    )


def _decision_row(role: str, graph: Graph) -> tuple[str, ...]:
    return (
        role,
        _probability(graph.threshold),
        _probability(graph.low_threshold),
        f"{graph.temperature:.3g}",
        _probability(graph.proposal_threshold),
    )


def _variants(manifest: Manifest) -> Iterator[str]:
    """Tables of the graphs at lower precision; nothing where there are none."""
    entries = [(role, name, it) for role, graph in manifest.graphs.items() for name, it in graph.variants.items()]
    if not entries:
        return
    yield ""
    yield format_table(
        ("graph", "variant", "file", "precision", "threshold", "drop", "allowed", "gate", "tolerance max", "mean"),
        [_variant_row(role, name, variant) for role, name, variant in entries],
        right=(4, 5, 6, 8, 9),
    )
    for role, name, variant in entries:
        if variant.restored:
            yield f"kept at higher precision in {role} {name}: {', '.join(variant.restored)}"
    yield ""
    yield format_table(
        ("parity with PyTorch", "variant", "max abs", "mean abs", "mask IoU", "images"),
        [
            (role, name, *(cell for index, cell in enumerate(_parity_row(role, variant.parity)) if index not in (0, 3)))
            for role, name, variant in entries
        ],
        right=(2, 3, 4, 5),
    )


def _variant_row(role: str, name: str, variant: Variant) -> tuple[str, ...]:
    gate = variant.gate
    metric = f"ODS F1 at {gate.tolerance_px:g} px, points" if gate.metric == "ods_f1" else "PSNR, dB"
    return (
        role,
        name,
        variant.file,
        variant.precision,
        _probability(variant.threshold),
        f"{round(gate.drop, 2) + 0.0:+.2f}",  # no -0.00
        f"{gate.max_drop:g}",
        f"{metric}, {gate.images} images of {gate.dataset}/{gate.split}",
        f"{variant.tolerance.max_abs:.4f}",
        f"{variant.tolerance.mean_abs:.4f}",
    )


def _parity_row(role: str, parity: Parity) -> tuple[str, ...]:
    return (
        role,
        f"{parity.max_abs:.1e}",
        f"{parity.mean_abs:.1e}",
        "-" if parity.limit is None else f"{parity.limit:.0e}",
        "-" if parity.mask_iou is None else f"{parity.mask_iou:.4f}",
        str(parity.images),
    )


def _probability(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
