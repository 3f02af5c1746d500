"""A process that is killed at any of its writes, renames and the like leaves a device that starts, and goes on.

The kills are real: strace sends them when a system call is made for the n-th time.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fissura.bundle import load_bundle
from fissura.errors import RejectedError
from tests.edge_runtime.updates.device import Device, raising
from tests.edge_runtime.updates.signed_repository import SignedRepository, plain_bundle
from tests.edge_runtime.updates.web_server import serving

CHECKOUT = Path(__file__).resolve().parents[3]
# By kind, since the names differ with the architecture and the C library.
KINDS = {
    "write": ("write", "pwrite64"),
    "rename": ("rename", "renameat", "renameat2"),
    "fsync": ("fsync", "fdatasync"),
    "unlink": ("unlink", "unlinkat", "rmdir"),
    "mkdir": ("mkdir", "mkdirat"),
    "symlink": ("symlink", "symlinkat"),
    "link": ("link", "linkat"),
    "truncate": ("truncate", "ftruncate"),
}
SAMPLE = {"write": 1, "rename": 2, "fsync": 1, "unlink": 1, "mkdir": 1, "symlink": 1, "link": 1}

strace = shutil.which("strace")
pytestmark = pytest.mark.skipif(strace is None, reason="strace is not installed: sudo apt-get install strace")


@dataclass
class Scene:
    """A device and what it is about to do.

    Attributes:
        ends: phase and release in which a look may end, kill or not.
        state: the device's folder; copied for every kill.
        reason: for which every canary is rejected; empty: all do well.
        calls: how often each system call is made by the look.
    """

    ends: set[tuple[str, int]]
    reason: str
    folder: Path
    state: Path
    url: str
    root: Path
    factory: Path
    calls: Counter[str]

    def run(self, state: Path, *prefix: str) -> subprocess.CompletedProcess[str]:
        module = "tests.edge_runtime.updates.one_look"
        command = [*prefix, sys.executable, "-B", "-m", module, state, self.url, self.root, self.factory]
        command += [self.reason] if self.reason else []
        return subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, cwd=CHECKOUT, timeout=300
        )

    def copy(self, name: str) -> Path:
        """The device before the installation; hard links stay hard links."""
        target = self.folder / name
        subprocess.run(["cp", "-a", str(self.state), str(target)], check=True)
        return target


@contextmanager
def playing(
    folder: Path, ran: tuple[int, ...], ends: set[tuple[str, int]], reason: str = "", **gives: Any
) -> Iterator[Scene]:
    """A device that ran these releases, and a repository that gives out something else now."""
    repository = SignedRepository(folder / "repository")
    for number in (6, 7, 8):
        repository.publish(plain_bundle(folder / f"bundle-{number}", number), number)
    root = folder / "root.json"
    root.write_bytes(repository.root)
    factory = plain_bundle(folder / "factory", 0)
    with serving(repository.folder) as server:
        device = Device(folder / "device", server.url, repository.root, factory)
        for number in ran:
            repository.give(number)
            device.look()
        repository.give(**gives)
        scene = Scene(ends, reason, folder, folder / "device", server.url, root, factory, Counter())
        log = folder / "strace.log"
        names = ",".join(f"?{name}" for kind in KINDS.values() for name in kind)
        done = scene.run(scene.copy("undisturbed"), "strace", "-f", "-o", log, "-e", f"trace={names}")  # type: ignore[arg-type]
        if done.returncode != 0 and "ptrace" in done.stderr:
            pytest.skip(f"strace is not permitted here: {done.stderr.strip().splitlines()[-1]}")
        assert any(f'"phase": "{phase}"' in done.stdout for phase, _ in ends), done.stderr
        scene.calls.update(re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE))
        yield scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Release 8 is installed after 7."""
    folder = tmp_path_factory.mktemp("kills")
    with playing(folder, (6, 7), {("committed", 8), ("rolled_back", 7)}, release=8) as scene:
        yield scene


@pytest.fixture(scope="module")
def rejecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The canary rejects 8: back to 7."""
    with playing(tmp_path_factory.mktemp("kills"), (6, 7), {("rolled_back", 7)}, "nan: x", release=8) as scene:
        yield scene


@pytest.fixture(scope="module")
def revoking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """8 runs and is revoked: back to 7."""
    with playing(tmp_path_factory.mktemp("kills"), (7, 8), {("rolled_back", 7)}, release=7, revoked=(8,)) as scene:
        yield scene


def cut_and_restart(scene: Scene, name: str, when: int) -> None:
    """The invariant: the start after it opens the old or the new model, whole, and an end is reached."""
    folder = scene.copy(f"{name}-{when}")
    inject = f"inject={name}:signal=KILL:when={when}"
    cut = scene.run(folder, "strace", "-f", "-o", "/dev/null", "-e", f"trace={name}", "-e", inject)
    if cut.returncode == 0 and when == scene.calls[name]:
        return  # it reached its end: the number of calls differs by one now and then
    assert cut.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), (name, when, cut.stderr)

    device = Device(folder, scene.url, scene.root.read_bytes(), scene.factory)
    opened = load_bundle(device.boot()).manifest.lineage.seed
    if scene.reason:
        device.stream.on_canary = raising(RejectedError(scene.reason))
    found = (device.look(), device.check_active())
    where = f"{name} {when}: opened {opened}, then {found}: {device.events.told}"
    assert opened in (7, 8), where
    assert found in scene.ends, where
    assert len(device.events.ends) <= 1, where  # none if it was told before the kill
    reasons = ("crash:", "revoked:", scene.reason or "crash:")
    assert found[0] == "committed" or any(word in str(device.events.last) for word in reasons), where
    assert load_bundle(device.boot()).manifest.lineage.seed == found[1], where
    assert (device.look(), device.check_active()) == found, where  # and so it stays

    releases = {path.name for path in device.layout.releases.iterdir()}
    assert releases == {str(number) for number in (found[1], device.layout.number("previous")) if number}, where
    assert not list(device.layout.root.glob(".*")), where
    assert not list(device.layout.partial.iterdir()), where
    shutil.rmtree(folder)


def test_a_sample_of_kills(scene: Scene) -> None:
    cuts = 0
    for kind, wanted in SAMPLE.items():
        name, count = max(((name, scene.calls[name]) for name in KINDS[kind]), key=lambda item: item[1])
        assert count >= wanted, (kind, scene.calls)
        for number in range(wanted):
            cut_and_restart(scene, name, 1 + count * (2 * number + 1) // (2 * wanted))
            cuts += 1
    assert cuts == sum(SAMPLE.values())


@pytest.mark.parametrize("way", ["rejecting", "revoking"])
def test_a_sample_of_kills_on_the_way_back(way: str, request: pytest.FixtureRequest) -> None:
    scene: Scene = request.getfixturevalue(way)
    renames = scene.calls["rename"]
    for when in (renames - 1, renames):  # the link, and the verdict
        cut_and_restart(scene, "rename", when)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["rejecting", "revoking"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kill_on_the_way_back(way: str, kind: str, request: pytest.FixtureRequest) -> None:
    scene: Scene = request.getfixturevalue(way)
    for name in KINDS[kind]:
        for when in range(1, scene.calls[name] + 1):
            cut_and_restart(scene, name, when)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kill(scene: Scene, kind: str) -> None:
    cuts = 0
    for name in KINDS[kind]:
        for when in range(1, scene.calls[name] + 1):
            cut_and_restart(scene, name, when)
            cuts += 1
    assert cuts, f"the installation makes no {kind}"
