"""A publisher that is killed at any moment: devices go on with the old state or the new one, and so does the next one.

`strace` kills at the n-th call of one kind, for every n that a publication has.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.leftovers import ASIDE
from deploy.fleet.repository.passphrase import VARIABLE
from tests.deploy.fleet.repository.fleets import MODEL, PASSPHRASE, Device, another, open_repository, served

CALLS = ("write", "sendfile", "fsync", "rename", "unlink", "mkdir")
PUBLISH = """
import sys
from pathlib import Path
from deploy.fleet.home import FleetHome
from tests.deploy.fleet.repository.fleets import MODEL, open_repository
repository = open_repository(FleetHome(Path(sys.argv[1])))
print("begin", flush=True)
if sys.argv[2] == "rotate":
    repository.rotate_keys(sys.argv[3])
else:
    repository.publish(Path(sys.argv[2]))
    repository.promote(MODEL, 2, "stable")
"""

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace (Debian: apt-get install strace)")
Check = Callable[[FleetHome, Path], None]


@pytest.fixture
def published(home: FleetHome, bundle: Path, tmp_path: Path) -> tuple[FleetHome, Path]:
    repository = open_repository(home)
    repository.publish(another(bundle, tmp_path / "1", 1))
    repository.promote(MODEL, 1, "stable")
    return home, another(bundle, tmp_path / "2", 2)


def traced(*options: str, home: FleetHome, words: list[str], log: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["strace", "-f", "-o", str(log), *options, sys.executable, "-c", PUBLISH, str(home.root), *words],
        capture_output=True,
        check=False,
        timeout=120,
    )


def calls_of(home: FleetHome, words: list[str], tmp_path: Path) -> dict[str, range]:
    """Which calls of each kind a whole run makes after it began: numbers, as strace counts them."""
    log = tmp_path / "whole.log"
    copy = FleetHome(Path(shutil.copytree(home.root, tmp_path / "whole")))
    done = traced("-e", f"trace={','.join(CALLS)}", home=copy, words=words, log=log)
    assert done.returncode == 0, done.stderr.decode()
    lines = [line.split(maxsplit=1)[1] for line in log.read_text().splitlines()]
    begin = next(index for index, line in enumerate(lines) if line.startswith('write(1, "begin'))
    found = {}
    for call in CALLS:
        before = sum(line.startswith(f"{call}(") for line in lines[: begin + 1])
        after = sum(line.startswith(f"{call}(") for line in lines[begin + 1 :])
        found[call] = range(before + 1, before + after + 1)
    return found


def devices_go_on(home: FleetHome, tmp_path: Path) -> None:
    """Old devices and new ones find a whole state; the next publisher works and tidies up."""
    with served(home) as url:
        device = Device(home, url, tmp_path / "device")
        channel = device.channel()
        assert channel is not None
        assert channel.release in (1, 2)
        assert device.fetch(MODEL, channel.release) is not None
    repository = open_repository(home)
    if 2 not in repository.releases(MODEL):
        assert repository.publish(tmp_path / "2").release == 2
    repository.promote(MODEL, 2, "stable")
    with served(home) as url:
        for state in ("device", "new device"):
            device = Device(home, url, tmp_path / state)
            assert device.channel() == repository.channel("stable")
            assert device.fetch(MODEL, 2) is not None
    left = [path for path in home.metadata.parent.rglob(".*") if re.fullmatch(ASIDE, path.name)]
    assert not left or channel.release == 2  # nobody has swept where nothing was left to do


def kill_everywhere(
    home: FleetHome, words: list[str], tmp_path: Path, chosen: Callable[[str, range], list[int]]
) -> int:
    calls = calls_of(home, words, tmp_path)
    assert all(calls[call] for call in ("write", "fsync", "rename")), calls
    cuts = 0
    for call, numbers in calls.items():
        for number in chosen(call, numbers):
            scene = tmp_path / f"{call}-{number}"
            copy = FleetHome(Path(shutil.copytree(home.root, scene / "fleet")))
            (scene / "2").symlink_to(tmp_path / "2")
            option = f"inject={call}:signal=KILL:when={number}"
            done = traced("-e", f"trace={call}", "-e", option, home=copy, words=words, log=scene / "log")
            assert done.returncode == -signal.SIGKILL, (call, number, done.stderr.decode())
            devices_go_on(copy, scene)
            shutil.rmtree(scene)
            cuts += 1
    return cuts


def test_killed_at_some_renames(published: tuple[FleetHome, Path], tmp_path: Path) -> None:
    home, bundle = published

    def chosen(call: str, numbers: range) -> list[int]:
        return [numbers[index] for index in (0, len(numbers) // 2, -1)] if call == "rename" else []

    assert kill_everywhere(home, [str(bundle)], tmp_path, chosen) == 3


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_at_every_call_of_a_publication(published: tuple[FleetHome, Path], tmp_path: Path) -> None:
    home, bundle = published
    (home.metadata / ".2.targets-abcd1234.json").write_text("half of a file")  # is removed: one more call to die at
    cuts = kill_everywhere(home, [str(bundle)], tmp_path, lambda call, numbers: list(numbers))
    assert cuts > 50


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_killed_at_every_call_of_a_rotation(published: tuple[FleetHome, Path], tmp_path: Path, role: str) -> None:
    home, _ = published
    cuts = kill_everywhere(home, ["rotate", role], tmp_path, lambda call, numbers: list(numbers))
    assert cuts > 10


def test_killed_at_any_moment(published: tuple[FleetHome, Path], tmp_path: Path) -> None:
    home, bundle = published
    chance = random.Random(7)
    for number in range(3):
        scene = tmp_path / f"scene-{number}"
        copy = FleetHome(Path(shutil.copytree(home.root, scene / "fleet")))
        (scene / "2").symlink_to(bundle)
        process = subprocess.Popen(
            [sys.executable, "-c", PUBLISH, str(copy.root), str(bundle)],
            stdout=subprocess.PIPE,
            env={**os.environ, VARIABLE: PASSPHRASE},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"begin\n"
        time.sleep(chance.uniform(0, 0.06))  # a publication and a promotion take about so long
        process.kill()
        process.wait()
        devices_go_on(copy, scene)
