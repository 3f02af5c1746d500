from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.lock import only_publisher
from deploy.fleet.repository.repository import Repository
from fissura.errors import FleetError
from tests.deploy.fleet.repository.fleets import MODEL, Device, another, open_repository, served

HOLD = """
import sys, time
from pathlib import Path
from deploy.fleet.repository.lock import only_publisher
with only_publisher(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_publisher_at_a_time_and_a_dead_one_holds_nobody_up(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(FleetError, match="another process"), only_publisher(tmp_path, patience_s=0.3):
            pass
    finally:
        other.kill()
        other.wait()
    with only_publisher(tmp_path, patience_s=30):
        pass


def test_a_long_copy_holds_nobody_up(
    home: FleetHome, repository: Repository, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.publish(bundle)
    other = another(bundle, tmp_path / "large", 2)
    begun, go_on = threading.Event(), threading.Event()
    really_copy = shutil.copyfile

    def copy(source: Path, target: Path) -> None:
        begun.set()
        assert go_on.wait(60)
        really_copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", copy)
    thread = threading.Thread(target=lambda: open_repository(home).publish(other))
    thread.start()
    try:
        assert begun.wait(60)
        with only_publisher(home.root, patience_s=0.0):
            pass
        assert repository.promote(MODEL, 1, "stable").release == 1
    finally:
        go_on.set()
        thread.join()
    assert repository.releases(MODEL) == [1, 2]
    assert not (home.targets / ".incoming").exists()


def test_many_publishers_lose_nothing(home: FleetHome, bundle: Path, tmp_path: Path) -> None:
    bundles = [another(bundle, tmp_path / f"bundle-{number}", number) for number in range(6)]
    threads = [
        threading.Thread(target=lambda folder: open_repository(home).publish(folder), args=(folder,))
        for folder in bundles
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    repository: Repository = open_repository(home)
    assert repository.releases(MODEL) == [1, 2, 3, 4, 5, 6]
    assert len({repository.release(MODEL, number).bundle_id for number in range(1, 7)}) == 6
    with served(home) as url:
        assert Device(home, url, tmp_path / "device").fetch(MODEL, 6) is not None
