"""The unit file, as systemd itself judges it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.run.config import RunConfig
from edge_runtime.sinks import SINKS
from edge_runtime.sources import SOURCES
from fissura.config import load_config

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNIT = FOLDER / "fissura-run.service"
EXAMPLE = FOLDER / "run.yaml"
NEWER = {"RestartSteps", "RestartMaxDelaySec"}  # of systemd 254
PASSED_OVER = re.compile(r"Unknown (?:key|key name|lvalue) '(\w+)'")


def settings(key: str) -> list[str]:
    """Every value of a key."""
    return [value for line in UNIT.read_text().splitlines() if (value := line.removeprefix(f"{key}=")) != line]


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is installed here."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/fissura/venv/bin/fissura", sys.executable))
    return copy


def test_systemd_finds_nothing_wrong(unit: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: sudo apt-get install systemd")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if unit.name in line]
    unknown = [match[1] for line in complaints if (match := PASSED_OVER.search(line))]
    assert set(unknown) <= NEWER and len(unknown) == len(complaints), done.stderr
    assert done.returncode == 0, done.stderr


def test_systemd_finds_it_well_shut_in(unit: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: sudo apt-get install systemd")
    words = ["systemd-analyze", "security", "--offline=true", "--threshold=45", "--no-pager", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze rates no files")
    assert done.returncode == 0, done.stdout[-500:] + done.stderr


def test_it_is_started_again_for_ever_and_watched() -> None:
    assert settings("Type") == ["notify"] and settings("Restart") == ["always"]
    assert settings("StartLimitIntervalSec") == ["0"]
    (watchdog_s,) = settings("WatchdogSec")
    assert int(watchdog_s) >= 20  # fed at half of it, by a thread that looks once a second
    (stop_s,) = settings("TimeoutStopSec")
    assert int(stop_s) > RunConfig.model_fields["flush_timeout"].default + 10


def test_the_example_is_a_configuration_and_fits_the_unit() -> None:
    (command,) = settings("ExecStart")
    assert command.endswith(f"fissura run --config /etc/fissura/{EXAMPLE.name}")
    config = load_config(RunConfig, EXAMPLE)
    (credential,) = settings("LoadCredential")
    assert config.password_file == Path("/run/credentials") / UNIT.name / credential.partition(":")[0]
    assert config.source[0].uri.partition(":")[0] in SOURCES
    assert config.sink[0].partition(":")[0] in SINKS
