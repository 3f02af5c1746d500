"""Makes room: removes what no release needs that may still run."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError

from edge_runtime.engines.tensorrt.plan_cache import Sidecar
from edge_runtime.updates.layout import LINKS, Layout
from edge_runtime.updates.links import aside
from fissura.bundle import read_manifest
from fissura.errors import BundleError
from fissura.release import Release


def collect(layout: Layout, factory: Path | None, coming: Release | None = None) -> None:
    """Remove releases, files and remainders that nothing needs.

    Never touched: the releases that `active` and `previous` name, the bundle that the device came with (it lies
    elsewhere) and its engines, and all that belongs to `coming`.

    Args:
        layout: of the device; nobody else changes it meanwhile.
        factory: bundle that the device came with; None: it is not known, and engines stay.
        coming: release under way.
    """
    kept = {layout.number("active"), layout.number("previous")}
    files: set[str] = set()
    if coming is not None:
        kept.add(coming.release)
        files = {file.sha256 for file in coming.files}
    for folder in layout.releases.iterdir():
        if folder.name not in {str(number) for number in kept} or folder.is_symlink() or not folder.is_dir():
            _remove(folder)
    _remove_others(layout.partial, files)
    # A file with one name only is in the store and in no release.
    needed = {path.name for path in layout.store.iterdir() if path.is_file() and path.stat().st_nlink > 1}
    _remove_others(layout.store, files | needed)
    if factory is not None and (own := _files_of(factory)) is not None:
        _remove_engines(layout, files | needed | own)
    # What a kill left of files and links that were about to take another's place.
    for link in LINKS:
        aside(layout, link).unlink(missing_ok=True)
    for leftover in (*layout.root.glob(".state-*.json"), *layout.metadata.glob("tmp*")):
        _remove(leftover)


def _remove_others(folder: Path, names: Collection[str]) -> None:
    for path in folder.iterdir():
        if path.name not in names:
            _remove(path)


def _remove(path: Path) -> None:
    """Whatever somebody has put there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _files_of(bundle: Path) -> set[str] | None:
    """Hashes of a bundle's files; None: they cannot be read."""
    try:
        return {file.sha256 for file in read_manifest(bundle).files.values()}
    except (BundleError, OSError):
        return None


def _remove_engines(layout: Layout, graphs: Collection[str]) -> None:
    """What TensorRT built of others than these graphs."""
    for sidecar in layout.engines.glob("*.json"):
        try:
            built_from = Sidecar.model_validate_json(sidecar.read_bytes()).key.onnx_sha256
        except ValidationError:
            continue  # of something else, or damaged: the cache replaces it itself
        if built_from not in graphs:
            sidecar.unlink()
            sidecar.with_suffix(".plan").unlink(missing_ok=True)
