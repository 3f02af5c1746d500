"""The counter shows on a terminal and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

COUNT = "from fissura.progress import progress\nprint(sum(progress([1, 2, 4], 'adding', 3)))"


def test_counts_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run([sys.executable, "-c", COUNT], stdout=subprocess.PIPE, stderr=theirs, timeout=60, check=True)
    os.close(theirs)
    shown = os.read(ours, 1000).decode()
    os.close(ours)
    assert done.stdout == b"7\n"
    assert "adding 1/3" in shown
    assert shown.rstrip("\x1b[K").rstrip("\r").endswith("adding 3/3")


def test_is_silent_in_a_pipe() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (b"7\n", b"")
