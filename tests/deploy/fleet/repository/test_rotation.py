from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf.api.metadata import Metadata

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.metadata_folder import MetadataFolder
from deploy.fleet.repository.repository import Repository
from deploy.fleet.repository.roles import Signatory, read_roles
from deploy.fleet.settings import RoleName
from fissura.errors import FleetError
from tests.deploy.fleet.repository.fleets import MODEL, PASSPHRASE, Device, another, open_repository, served

ROLES: tuple[RoleName, ...] = ("root", "targets", "snapshot", "timestamp")


@pytest.mark.parametrize("role", ROLES)
def test_devices_follow_a_rotation_old_ones_and_new_ones(
    home: FleetHome, repository: Repository, bundle: Path, tmp_path: Path, role: RoleName
) -> None:
    repository.publish(bundle)
    with served(home) as url:
        old = Device(home, url, tmp_path / "old")
        assert old.fetch(MODEL, 1) is not None
        done = repository.rotate_keys(role)
        assert done.root_version == 2
        for name in done.old:
            (home.keys / f"{name}.pem").unlink()
        repository.publish(another(bundle, tmp_path / "2", 2))
        for device in (old, Device(home, url, tmp_path / "new")):
            assert device.fetch(MODEL, 2) is not None
            assert device.root_version == 2


def test_a_device_that_slept_through_many_rotations_wakes_up(
    home: FleetHome, repository: Repository, bundle: Path, tmp_path: Path
) -> None:
    repository.publish(bundle)
    with served(home) as url:
        device = Device(home, url, tmp_path / "device")
        assert device.fetch(MODEL, 1) is not None
        for role in (*ROLES, *ROLES):
            repository.rotate_keys(role)
        assert device.fetch(MODEL, 1) is not None
        assert device.root_version == 9
    assert len(list(home.metadata.glob("*.root.json"))) == 9


def test_a_new_root_is_signed_by_both_and_the_old_keys_are_nothing_then(
    home: FleetHome, repository: Repository
) -> None:
    done = repository.rotate_keys("root", count=5, threshold=3)
    folder = MetadataFolder(home.metadata)
    first, second = folder.root(1), folder.root(2)
    assert first.signed.get_verification_result("root", second.signed_bytes, second.signatures)
    assert second.signed.roles["root"].threshold == 3
    assert len(second.signed.roles["root"].keyids) == 5
    assert not set(first.signed.roles["root"].keyids) & set(second.signed.keys)
    assert (done.old, done.new) == (("root-1", "root-2", "root-3"), ("root-4", "root-5", "root-6", "root-7", "root-8"))
    with pytest.raises(FleetError, match=r"root needs 3 of 5 keys .* root-6\.pem, root-7\.pem, root-8\.pem"):
        for name in done.new[2:]:
            (home.keys / f"{name}.pem").rename(home.root / name)
        repository.rotate_keys("root")


def test_what_a_leaked_key_signs_is_worth_nothing_after_its_rotation(
    home: FleetHome, repository: Repository, bundle: Path, tmp_path: Path
) -> None:
    repository.publish(bundle)
    thief = Path(shutil.copytree(home.root, tmp_path / "thief"))
    for role in ("timestamp", "snapshot", "targets"):
        repository.rotate_keys(role)
    stolen = open_repository(FleetHome(thief))
    for number in range(5):  # far ahead of the owner's versions
        stolen.publish(another(bundle, tmp_path / f"evil-{number}", 100 + number))
    for path in (thief / "repository" / "metadata").glob("*.json"):
        if "root" not in path.name:
            shutil.copy(path, home.metadata)
    shutil.copytree(thief / "repository" / "targets", home.targets, dirs_exist_ok=True)
    with served(home) as url, pytest.raises((RepositoryError, UnsignedMetadataError)):
        Device(home, url, tmp_path / "device").fetch(MODEL, 1)
    with pytest.raises(FleetError, match="not signed by the fleet's keys"):
        repository.publish(another(bundle, tmp_path / "2", 2))
    with pytest.raises(FleetError, match="not signed by the fleet's keys"):
        repository.refresh(1000)


