"""The Dockerfile as far as it can be proven without a Docker Engine."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edge_runtime.counters import Counters
from edge_runtime.health.config import HealthConfig
from edge_runtime.health.monitor import Health
from edge_runtime.stages import StageTimes
from tests.edge_runtime.health.readings import STATE

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Instructions and their arguments, continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def arguments(word: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == word]


def copied() -> list[str]:
    """What is copied from the checkout."""
    sources = [rest.split()[:-1] for rest in arguments("COPY") if not rest.startswith("--from")]
    return [name for names in sources for name in names]


def test_only_known_instructions() -> None:
    known = {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL"}
    assert {word for word, _ in instructions()} <= known | {"ENTRYPOINT", "CMD"}


def test_what_is_copied_exists_and_is_let_in() -> None:
    assert len(copied()) >= 6
    patterns = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    let_in = [pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")]
    for name in copied():
        assert (ROOT / name).exists(), name
        assert any(fnmatch.fnmatch(name, pattern) for pattern in let_in), name


def test_what_is_copied_suffices_to_build_the_wheel(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    for name in copied():
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "wheels")]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    (wheel,) = (tmp_path / "wheels").glob("fissura-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"fissura/cli.py", "edge_runtime/health/monitor.py"} <= set(names)


def test_the_shells_lines_are_correct(tmp_path: Path) -> None:
    for line in arguments("RUN"):
        subprocess.run(["sh", "-n", "-c", line], check=True, timeout=20)


def test_it_does_not_run_as_root_and_ends_on_sigterm() -> None:
    assert arguments("USER")[-1] == "fissura"
    assert arguments("STOPSIGNAL") == ["SIGTERM"]  # which `fissura run` takes as a wish to end
    words = [word for word, _ in instructions()]
    assert words.index("USER") > max(index for index, word in enumerate(words) if word == "RUN")


def test_what_it_starts_exists() -> None:
    (entry,), (command,) = arguments("ENTRYPOINT"), arguments("CMD")
    assert json.loads(entry) == ["/opt/fissura/venv/bin/fissura"]
    verb, option, path = json.loads(command)
    done = subprocess.run(
        [sys.executable, "-m", "fissura", verb, "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert option in done.stdout and path == "/etc/fissura/run.yaml"


def test_the_health_check_tells_green_from_red(tmp_path: Path) -> None:
    (check,) = arguments("HEALTHCHECK")
    interpreter, flag, code = json.loads(check.partition("CMD ")[2])
    assert (interpreter, flag) == ("/opt/fissura/venv/bin/python", "-c")
    (port,) = arguments("EXPOSE")
    assert f":{port}/" in code
    counters = Counters(["front"])
    counters.frame_arrived("front")
    health = Health(HealthConfig(address="0"), counters, StageTimes(), lambda: STATE)
    code = code.replace(f":{port}/", f":{health.port}/")
    health.start()

    def ask() -> int:
        return subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False).returncode

    assert ask() == 0
    health.stopping()
    deadline = 50
    while ask() == 0 and deadline:
        deadline -= 1
    assert ask() == 1
    health.close()
    assert ask() == 1  # nobody listens
