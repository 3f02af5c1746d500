"""A disk with no room for a release: the old repository stays good, and can still be signed anew."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.fleet.home import FleetHome
from tests.deploy.fleet.repository.fleets import MODEL, Device, another, open_repository, served
from tests.small_disk import small_disk

SIZE_BYTES = 4 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", SIZE_BYTES) as folder:
        yield folder


@pytest.mark.parametrize("free_bytes", range(0, 28_672, 4096))
def test_a_release_without_room_changes_nothing(
    template: FleetHome, bundle: Path, tmp_path: Path, disk: Path, free_bytes: int
) -> None:
    home = FleetHome(Path(shutil.copytree(template.root, disk / "fleet")))
    repository = open_repository(home)
    repository.publish(bundle)
    repository.promote(MODEL, 1, "stable")
    fill(disk, free_bytes)
    with pytest.raises(OSError) as raised:
        repository.publish(another(bundle, tmp_path / "2", 2))
    assert raised.value.errno == errno.ENOSPC
    assert repository.releases(MODEL) == [1]
    assert not [path for path in (home.targets / MODEL / "2").rglob("*") if path.is_file()]
    with served(home) as url:
        assert Device(home, url, tmp_path / "device").fetch(MODEL, 1) is not None
        if free_bytes:
            assert repository.refresh(2).signed == ("timestamp",)
        (disk / "filler").unlink()
        assert repository.publish(tmp_path / "2").release == 2
        assert Device(home, url, tmp_path / "device").fetch(MODEL, 2) is not None


def fill(disk: Path, free_bytes: int) -> None:
    state = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(state.f_bavail * state.f_frsize - free_bytes))
    assert os.statvfs(disk).f_bavail * state.f_frsize == free_bytes
