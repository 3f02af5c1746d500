from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tuf.api.metadata import Metadata, Root

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.create import create_fleet
from deploy.fleet.settings import FleetSettings
from fissura.config import load_config
from fissura.errors import FleetError
from tests.deploy.fleet.repository.fleets import PASSPHRASE, Device, served


def test_a_new_repository_is_one_for_clients_at_once(home: FleetHome, tmp_path: Path) -> None:
    with served(home) as url:
        assert Device(home, url, tmp_path / "device").channel() is None


def test_the_root_needs_two_of_three_keys(home: FleetHome) -> None:
    root: Metadata[Root] = Metadata.from_file(str(home.metadata / "1.root.json"))
    assert (len(root.signed.roles["root"].keyids), root.signed.roles["root"].threshold) == (3, 2)
    assert root.signed.consistent_snapshot
    signatures = dict(root.signatures)
    for count in (0, 1):
        few = dict(list(signatures.items())[:count])
        assert not root.signed.get_verification_result("root", root.signed_bytes, few)
    assert root.signed.get_verification_result("root", root.signed_bytes, dict(list(signatures.items())[:2]))


def test_every_key_is_its_own_and_readable_by_its_owner_only_and_encrypted(home: FleetHome) -> None:
    paths = sorted(home.keys.glob("*.pem"))
    assert [path.stem for path in paths] == ["root-1", "root-2", "root-3", "snapshot", "targets", "timestamp"]
    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o700
    private = set()
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        data = path.read_bytes()
        assert b"ENCRYPTED" in data
        with pytest.raises((TypeError, ValueError)):
            load_pem_private_key(data, None)
        private.add(load_pem_private_key(data, PASSPHRASE.encode()).public_key().public_bytes_raw())  # type: ignore[union-attr]
    assert len(private) == 6


def test_settings_are_read_as_they_were_written(tmp_path: Path) -> None:
    home = FleetHome(tmp_path / "fleet")
    settings = FleetSettings(name="roads", url="https://models.example.org", broker="mqtts://broker.example.org:8883")
    create_fleet(home, settings, PASSPHRASE)
    assert load_config(FleetSettings, home.settings) == settings


@pytest.mark.parametrize("passphrase", ["", "short", "x" * 15])
def test_a_short_passphrase_makes_nothing(tmp_path: Path, passphrase: str) -> None:
    with pytest.raises(FleetError, match="characters"):
        create_fleet(FleetHome(tmp_path / "fleet"), FleetSettings(name="test"), passphrase)
    assert not (tmp_path / "fleet").exists()


def test_a_folder_that_holds_something_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("mine")
    with pytest.raises(FleetError, match="not empty"):
        create_fleet(FleetHome(tmp_path), FleetSettings(name="test"), PASSPHRASE)
    assert [path.name for path in tmp_path.iterdir()] == ["note"]