@pytest.mark.parametrize("role", ROLES[1:])
def test_a_lost_key_is_replaced(
    home: FleetHome, repository: Repository, bundle: Path, tmp_path: Path, role: RoleName
) -> None:
    repository.publish(bundle)
    (home.keys / f"{role}.pem").unlink()
    with pytest.raises(FleetError, match=rf"{role} needs 1 of 1 keys .* {role}\.pem"):
        repository.publish(another(bundle, tmp_path / "2", 2))
    repository.rotate_keys(role)
    with served(home) as url:
        assert Device(home, url, tmp_path / "device").fetch(MODEL, 1) is not None


@pytest.mark.parametrize("cut", ["publish", "renew_root"])
@pytest.mark.parametrize("is_lost", [False, True])
@pytest.mark.parametrize("role", ROLES[1:])
def test_a_rotation_that_is_cut_short_is_made_good(
    home: FleetHome,
    repository: Repository,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    role: RoleName,
    is_lost: bool,
    cut: str,
) -> None:
    repository.publish(bundle)
    if is_lost:
        (home.keys / f"{role}.pem").unlink()

    def die(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Signatory, cut, die)
        repository.rotate_keys(role)
    with served(home) as url:
        if not (is_lost and cut == "publish"):  # else devices wait for the repair: nothing signs for the lost key
            assert Device(home, url, tmp_path / "meanwhile").fetch(MODEL, 1) is not None
        if is_lost and cut == "renew_root":
            repository.rotate_keys(role)
        repository.refresh()
        assert Device(home, url, tmp_path / "device").fetch(MODEL, 1) is not None
        assert not read_roles(MetadataFolder(home.metadata)).outdated
        repository.publish(another(bundle, tmp_path / "2", 2))
        assert Device(home, url, tmp_path / "device").fetch(MODEL, 2) is not None


def test_root_keys_may_lie_on_sticks(home: FleetHome, tmp_path: Path) -> None:
    sticks = [tmp_path / name for name in ("a", "b")]
    for number, stick in enumerate(sticks, start=1):
        stick.mkdir()
        (home.keys / f"root-{number}.pem").rename(stick / f"root-{number}.pem")
    (home.keys / "root-3.pem").unlink()
    with pytest.raises(FleetError, match=r"0 can be found; not here: root-1\.pem, root-2\.pem, root-3\.pem"):
        open_repository(home).rotate_keys("timestamp")
    with pytest.raises(FleetError, match=r"1 can be found; not here: root-2\.pem, root-3\.pem"):
        Repository.open(home, PASSPHRASE, sticks[:1]).rotate_keys("timestamp")
    assert not list(home.keys.glob("timestamp-*"))
    Repository.open(home, PASSPHRASE, sticks).rotate_keys("timestamp")
    assert (home.keys / "timestamp-2.pem").is_file()


def test_everyday_work_needs_no_root_key(home: FleetHome, bundle: Path) -> None:
    for path in home.keys.glob("root-*.pem"):
        path.unlink()
    repository = open_repository(home)
    repository.publish(bundle)
    repository.promote(MODEL, 1, "stable")
    assert repository.refresh(30).signed == ("snapshot", "timestamp")


@pytest.mark.parametrize(("count", "threshold"), [(0, 1), (1, 2), (1, None), (3, 0), (17, 2)])
def test_impossible_numbers_change_nothing(home: FleetHome, repository: Repository, count: int, threshold: int) -> None:
    with pytest.raises(FleetError, match="cannot need"):
        repository.rotate_keys("root", count, threshold)
    assert len(list(home.keys.glob("*.pem"))) == 6
    assert Metadata.from_file(str(home.metadata / "1.root.json")).signed.version == 1
    assert len(list(home.metadata.glob("*.root.json"))) == 1


def test_a_new_passphrase_comes_role_by_role(home: FleetHome, bundle: Path) -> None:
    new = "quite another five words"
    both = Repository.open(home, PASSPHRASE, new_passphrase=new)
    for role in ROLES[:0:-1]:
        with pytest.raises(FleetError, match="does not open"):
            Repository.open(home, new).publish(bundle)
        both.rotate_keys(role)
    Repository.open(home, new).publish(bundle)
    both.rotate_keys("root")
    Repository.open(home, new).rotate_keys("timestamp")
    with pytest.raises(FleetError, match="does not open"):
        open_repository(home).rotate_keys("timestamp")
    with pytest.raises(FleetError, match="characters"):
        Repository.open(home, new, new_passphrase="short").rotate_keys("timestamp")
