"""`fissura bundle inspect|verify|diff`: look at a model bundle, check it, compare two."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fissura.bundle import MANIFEST_NAME, Graph, Manifest, load_bundle, read_manifest
from fissura.files import sha256
from fissura.table import format_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `inspect`, `verify` and `diff`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    inspect = actions.add_parser("inspect", help="what a bundle holds and where it comes from")
    inspect.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    inspect.add_argument("--json", action="store_true", help="print JSON")
    inspect.set_defaults(bundle_action=_inspect)

    verify = actions.add_parser(
        "verify",
        help="compare every file with the manifest",
        description="Compare every file with its SHA-256 in the manifest. Exit code 0: as exported, 2: not.",
    )
    verify.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    verify.set_defaults(bundle_action=_verify)

    diff = actions.add_parser(
        "diff",
        help="what differs between two bundles",
        description="Print what differs between two bundles. Exit code 0: nothing, 1: something.",
    )
    diff.add_argument("first", type=Path, metavar="A", help="folder of a bundle")
    diff.add_argument("second", type=Path, metavar="B", help="folder of another bundle")
    diff.set_defaults(bundle_action=_diff)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    code: int = arguments.bundle_action(arguments)
    return code


def _inspect(arguments: argparse.Namespace) -> int:
    manifest = read_manifest(arguments.bundle)
    identity = sha256(arguments.bundle / MANIFEST_NAME)
    if arguments.json:
        print(json.dumps({"bundle_id": identity, "manifest": manifest.model_dump(mode="json")}, indent=2))
    else:
        print("\n".join(_describe(manifest, identity)))
    return 0


def _describe(manifest: Manifest, identity: str) -> Iterator[str]:
    lineage, normalisation = manifest.lineage, manifest.normalisation
    yield f"{manifest.name}  ({manifest.task}, manifest {manifest.schema_version})"
    yield f"bundle id      {identity}"
    yield f"scale          {manifest.scale} (output pixels per camera pixel)"
    yield f"normalisation  mean {_numbers(normalisation.mean)}, std {_numbers(normalisation.std)}, inside the graphs"
    yield ""
    yield format_table(
        ("graph", "file", "input", "sizes", "output", "scale", "halo", "threshold"),
        [_graph_row(role, graph) for role, graph in manifest.graphs.items()],
        right=(5, 6, 7),
    )
    if manifest.parity:
        yield ""
        yield format_table(
            ("parity with PyTorch", "max abs", "mean abs", "limit", "images"),
            [
                (role, f"{parity.max_abs:.1e}", f"{parity.mean_abs:.1e}", f"{parity.limit:.0e}", str(parity.images))
                for role, parity in manifest.parity.items()
            ],
            right=(1, 2, 3, 4),
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
    yield from (f"  {key}: {_short(value)}" for key, value in _flatten(lineage.recipe))
    yield ""
    yield format_table(
        ("file", "bytes", "sha256"),
        [(name, f"{entry.size_bytes:,}", entry.sha256[:16] + "...") for name, entry in sorted(manifest.files.items())],
        right=(1,),
    )


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
        "-" if graph.threshold is None else f"{graph.threshold:.3f}",
    )


def _verify(arguments: argparse.Namespace) -> int:
    bundle = load_bundle(arguments.bundle)
    files = bundle.manifest.files
    total = sum(entry.size_bytes for entry in files.values())
    print(f"ok: {len(files)} files, {total:,} bytes, as exported; bundle id {bundle.id}")
    present = {path.relative_to(bundle.path).as_posix() for path in bundle.path.rglob("*") if path.is_file()}
    for name in sorted(present - set(files) - {MANIFEST_NAME}):
        print(f"note: {name} is not in the manifest and is not used")
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    first, second = (
        dict(_flatten(read_manifest(path).model_dump(mode="json"))) for path in (arguments.first, arguments.second)
    )
    rows = [
        (key, _short(first.get(key, "-")), _short(second.get(key, "-")))
        for key in sorted(first.keys() | second.keys())
        if first.get(key, "-") != second.get(key, "-")
    ]
    if not rows:
        print("the two manifests are equal")
        return 0
    print(format_table(("key", str(arguments.first), str(arguments.second)), rows))
    return 1


def _flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested dictionaries as (dotted key, value); an empty dictionary is a leaf."""
    if isinstance(value, dict) and value:
        for key, nested in value.items():
            yield from _flatten(nested, f"{prefix}.{key}" if prefix else str(key))
    elif prefix:
        yield prefix, value


def _short(value: Any, most: int = 60) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
