"""The command as a process: broker, server, controllers and devices are real ones."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.fleet.simulation import children
from fissura.cli import main
from fissura.errors import FleetError
from tests.mosquitto import wait_until

pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"]) is None,
    reason="mosquitto is not installed: sudo apt-get install mosquitto",
)


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "fissura", "fleet", "simulate", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def simulate(folder: Path, *words: str, timeout_s: float) -> dict[str, Any]:
    process = start(folder, *words, "--json")
    try:
        out, errors = process.communicate(timeout=timeout_s)
    finally:
        process.kill()
    assert process.returncode == 0, errors + out
    result: dict[str, Any] = json.loads(out)
    return result


def test_a_small_fleet(tmp_path: Path) -> None:
    words = ["--devices", "60", "--full", "10", "--day", "6", "--waves", "100", "--scenarios", "good"]
    out = tmp_path / "out"
    result = simulate(tmp_path / "tmp", *words, "--out", str(out), timeout_s=200)
    assert result["holds"]
    assert [wave["percent"] for wave in result["good"]["waves"]] == [100]
    assert result["good"]["running"] == 60
    assert result["messages"]["ends_stored"] == 60
    assert result["served"]["statuses"]["200"] > 60
    assert not list((tmp_path / "tmp").iterdir())
    assert json.loads((out / "simulation.json").read_text()) == result
    assert "![plots](simulation.png)" in (out / "simulation.md").read_text()
    assert (out / "simulation.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_a_simulation_that_is_ended_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path / "tmp", "--devices", "40", "--full", "5", "--day", "6", "--scenarios", "good")
    try:
        assert process.stderr is not None
        assert "are connected" in process.stderr.readline()
        parent = psutil.Process(process.pid)
        assert wait_until(lambda: len(parent.children()) >= 4)  # broker, server, devices, controller
        started = parent.children(recursive=True)
        process.send_signal(number)
        process.communicate(timeout=60)
        expected = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}
        assert process.returncode == expected[number]
        assert wait_until(lambda: not any(child.is_running() for child in started))
        assert number == signal.SIGKILL or not list((tmp_path / "tmp").iterdir())
    finally:
        process.kill()


@pytest.mark.slow
def test_a_small_fleet_whose_operator_and_broker_are_killed(tmp_path: Path) -> None:
    words = ["--devices", "60", "--full", "10", "--day", "8", "--waves", "50,100", "--failing", "0.1"]
    result = simulate(tmp_path, *words, timeout_s=280)
    assert result["holds"], result["acceptance"]
    assert result["bad"]["pause"].startswith("failures")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_thousand_devices_and_all_scenarios(tmp_path: Path) -> None:
    words = ["--devices", "2000", "--full", "40", "--day", "40", "--waves", "10,50,100", "--failing", "0.06"]
    result = simulate(tmp_path / "tmp", *words, timeout_s=800)
    assert result["holds"], result["acceptance"]
    assert result["bad"]["state"] == "aborted"
    assert result["bad"]["wave"] == 0
    assert result["bad"]["pause"].startswith("failures")
    assert result["offline"]["away"] == 600
    assert not result["loop_errors"]


@pytest.mark.parametrize(
    "words",
    [
        ["--devices", "3"],
        ["--devices", "60", "--full", "61"],
        ["--devices", "60", "--day", "0"],
        ["--devices", "60", "--waves", "50"],
        ["--devices", "60", "--waves", "a,b"],
        ["--devices", "60", "--scenarios", "bad"],
        ["--devices", "60", "--failing", "2"],
    ],
)
def test_a_command_line_that_cannot_be(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "simulate", *words]) == 2
    assert "expected" in capsys.readouterr().err


def test_more_devices_than_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this machine has no limit on open files")
    with pytest.raises(FleetError) as caught:
        children.raise_open_files(hard + 1)
    assert "ulimit -Hn" in caught.value.fix


def test_a_child_that_does_not_want_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "PATIENCE_S", 0.2)
    program = "import signal, time; signal.signal(15, signal.SIG_IGN); print('here', flush=True); time.sleep(600)"
    process = children.start([sys.executable, "-c", program], tmp_path / "log", piped=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    began = time.monotonic()
    assert children.end(process) == -signal.SIGKILL
    assert time.monotonic() - began < 60
