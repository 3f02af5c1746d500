"""The tutorial "A fleet in ten commands", as it stands on its page, with ports that are free here."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "tutorials" / "fleet.md"
PORTS = ("8000", "8883")


def commands() -> list[str]:
    """The lines of the page's first block of commands."""
    block = re.search(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return block[1].splitlines()


def free_ports(count: int) -> list[str]:
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the commands touch of a checkout."""
    (tmp_path / "examples").mkdir()
    shutil.copytree(ROOT / "examples" / "fleet", tmp_path / "examples" / "fleet")
    (tmp_path / "examples" / "bundles").symlink_to(ROOT / "examples" / "bundles")
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    return tmp_path


@pytest.mark.skipif(shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") is None, reason="needs mosquitto")
@pytest.mark.timeout(280)
def test_ten_commands_bring_a_signed_release_to_a_device(checkout: Path) -> None:
    lines = commands()
    assert len(lines) == 10
    script = "\n".join(["set -eu", *lines, "fissura fleet status --json"])
    for port, free in zip(PORTS, free_ports(len(PORTS)), strict=True):
        script = script.replace(port, free)
        for path in (checkout / "examples" / "fleet").iterdir():
            path.write_text(path.read_text(encoding="utf-8").replace(port, free))
    bin_folder = checkout / "bin"
    bin_folder.mkdir()
    (bin_folder / "fissura").write_text(f'#!/bin/sh\nexec {sys.executable} -m fissura "$@"\n')
    (bin_folder / "fissura").chmod(0o755)
    path = f"{bin_folder}:{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=checkout,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        stdout=(checkout / "out").open("w"),  # no pipe: what runs on in the background would hold it open
        stderr=(checkout / "err").open("w"),
        start_new_session=True,
    )
    try:
        code = shell.wait(timeout=240)
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
    out = (checkout / "out").read_text()
    assert code == 0, out + (checkout / "err").read_text()
    status = json.loads(out[out.index("\n{\n") :])
    assert status["devices"] == {"known": 1, "online": 1, "by_phase": {"committed": 1}, "by_active": {"1": 1}}
    assert [one["state"] for one in status["rollouts"]] == ["done"]
    assert (checkout / "fleet" / "truck-07" / "active").readlink() == Path("releases/1")
