"""Processes whose clock is really wrong: libfaketime under the whole of Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.edge_runtime.updates.device import Device
from tests.edge_runtime.updates.signed_repository import SignedRepository

CHECKOUT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(
    shutil.which("faketime") is None, reason="faketime is not installed: sudo apt-get install faketime"
)


@pytest.fixture
def look(tmp_path: Path, device: Device) -> Callable[..., dict[str, Any]]:
    def look(offset: str, folder: str = "device") -> dict[str, Any]:
        """A start of a device whose clock is off by so much."""
        root = device.config.root
        command = ["faketime", "-f", offset, sys.executable, "-m", "tests.edge_runtime.updates.one_look"]
        done = subprocess.run(
            [*command, str(tmp_path / folder), device.config.url, str(root), str(device.factory)],
            capture_output=True,
            text=True,
            cwd=CHECKOUT,
            timeout=120,
            env={**os.environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return look


def test_an_old_clock_does_not_make_expired_metadata_valid(
    look: Callable[..., dict[str, Any]], device: Device, repository: SignedRepository
) -> None:
    device.look()
    repository.days = -1
    repository.give(8)
    assert look("+0d")["phase"].startswith("expired:")
    found = look("-10d")
    assert (found["phase"], found["active"], found["opened"]) == ("deferred", 7, 7)
    assert found["reason"].startswith("clock:")


def test_nor_on_a_device_that_was_wiped(look: Callable[..., dict[str, Any]], repository: SignedRepository) -> None:
    repository.days = -1
    repository.sign()
    (repository.folder.parent / "wiped").mkdir()
    found = look("-400d", folder="wiped")
    assert (found["phase"], found["active"]) == ("deferred", None)
    assert found["reason"].startswith("clock:")


def test_a_clock_far_ahead_installs_nothing_and_does_no_lasting_harm(
    look: Callable[..., dict[str, Any]], device: Device, repository: SignedRepository
) -> None:
    device.look()
    repository.give(8)
    found = look("+4000d")
    assert found["phase"].startswith("expired:")
    assert (found["active"], found["opened"]) == (7, 7)
    assert look("+0d")["active"] == 8
