"""`fissura run` as a process that something happens to, and what became of all that it found."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from edge_runtime.spool import Spool
from tests.mosquitto import start_run


class Run:
    """One device: its spool and its list of all that it found outlive its processes.

    Args:
        bundle: the model.
        folder: for the list of what was found, and the spool unless another is given.
        broker: address of the MQTT output.
        spool: the message store.
    """

    def __init__(self, bundle: Path, folder: Path, broker: str, spool: Path | None = None) -> None:
        self._bundle = bundle
        self._folder = folder
        self._broker = broker
        self.spool = spool or folder / "spool.sqlite"

    def start(self, source: str, *more: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a process on a source."""
        words = ["--bundle", str(self._bundle), "--source", source, "--serial", "truck-07", "--mission", "m1", "--json"]
        words += ["--sink", self._broker, "--spool", str(self.spool), "--sink", f"jsonl:{self._folder}/found.jsonl"]
        return start_run(*words, "--threads", "1", *more, env=env)

    def found(self) -> set[str]:
        """Uuids of all that was found, as the other output noted them; a line that was cut by a kill is left out."""
        path = self._folder / "found.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return {json.loads(line)["uuid"] for line in lines if line.endswith("\n")}

    def left(self) -> set[str]:
        """Uuids of the detections that wait in the spool. Only while no process has it."""
        if not self.spool.exists():
            return set()
        spool = Spool(self.spool)
        rows = spool.take(100_000)
        spool.close()
        return {row.message.uuid for row in rows if row.message.topic.endswith("/detection")}


def finish(process: subprocess.Popen[str], timeout_s: float = 90) -> tuple[int, dict[str, Any], str]:
    """Wait for the end: exit code, summary (empty where there is none) and log, which has no traceback."""
    out, log = process.communicate(timeout=timeout_s)
    assert "Traceback" not in log, log
    return process.returncode, json.loads(out) if out.strip() else {}, log
