"""Running the scripts of this folder, each in the Python of its own environment."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fissura.errors import EngineError

HERE = Path(__file__).parent
TIMEOUT_S = 600
LAST_WORDS = 2000  # characters of standard error


def ask(command: Sequence[str]) -> dict[str, Any]:
    """Run a script that prints a line of JSON.

    Args:
        command: the Python, a file of this folder, and its arguments.

    Raises:
        EngineError: it fails.
    """
    found: dict[str, Any] = json.loads(run(command).splitlines()[-1])
    return found


def run(command: Sequence[str]) -> str:
    """Run a script; returns what it prints. See `ask`."""
    python, script, *words = command
    command = [python, str(HERE / script), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise EngineError(f"{script} ended with code {done.returncode}: {done.stderr[-LAST_WORDS:]}")
    return done.stdout
