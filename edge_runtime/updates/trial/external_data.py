"""Graphs that take weights from other files are not tried."""

from __future__ import annotations

from pathlib import Path

from fissura.bundle import Bundle
from fissura.errors import BundleError, RejectedError
from fissura.onnx_external_data import has_external_data


def check_bundle(bundle: Bundle) -> None:
    """Look at every graph of a bundle, at every precision.

    Raises:
        RejectedError: see `check_no_external_data`.
    """
    for role, graph in bundle.manifest.graphs.items():
        for variant in (None, *graph.variants):
            check_no_external_data(bundle.graph_path(role, variant))


def check_no_external_data(path: Path) -> None:
    """Refuse a graph with data in other files.

    Args:
        path: of the ONNX file.

    Raises:
        RejectedError: it has some, or cannot be read.
    """
    try:
        external = has_external_data(path)
    except (BundleError, OSError) as error:
        raise RejectedError(f"graph: {error.found if isinstance(error, BundleError) else error}") from error
    if external:
        raise RejectedError(
            f"external-data: {path.name} takes weights from other files",
            expected="all data inside the ONNX file",
            fix="export the bundle again",
        )
