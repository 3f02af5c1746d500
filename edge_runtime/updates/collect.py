"""Makes room: removes what no release needs that may still run."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError

from edge_runtime.engines.tensorrt.plan_cache import Sidecar
from edge_runtime.updates.layout import LINKS, Layout
from edge_runtime.updates.links import aside
from fissura.release import Release


def collect(layout: Layout, coming: Release | None = None) -> None:
    """Remove releases, files and remainders that nothing needs.

    Never touched: the releases that `active` and `previous` name, the bundle that the device came with (it lies
    elsewhere), and all that belongs to `coming`.

    Args:
        layout: of the device; nobody else changes it meanwhile.
        coming: release under way.
    """
    kept = {layout.number("active"), layout.number("previous")}
    files: set[str] = set()
    if coming is not None:
        kept.add(coming.release)
        files = {file.sha256 for file in coming.files}
    for folder in layout.releases.iterdir():
        if folder.name not in {str(number) for number in kept}:
            shutil.rmtree(folder)
    _remove_others(layout.partial, files)
    # A file with one name only is in the store and in no release.
    needed = {path.name for path in layout.store.iterdir() if path.stat().st_nlink > 1}
    if None not in kept:  # else the device's own bundle may run, whose graphs may be the same
        _remove_engines(layout, {path.name for path in layout.store.iterdir()} - files - needed)
    _remove_others(layout.store, files | needed)
    # What a kill left of files and links that were about to take another's place.
    for link in LINKS:
        aside(layout, link).unlink(missing_ok=True)
    for leftover in (*layout.root.glob(".state-*.json"), *layout.metadata.glob("tmp*")):
        leftover.unlink()


def _remove_others(folder: Path, names: Collection[str]) -> None:
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()


def _remove_engines(layout: Layout, graphs: Collection[str]) -> None:
    """What TensorRT built of graphs that go."""
    for sidecar in layout.engines.glob("*.json"):
        try:
            built_from = Sidecar.model_validate_json(sidecar.read_bytes()).key.onnx_sha256
        except ValidationError:
            continue  # of something else, or damaged: the cache replaces it itself
        if built_from in graphs:
            sidecar.unlink()
            sidecar.with_suffix(".plan").unlink(missing_ok=True)
