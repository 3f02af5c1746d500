"""A controller that is killed at any moment goes on: no wave skipped, none signed twice, the audit unbroken."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.fleet.registry.registry import Registry
from tests.deploy.fleet.rollout.fleet_fakes import FileSigner

PROGRAM = [sys.executable, "-m", "tests.deploy.fleet.rollout.moving_process"]


def start(folder: Path, waves: tuple[int, ...]) -> subprocess.Popen[str]:
    command = [*PROGRAM, str(folder), ",".join(map(str, waves))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(folder: Path, waves: tuple[int, ...]) -> None:
    _, errors = (process := start(folder, waves)).communicate(timeout=60)
    assert process.returncode == 0, errors


def check(folder: Path, waves: tuple[int, ...]) -> None:
    with Registry(folder / "fleet.sqlite") as registry:
        (rollout,) = registry.rollouts()
        assert rollout.state == "done"
        assert [wave.percent for wave in registry.waves(rollout.id)] == list(waves)
        assert all(wave.started_s is not None and wave.ended_s is not None for wave in registry.waves(rollout.id))
        registry.verify_audit()
        entries = [(entry.action, entry.details) for entry in registry.audit()]
    percents = [details["channel"]["percent"] for action, details in entries if action == "sign"]  # type: ignore[index]
    assert percents == list(waves)
    assert [details["percent"] for action, details in entries if action == "wave over"] == list(waves)
    signed = [channel.percent for channel in FileSigner(folder / "channels").history()]
    # The history is written before the channel, so that a kill in between shows a signature that was not.
    assert list(dict.fromkeys(signed)) == list(waves)
    assert signed == sorted(signed)


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path) -> None:
    random_ = random.Random(7)
    waves = tuple(range(2, 101, 2))
    kills = 0
    for _ in range(200):
        process = start(tmp_path, waves)
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":  # done, or killed before
            process.wait()
            break
        time.sleep(random_.uniform(0, 0.12))
        kills += process.poll() is None
        process.kill()
        process.communicate()
    finish(tmp_path, waves)
    assert kills >= 2
    check(tmp_path, waves)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: sudo apt-get install strace")
@pytest.mark.parametrize("call", ["pwrite64", "rename", "fdatasync", "fsync", "write"])
def test_killed_at_every_kind_of_write(tmp_path: Path, call: str) -> None:
    waves = (50, 100)
    moments = 0
    for when in range(1, 200, 11 if call == "pwrite64" else 3):
        folder = tmp_path / str(when)
        folder.mkdir()
        inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
        inject += ["-e", f"inject={call}:signal=KILL:when={when}"]
        process = subprocess.run(
            [*inject, *PROGRAM, str(folder), "50,100"], capture_output=True, text=True, timeout=120
        )
        if process.returncode == 0:
            break
        if "ptrace" in process.stderr:
            pytest.skip("strace may not trace here")
        moments += 1
        finish(folder, waves)
        check(folder, waves)
    assert moments >= 1


def test_a_kill_between_signing_and_writing_it_down_signs_once(tmp_path: Path) -> None:
    """The narrowest gap, without luck: the process dies within `set_channel`, after the channel is out."""
    waves = (50, 100)
    program = f"""
import os, sys
from pathlib import Path
from tests.deploy.fleet.rollout import fleet_fakes, moving_process
real = fleet_fakes.FileSigner.set_channel
def set_channel(self, channel, expected):
    real(self, channel, expected=expected)
    if channel.percent == int(sys.argv[1]):
        os.kill(os.getpid(), 9)
fleet_fakes.FileSigner.set_channel = set_channel
moving_process.main(Path({str(tmp_path)!r}), (50, 100))
"""
    for percent in waves:
        process = subprocess.run([sys.executable, "-c", program, str(percent)], capture_output=True, timeout=60)
        assert process.returncode == -9
    finish(tmp_path, waves)
    check(tmp_path, waves)
    assert [channel.percent for channel in FileSigner(tmp_path / "channels").history()] == list(waves)
