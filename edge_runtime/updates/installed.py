"""Whether a release that is laid out is, byte for byte, the one that was signed."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.updates.layout import Layout
from fissura.bundle import load_bundle
from fissura.errors import BundleError, HashMismatchError, ReleaseError
from fissura.release import RELEASE_NAME, Release, load_release


def installed(layout: Layout, number: int) -> Release | None:
    """The document of a release that is laid out and undamaged; None if it is not."""
    try:
        release = load_release(layout.release(number) / RELEASE_NAME)
        check_release(layout.release_bundle(number), release)
    except (ReleaseError, BundleError, OSError):
        return None
    return release if release.release == number else None


def model_of(layout: Layout, number: int) -> str | None:
    """Name of the model that a release is of; None: its document cannot be read."""
    try:
        return load_release(layout.release(number) / RELEASE_NAME).model
    except ReleaseError:
        return None


def check_release(bundle: Path, release: Release) -> None:
    """Check every file of a bundle, and that the bundle is that of the release.

    Raises:
        BundleError: it is not.
    """
    found = load_bundle(bundle)
    if found.id != release.bundle_id:
        raise HashMismatchError(f"{bundle} is bundle {found.id}", expected=release.bundle_id)
