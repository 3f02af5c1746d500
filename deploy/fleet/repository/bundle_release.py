"""A bundle as a release: what a device must know before it fetches the first byte of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from pydantic import ValidationError

from fissura.bundle import MANIFEST_NAME, Bundle, load_bundle
from fissura.errors import BundleError, FleetError
from fissura.onnx_external_data import has_external_data
from fissura.release import RELEASE_NAME, Release, ReleaseFile, TensorRtRange


def read_bundle(folder: Path) -> Bundle:
    """Load a bundle, as it may be published.

    Raises:
        BundleError: it is none, a file of it is missing or was changed, or a graph keeps weights in another file.
        FleetError: a file has a name that releases need.
    """
    bundle = load_bundle(folder)
    if RELEASE_NAME in bundle.manifest.files:
        raise FleetError(
            f"{folder} has a file {RELEASE_NAME!r}, which is the name of the release's own document",
            fix="export the bundle again without it",
        )
    for name in bundle.manifest.files:
        if name.endswith(".onnx") and has_external_data(folder / name):
            raise BundleError(
                f"{folder / name} keeps weights in another file (ONNX external data)",
                expected="graphs that are whole: a device refuses others",
                fix="export the bundle again; `onnx.save(model, path)` writes one file up to 2 GB",
            )
    return bundle


def make_release(
    bundle: Bundle,
    number: int,
    *,
    hardware: Sequence[str],
    tensorrt: TensorRtRange | None,
    oldest_fissura: str | None,
    notes: str,
) -> Release:
    """The document of a release.

    Raises:
        FleetError: a value is none that a device can read.
    """
    manifest = bundle.path / MANIFEST_NAME
    files = {name: (entry.size_bytes, entry.sha256) for name, entry in bundle.manifest.files.items()}
    files[MANIFEST_NAME] = (manifest.stat().st_size, bundle.id)
    try:
        return Release(
            model=bundle.manifest.name,
            release=number,
            created_utc=datetime.now(timezone.utc).replace(microsecond=0),
            bundle_id=bundle.id,
            files=tuple(
                ReleaseFile(path=name, length=length, sha256=sha256) for name, (length, sha256) in sorted(files.items())
            ),
            hardware=tuple(hardware),
            tensorrt=tensorrt,
            oldest_fissura=oldest_fissura,
            notes=notes,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise FleetError(f"{bundle.path} cannot be released: {where}: {first['msg']}") from error
