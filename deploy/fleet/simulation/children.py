"""Processes that the simulation starts, and that end with it, however it ends."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fissura.errors import FleetError

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
PATIENCE_S = 5.0


def _end_with_parent() -> None:
    """In the child: the kernel kills it when the thread that started it dies. In a session of its own: a Ctrl-C is for
    the simulation, which then ends the others in order.
    """
    os.setsid()
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start(
    command: Sequence[str | Path], log: Path, *, piped: bool = False, more: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a process; from the simulation's main thread, which outlives it.

    Args:
        command: and its arguments.
        log: takes what it prints, at the end of what is there.
        piped: whether its input and output go to us instead; errors go to the log anyway.
        more: environment variables.
    """
    with log.open("a") as stream:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else stream,
            stderr=stream,
            text=True,
            bufsize=1,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(more or {})},
            preexec_fn=_end_with_parent,
        )


def end(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> int:
    """End a process, by force if need be; returns how it ended."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    return process.returncode


def resident_bytes(pid: int) -> int:
    """Resident memory of a process now, bytes; 0: it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def raise_open_files(needed: int) -> None:
    """Let this process and its children have so many sockets.

    Raises:
        FleetError: the system does not let us.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise FleetError(
            f"so many devices need {needed} open files; this machine's hard limit is {hard}",
            expected=f"`ulimit -Hn` of {needed} or more",
            fix=f"as root: ulimit -Hn {needed}, or `* hard nofile {needed}` in /etc/security/limits.conf and a new"
            " login; in a container: --ulimit nofile; or fewer --devices",
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
