"""Whoever can write the metadata, but has no key, gets no root key to sign for him."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.repository import Repository
from deploy.fleet.repository.root_chain import ANCHOR
from deploy.fleet.settings import RoleName
from fissura.cli import main
from fissura.errors import FleetError
from tests.deploy.fleet.repository.fleets import PASSPHRASE, make_home, open_repository


def roots(home: FleetHome) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.metadata.glob("*.root.json")}


def refuse_all(home: FleetHome, match: str) -> None:
    before = roots(home)
    repository = open_repository(home)
    roles: tuple[RoleName, ...] = ("root", "timestamp")
    for role in roles:
        with pytest.raises(FleetError, match=match):
            repository.rotate_keys(role)
    with pytest.raises(FleetError, match=match):
        repository.refresh(400)
    assert roots(home) == before
    assert not list(home.keys.glob("*-4.pem")) and not list(home.keys.glob("timestamp-*.pem"))


@pytest.mark.parametrize("version", [1, 2])
def test_a_key_that_was_put_into_a_root_is_not_signed_for(
    home: FleetHome, repository: Repository, version: int
) -> None:
    if version == 2:
        repository.rotate_keys("snapshot")
    path = home.metadata / f"{version}.root.json"
    document: Metadata[Root] = Metadata.from_bytes(path.read_bytes())
    for role in ("targets", "snapshot", "timestamp"):
        document.signed.add_key(CryptoSigner.generate_ed25519().public_key, role)
    path.write_bytes(document.to_bytes())
    refuse_all(home, rf"{version}\.root\.json is not signed by the fleet's root keys")


def test_a_root_under_another_number_is_refused(home: FleetHome) -> None:
    shutil.copy(home.metadata / "1.root.json", home.metadata / "2.root.json")
    refuse_all(home, r"2\.root\.json is not signed")


def test_a_chain_that_is_forged_as_a_whole_is_refused(home: FleetHome, tmp_path: Path) -> None:
    """The thief's root names the fleet's public root keys beside his own, so that the sticks fit."""
    thief = make_home(tmp_path / "thief")
    document: Metadata[Root] = Metadata.from_file(str(thief.metadata / "1.root.json"))
    own = Metadata.from_file(str(home.metadata / "1.root.json")).signed
    assert isinstance(own, Root)
    signers = [CryptoSigner.generate_ed25519() for _ in range(2)]
    for keyid in list(document.signed.roles["root"].keyids):
        document.signed.revoke_key(keyid, "root")
    for keyid in own.roles["root"].keyids:
        document.signed.add_key(own.get_key(keyid), "root")
    for signer in signers:
        document.signed.add_key(signer.public_key, "root")
    document.signatures.clear()
    for signer in signers:
        document.sign(signer, append=True)
    for path in home.metadata.iterdir():
        path.unlink()
    shutil.copytree(thief.metadata, home.metadata, dirs_exist_ok=True)
    document.to_file(str(home.metadata / "1.root.json"))
    # `refresh` looks at its own keys first, which are not those that this root names.
    refuse_all(home, r"1\.root\.json is not the one that .*root\.sha256 tells of|holds another key")


def test_the_newest_root_cannot_be_taken_away(home: FleetHome, repository: Repository) -> None:
    """Else a key that leaked, and was replaced, would be signed for again."""
    before = {path: path.read_bytes() for path in home.metadata.iterdir()}
    repository.rotate_keys("timestamp")
    for path in home.metadata.iterdir():
        path.unlink()
    for path, data in before.items():
        path.write_bytes(data)
    with pytest.raises(FleetError, match=r"2\.root\.json is not the one that"):
        repository.rotate_keys("root")
    with pytest.raises(FleetError, match=r"2\.root\.json is not the one that"):
        repository.refresh(400)
    assert set(roots(home)) == {"1.root.json"}


def test_the_anchor_on_a_stick_counts_too_and_follows(home: FleetHome, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    for name in ("root-1.pem", "root-2.pem", ANCHOR):
        (home.keys / name).rename(stick / name)
    with pytest.raises(FleetError, match=f"no {ANCHOR} lies beside the private keys"):
        Repository.open(home, PASSPHRASE, [_keys_only(stick, tmp_path / "bare")]).rotate_keys("timestamp")
    Repository.open(home, PASSPHRASE, [stick]).rotate_keys("timestamp")
    subprocess.run(["sha256sum", "--check", "--strict", stick / ANCHOR], cwd=home.metadata, check=True)
    assert "2.root.json" in (stick / ANCHOR).read_text()
    (stick / ANCHOR).write_text("nonsense")
    with pytest.raises(FleetError, match="cannot be read"):
        Repository.open(home, PASSPHRASE, [stick]).rotate_keys("timestamp")


def test_which_keys_come_and_go_is_said_before_they_do(
    home: FleetHome, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE)
    caplog.set_level("INFO")
    where = ("--fleet", str(home.root), "--passphrase-file", str(file))
    assert main(["fleet", "rotate-keys", "timestamp", *where]) == 0
    assert "root version 2: timestamp loses timestamp (" in caplog.text
    assert "timestamp gets timestamp-2 (" in caplog.text
    assert main(["fleet", "refresh", "--within", "400", *where]) == 0
    assert "root version 3: the keys stay" in caplog.text


def _keys_only(stick: Path, to: Path) -> Path:
    to.mkdir()
    for path in stick.glob("*.pem"):
        shutil.copy(path, to)
    return to
