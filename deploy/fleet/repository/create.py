"""A new fleet: keys, a root that names them, and a repository with nothing in it."""

from __future__ import annotations

from pathlib import Path

import yaml
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.keys import KeyFolder
from deploy.fleet.repository.metadata_folder import MetadataFolder
from deploy.fleet.repository.passphrase import check_new
from deploy.fleet.repository.roles import ONLINE_ROLES, expiry, sign
from deploy.fleet.repository.root_chain import write_anchor
from deploy.fleet.settings import FleetSettings
from fissura.errors import FleetError
from fissura.files import write_text

ROOT_KEYS = 3
ROOT_THRESHOLD = 2  # one stick may be lost, and one may be stolen

HEAD = """\
# A fleet of fissura. Waves and limits may be changed at any time; `expiry_days` takes effect with the next signature.
"""


def create_fleet(home: FleetHome, settings: FleetSettings, passphrase: str) -> None:
    """Make the folder of a fleet. `fleet.yaml` comes last: without it the folder is none.

    Args:
        home: where to; must be empty or not there.
        settings: of the fleet.
        passphrase: of all keys.

    Raises:
        FleetError: the folder holds something, or the passphrase is too short.
    """
    check_new(passphrase)
    _refuse_full(home.root)
    home.metadata.mkdir(parents=True)
    home.targets.mkdir()
    keys = KeyFolder(home.keys, passphrase)
    days = settings.expiry_days
    root_signers = [keys.create(f"{Root.type}-{number}") for number in range(1, ROOT_KEYS + 1)]
    root = Root(consistent_snapshot=True, expires=expiry(days.root))
    for signer in root_signers:
        root.add_key(signer.public_key, Root.type)
    root.roles[Root.type].threshold = ROOT_THRESHOLD
    online = {role: keys.create(role) for role in ONLINE_ROLES}
    for role, signer in online.items():
        root.add_key(signer.public_key, role)

    folder = MetadataFolder(home.metadata)
    targets = Metadata(Targets(expires=expiry(days.targets)))
    sign(targets, [online["targets"]])
    folder.write(targets)
    snapshot = Metadata(
        Snapshot(meta={"targets.json": folder.describe(Targets.type, 1)}, expires=expiry(days.snapshot))
    )
    sign(snapshot, [online["snapshot"]])
    folder.write(snapshot)
    meta = folder.describe(Snapshot.type, 1)
    timestamp = Metadata(Timestamp(snapshot_meta=meta, expires=expiry(days.timestamp)))
    sign(timestamp, [online["timestamp"]])
    folder.write(timestamp)
    signed_root = Metadata(root)
    sign(signed_root, root_signers)
    folder.write(signed_root)
    write_anchor(folder, home.keys, root.version)
    write_text(home.settings, HEAD + yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False))


def _refuse_full(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FleetError(
            f"{folder} is not empty" if folder.is_dir() else f"{folder} is a file",
            expected="a folder that is empty or not there",
            fix="choose another; a fleet that is there already needs no init",
        )
