"""`fissura bundle inspect|verify|diff`: look at a model bundle, check it, compare two.

Only `verify` runs graphs, and only then does an engine's library load.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edge_runtime.bundle_text import describe, flatten, shortened
from edge_runtime.engines import ENGINES
from fissura.bundle import MANIFEST_NAME, Bundle, load_bundle, read_manifest
from fissura.errors import BundleError, MissingDependencyError
from fissura.files import sha256
from fissura.table import format_table

HASHES_ONLY = "--hashes-only compares the files alone"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `inspect`, `verify` and `diff`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    inspect = actions.add_parser("inspect", help="what a bundle holds and where it comes from")
    inspect.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    inspect.add_argument("--json", action="store_true", help="print JSON")
    inspect.set_defaults(bundle_action=_inspect)

    verify = actions.add_parser(
        "verify",
        help="compare every file with the manifest, and every graph with its golden frames",
        description="Compare every file with its SHA-256 in the manifest, and what every graph gives, at every "
        "precision that the engine runs, with what it gave when it was exported. Exit code 0: as exported, "
        "1: a graph gives something else, 2: a file is missing or was changed, or the engine cannot run a graph.",
    )
    verify.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    verify.add_argument(
        "--engine", choices=tuple(ENGINES), default="onnxruntime", help="that runs the graphs (default: %(default)s)"
    )
    verify.add_argument("--hashes-only", action="store_true", help="do not run the graphs: needs no engine")
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
        print("\n".join(describe(manifest, identity)))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    bundle = load_bundle(arguments.bundle)
    files = bundle.manifest.files
    total = sum(entry.size_bytes for entry in files.values())
    print(f"ok: {len(files)} files, {total:,} bytes, as exported; bundle id {bundle.id}")
    present = {path.relative_to(bundle.path).as_posix() for path in bundle.path.rglob("*") if path.is_file()}
    for name in sorted(present - set(files) - {MANIFEST_NAME}):
        print(f"note: {name} is not in the manifest and is not used")
    return 0 if arguments.hashes_only else _verify_golden(bundle, arguments.engine)


def _verify_golden(bundle: Bundle, kind: str) -> int:
    from edge_runtime.golden import golden_results

    try:
        results = list(golden_results(bundle, kind))
    except (MissingDependencyError, BundleError) as error:
        fix = "; ".join(filter(None, (error.fix, HASHES_ONLY)))
        raise type(error)(error.found, expected=error.expected, fix=fix) from error
    rows = [
        (
            result.role,
            result.variant or "fp32",
            str(result.frames),
            f"{result.max_abs:.4f}",
            f"{result.tolerance.max_abs:.4f}",
            f"{result.mean_abs:.5f}",
            f"{result.tolerance.mean_abs:.5f}",
            "ok" if result.passed else "FAILED",
        )
        for result in results
    ]
    header = ("golden frames", "precision", "frames", "max abs", "allowed", "mean abs", "allowed", "")
    print()
    print(format_table(header, rows, right=(2, 3, 4, 5, 6)))
    failed = sum(not result.passed for result in results)
    if failed:
        print(f"\nFAILED: {failed} of {len(results)} give something else in {kind} than when they were exported")
        return 1
    print(f"\nok: {kind} gives what was exported")
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    first, second = (
        dict(flatten(read_manifest(path).model_dump(mode="json"))) for path in (arguments.first, arguments.second)
    )
    rows = [
        (key, shortened(first.get(key, "-")), shortened(second.get(key, "-")))
        for key in sorted(first.keys() | second.keys())
        if first.get(key, "-") != second.get(key, "-")
    ]
    if not rows:
        print("the two manifests are equal")
        return 0
    print(format_table(("key", str(arguments.first), str(arguments.second)), rows))
    return 1
