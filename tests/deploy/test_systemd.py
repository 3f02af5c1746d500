"""The unit files, as systemd itself judges them."""

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
from edge_runtime.updates.config import UpdatesConfig
from fissura.config import load_config

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNIT = FOLDER / "fissura-run.service"
AGENT = FOLDER / "fissura-agent.service"
EXAMPLE = FOLDER / "run.yaml"
NEWER = {"RestartSteps", "RestartMaxDelaySec"}  # of systemd 254
PASSED_OVER = re.compile(r"Unknown (?:key|key name|lvalue) '(\w+)'")


def settings(key: str, unit: Path = UNIT) -> list[str]:
    """Every value of a key."""
    return [value for line in unit.read_text().splitlines() if (value := line.removeprefix(f"{key}=")) != line]


@pytest.fixture(params=[UNIT, AGENT], ids=lambda unit: unit.stem)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit, with a program that is installed here."""
    copy = tmp_path / request.param.name
    copy.write_text(request.param.read_text().replace("/opt/fissura/venv/bin/fissura", sys.executable))
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


@pytest.mark.parametrize("file", [UNIT, AGENT], ids=lambda file: file.stem)
def test_it_is_started_again_for_ever_and_watched(file: Path) -> None:
    assert settings("Type", file) == ["notify"] and settings("Restart", file) == ["always"]
    assert settings("StartLimitIntervalSec", file) == ["0"]
    (watchdog_s,) = settings("WatchdogSec", file)
    assert int(watchdog_s) >= 20  # fed at half of it, by a thread that looks once a second
    (stop_s,) = settings("TimeoutStopSec", file)
    assert int(stop_s) > RunConfig.model_fields["flush_timeout"].default + 10


def test_the_example_is_a_configuration_and_fits_the_unit() -> None:
    (command,) = settings("ExecStart")
    assert command.endswith(f"fissura run --config /etc/fissura/{EXAMPLE.name}")
    config = load_config(RunConfig, EXAMPLE)
    (credential,) = settings("LoadCredential")
    assert config.password_file == Path("/run/credentials") / UNIT.name / credential.partition(":")[0]
    assert config.source[0].uri.partition(":")[0] in SOURCES
    assert config.sink[0].partition(":")[0] in SINKS


def test_the_agent_has_an_example_of_its_own_and_lets_its_run_speak() -> None:
    (command,) = settings("ExecStart", AGENT)
    assert command.endswith("fissura agent --config /etc/fissura/run.yaml --updates /etc/fissura/updates.yaml")
    updates = load_config(UpdatesConfig, FOLDER / "updates.yaml")
    assert updates.report is not None
    credentials = {name.partition(":")[0] for name in settings("LoadCredential", AGENT)}
    assert updates.report.key == Path("/run/credentials") / AGENT.name / "device-key" and "device-key" in credentials
    assert updates.state.is_relative_to("/var/lib/fissura")  # StateDirectory
    assert settings("NotifyAccess", AGENT) == ["all"] and settings("KillMode", AGENT) == ["mixed"]
    own = {"Description", "Conflicts", "ExecStart", "NotifyAccess", "KillMode", "TimeoutStopSec", "OOMPolicy"}
    other = {line for file in (UNIT, AGENT) for line in file.read_text().splitlines() if "=" in line and line[0] != "#"}
    both = set(UNIT.read_text().splitlines()) & set(AGENT.read_text().splitlines())
    assert {line.partition("=")[0] for line in other - both} == own | {"LoadCredential"}  # shut in alike
