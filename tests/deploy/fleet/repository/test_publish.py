from __future__ import annotations

import json
import shutil
from pathlib import Path

import onnx
import pytest
from tuf.api.exceptions import RepositoryError

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.repository import Repository
from deploy.fleet.repository.roles import read_roles
from fissura.bundle import MANIFEST_NAME
from fissura.errors import BundleError, FleetError, HashMismatchError
from fissura.files import sha256
from fissura.release import Channel, TensorRtRange
from tests.deploy.fleet.repository.fleets import MODEL, Device, another, open_repository, served


def test_a_device_gets_what_was_published(
    home: FleetHome, repository: Repository, bundle: Path, tmp_path: Path
) -> None:
    published = repository.publish(
        bundle, hardware=["jetson-orin-*"], tensorrt=TensorRtRange(oldest="10.3", newest="11"), oldest_fissura="0.1.0"
    )
    assert (published.model, published.release) == (MODEL, 1)
    assert {file.path for file in published.files} == {path.name for path in bundle.iterdir()}
    with served(home) as url:
        assert Device(home, url, tmp_path / "device").fetch(MODEL, 1) == published
    assert repository.release(MODEL, 1) == published


def test_targets_carry_their_hash_in_front(home: FleetHome, repository: Repository, bundle: Path) -> None:
    repository.publish(bundle)
    files = [path for path in home.targets.rglob("*") if path.is_file()]
    assert len(files) == len(list(bundle.iterdir())) + 1
    assert all(path.name.startswith(f"{sha256(path)}.") for path in files)


def test_a_file_that_the_manifest_does_not_name_stays_at_home(
    home: FleetHome, repository: Repository, bundle: Path, tmp_path: Path
) -> None:
    extra = another(bundle, tmp_path / "extra", 1)
    (extra / "password.txt").write_text("secret")
    repository.publish(extra)
    assert not list(home.targets.rglob("*password*"))


def test_the_same_bundle_twice_is_refused_and_named(repository: Repository, bundle: Path) -> None:
    repository.publish(bundle)
    with pytest.raises(FleetError, match=f"published before, as release 1 of {MODEL}"):
        repository.publish(bundle)
    assert repository.releases(MODEL) == [1]


def test_a_bundle_whose_release_was_revoked_comes_again_under_a_new_number(
    repository: Repository, bundle: Path, tmp_path: Path
) -> None:
    repository.publish(another(bundle, tmp_path / "1", 1))
    repository.publish(bundle)
    repository.promote(MODEL, 1, "stable")
    repository.promote(MODEL, 2, "stable")
    repository.revoke(MODEL, 2)
    assert repository.publish(bundle).release == 3


def test_a_number_is_given_once_even_if_its_release_is_gone(
    repository: Repository, bundle: Path, tmp_path: Path
) -> None:
    repository.publish(bundle)
    repository.publish(another(bundle, tmp_path / "2", 2))
    roles = read_roles(repository._metadata)
    targets = roles.targets.signed.targets
    for name in [name for name in targets if name.startswith(f"{MODEL}/2/")]:
        del targets[name]
    repository._signatory.publish(roles)
    assert repository.releases(MODEL) == [1]
    assert repository.publish(another(bundle, tmp_path / "3", 3)).release == 3


def test_weights_outside_of_the_graph_are_refused(
    home: FleetHome, repository: Repository, bundle: Path, tmp_path: Path
) -> None:
    outside = Path(shutil.copytree(bundle, tmp_path / "outside"))
    path = outside / "segmentation.onnx"
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    manifest = json.loads((outside / MANIFEST_NAME).read_text())
    manifest["files"][path.name] = {"sha256": sha256(path), "size_bytes": path.stat().st_size}
    (outside / MANIFEST_NAME).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="external data"):
        repository.publish(outside)
    assert not list(home.targets.iterdir())


def test_a_bundle_that_changes_while_it_is_copied_is_refused(
    home: FleetHome, repository: Repository, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copyfile(source: Path, target: Path) -> None:
        data = bytearray(source.read_bytes())
        data[-1] ^= 1
        target.write_bytes(data)

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    with pytest.raises(HashMismatchError, match="changed while"):
        repository.publish(bundle)
    assert repository.releases(MODEL) == []
    assert not [path for path in home.targets.rglob("*") if path.is_file()]


@pytest.mark.parametrize("tampered", ["targets", "metadata"])
def test_a_changed_byte_is_seen_by_the_operator_and_by_the_device(
    home: FleetHome, repository: Repository, bundle: Path, tmp_path: Path, tampered: str
) -> None:
    repository.publish(bundle)
    repository.set_channel(Channel(channel="stable", model=MODEL, release=1))
    folder = home.targets / "channel" if tampered == "targets" else home.metadata
    path = max(folder.glob("*.stable.json" if tampered == "targets" else "*.targets.json"), key=lambda p: p.name)
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(FleetError):
        repository.channel("stable")
    with served(home) as url, pytest.raises(RepositoryError):
        Device(home, url, tmp_path / "device").channel()


def test_two_processes_see_each_other(home: FleetHome, bundle: Path, tmp_path: Path) -> None:
    first, second = open_repository(home), open_repository(home)
    first.publish(bundle)
    assert second.publish(another(bundle, tmp_path / "2", 2)).release == 2
    assert first.releases(MODEL) == [1, 2]
    assert first.models() == [MODEL]
