"""A TUF repository whose owner can do everything wrong: sign late, go back, take other keys."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from fissura.bundle import MANIFEST_NAME
from fissura.files import sha256
from fissura.release import Channel, Release, ReleaseFile, channel_target, release_target

MODEL = "cracks"


class SignedRepository:
    """`folder/metadata` and `folder/targets`, as a web server gives them out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metadata = folder / "metadata"
        self.targets_folder = folder / "targets"
        self.metadata.mkdir(parents=True)
        self.targets_folder.mkdir()
        self.signers = {role: CryptoSigner.generate_ed25519() for role in ("root", "targets", "snapshot", "timestamp")}
        self.days = 30.0
        self.version = 0
        self.targets: dict[str, TargetFile] = {}
        root = Root(version=1, expires=self.expires(365), consistent_snapshot=True)
        for role, signer in self.signers.items():
            root.add_key(signer.public_key, role)
        self._write(root, "1.root.json")
        self.sign()

    def clone(self, folder: Path) -> SignedRepository:
        """The same once more, with the same keys."""
        clone = copy.copy(self)
        shutil.copytree(self.folder, folder)
        clone.folder, clone.metadata, clone.targets_folder = folder, folder / "metadata", folder / "targets"
        clone.targets, clone.signers = dict(self.targets), dict(self.signers)
        return clone

    @property
    def root(self) -> bytes:
        return (self.metadata / "1.root.json").read_bytes()

    def expires(self, days: float) -> datetime:
        return datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=days)

    def add(self, name: str, data: bytes) -> Path:
        """A target; returns its file."""
        digest = hashlib.sha256(data).hexdigest()
        self.targets[name] = TargetFile(len(data), {"sha256": digest}, name)
        path = self.targets_folder / name
        path = path.with_name(f"{digest}.{path.name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def publish(self, bundle: Path, number: int, **more: Any) -> Release:
        """A bundle as a release, and the document."""
        paths = [path for path in sorted(bundle.rglob("*")) if path.is_file()]
        release = Release(
            model=MODEL,
            release=number,
            bundle_id=sha256(bundle / MANIFEST_NAME),
            files=tuple(
                ReleaseFile(path=path.relative_to(bundle).as_posix(), length=path.stat().st_size, sha256=sha256(path))
                for path in paths
            ),
            **{"created_utc": datetime.now(timezone.utc), **more},
        )
        for path in paths:
            self.add(release_target(MODEL, number, path.relative_to(bundle).as_posix()), path.read_bytes())
        self.add(release_target(MODEL, number), release.to_json())
        self.sign()
        return release

    def give(self, release: int, channel: str = "stable", **more: Any) -> None:
        """What a channel gives out."""
        self.add(channel_target(channel), Channel(channel=channel, model=MODEL, release=release, **more).to_json())
        self.sign()

    def target_path(self, name: str) -> Path:
        """File that a web server gives out for a target."""
        path = self.targets_folder / name
        return path.with_name(f"{self.targets[name].hashes['sha256']}.{path.name}")

    def sign(self, *, version: int | None = None) -> None:
        """Metadata for the targets as they are."""
        self.version = self.version + 1 if version is None else version
        n, expires = self.version, self.expires(self.days)
        self._write(Targets(version=n, expires=expires, targets=dict(self.targets)), f"{n}.targets.json")
        self._write(Snapshot(version=n, expires=expires, meta={"targets.json": MetaFile(n)}), f"{n}.snapshot.json")
        self._write(Timestamp(version=n, expires=expires, snapshot_meta=MetaFile(n)), "timestamp.json")

    def save(self, folder: Path) -> Path:
        """Metadata as they are now, for turning back time."""
        shutil.copytree(self.metadata, folder)
        return folder

    def restore(self, folder: Path) -> None:
        shutil.rmtree(self.metadata)
        shutil.copytree(folder, self.metadata)

    def _write(self, signed: Any, name: str) -> None:
        metadata = Metadata(signed)
        metadata.sign(self.signers[signed.type])
        aside = self.metadata / f".{name}"
        aside.write_bytes(metadata.to_bytes())
        aside.replace(self.metadata / name)


def plain_bundle(folder: Path, seed: int, *, size_bytes: int = 20_000, shared: bytes = b"golden frames") -> Path:
    """A bundle that is whole, of files that no engine reads. Some of its bytes are those of all others."""
    folder.mkdir(parents=True)
    files = {
        "segmentation.onnx": hashlib.shake_256(str(seed).encode()).digest(size_bytes),
        "golden.npz": shared,
        "docs/card.md": f"model {seed}".encode(),
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    manifest = {
        "schema_version": "1.0",
        "name": MODEL,
        "normalisation": {"mean": [0, 0, 0], "std": [1, 1, 1]},
        "graphs": {
            "segmentation": {
                "file": "segmentation.onnx",
                "input": {},
                "output": {"name": "probability", "kind": "probability"},
                "threshold": 0.5,
            }
        },
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)} for name, data in files.items()
        },
        "lineage": {"recipe": {}, "dataset_fingerprint": "", "seed": seed, "metrics": {}, "versions": {}},
    }
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))
    return folder
