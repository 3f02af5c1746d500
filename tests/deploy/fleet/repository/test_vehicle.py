"""What is published here is what the vehicle's own client reads."""

from __future__ import annotations

from pathlib import Path
from urllib.request import urlopen

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.repository import Repository
from edge_runtime.updates.repository import TrustedRepository
from fissura.release import release_target
from tests.deploy.fleet.repository.fleets import MODEL, another, served


def test_the_vehicle_follows_releases_and_rotations(
    home: FleetHome, repository: Repository, bundle: Path, tmp_path: Path
) -> None:
    root = (home.metadata / "1.root.json").read_bytes()
    repository.publish(bundle)
    repository.promote(MODEL, 1, "stable")
    with served(home) as url:
        vehicle = TrustedRepository(url, root, tmp_path / "tuf")
        assert vehicle.look().channel("stable") == repository.channel("stable")
        published = repository.publish(another(bundle, tmp_path / "2", 2))
        repository.promote(MODEL, 2, "stable", percent=10)
        for role in ("timestamp", "root", "targets", "snapshot"):
            repository.rotate_keys(role)
        view = vehicle.look()
        assert view.channel("stable") == repository.channel("stable")
        assert view.release(MODEL, 2) == published
        for file in published.files:
            target = view.target(release_target(MODEL, 2, file.path))
            with urlopen(target.url) as answer:
                target.file.verify_length_and_hashes(answer.read())
