"""The processes that play the full devices."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from deploy.fleet.simulation import children
from deploy.fleet.simulation.full_worker import Order
from deploy.fleet.simulation.ledger import Ledger, Step

MOST_IN_ONE = 150


class Workers:
    """Starts at once.

    Args:
        order: for all devices; they are dealt out to processes.
        ledger: of their steps.
        log: for what goes wrong.
    """

    def __init__(self, order: Order, ledger: Ledger, log: Path) -> None:
        self.processes: list[subprocess.Popen[str]] = []
        self._of: dict[str, subprocess.Popen[str]] = {}
        self._threads: list[threading.Thread] = []
        count = -(-len(order.serials) // MOST_IN_ONE)
        for number in range(count):
            serials = order.serials[number::count]
            command = [sys.executable, "-m", "deploy.fleet.simulation.full_worker"]
            process = children.start(command, log, piped=True)
            self.processes.append(process)
            self._of |= dict.fromkeys(serials, process)
            _write(process, replace(order, serials=serials).to_json())
            thread = threading.Thread(target=_read, args=(process, ledger), daemon=True)
            thread.start()
            self._threads.append(thread)

    def switch(self, serials: Iterable[str], action: Literal["appear", "vanish"]) -> None:
        """Switch devices on or off; takes a while."""
        by_process: dict[int, list[str]] = {}
        for serial in serials:
            if serial in self._of:
                by_process.setdefault(self._of[serial].pid, []).append(serial)
        for process in self.processes:
            if process.pid in by_process:
                _write(process, json.dumps({"serials": by_process[process.pid], "action": action}))

    def close(self) -> None:
        """End all of them."""
        for process in self.processes:
            children.end(process)
        for thread in self._threads:
            thread.join(children.PATIENCE_S)


def _write(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _read(process: subprocess.Popen[str], ledger: Ledger) -> None:
    assert process.stdout is not None
    try:
        for line in process.stdout:
            ledger.note(Step(*json.loads(line)))
    except ValueError:  # closed, or the last line is cut: it was ended
        return
