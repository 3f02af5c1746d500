"""Finds out what the machine has, without loading an inference library or torch into this process."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

DEVICE_TREE_MODEL = Path("/proc/device-tree/model")
TIMEOUT_S = 30


def processor() -> str:
    """Name of the CPU, and how many cores this process may use."""
    model = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith(("model name", "hardware")):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass  # not Linux
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{model}, {cores} core{'s' if cores > 1 else ''}"


def memory_gib() -> tuple[float, float] | None:
    """Total and available memory in GiB; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
    return kib["MemTotal"] / 2**20, kib["MemAvailable"] / 2**20


def package_version(distribution: str, module: str | None = None) -> str | None:
    """Version of an installed package; None where it is not installed.

    Args:
        distribution: name on the package index.
        module: importable name, for packages that a system installs without metadata (TensorRT on a Jetson).
    """
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown version" if module and find_spec(module) else None


def ask_python(code: str) -> tuple[Any, str]:
    """Run code in another interpreter, so that a library that crashes takes only that one with it.

    Args:
        code: prints one JSON document as its last line.

    Returns:
        The document and "", or None and the last line of the error.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer in {TIMEOUT_S} s"
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return None, lines[-1] if lines else f"ended with code {done.returncode}"
    return json.loads(done.stdout.strip().splitlines()[-1]), ""


def gpus() -> list[str]:
    """NVIDIA GPUs with memory and driver, as `nvidia-smi` names them; on a Jetson the board."""
    found = []
    if (board := device_tree_model()) is not None and "jetson" in board.lower():
        found.append(board)
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return found
    return found + [line.strip() for line in done.stdout.splitlines() if line.strip() and done.returncode == 0]


def device_tree_model() -> str | None:
    """The board's name, where a device tree gives one (Jetson, Raspberry Pi)."""
    try:
        return DEVICE_TREE_MODEL.read_text(encoding="utf-8", errors="replace").strip("\x00\n ") or None
    except OSError:
        return None


def cameras() -> list[str]:
    """Video devices with the name that the driver gives them."""
    found = []
    for device in sorted(Path("/dev").glob("video*")):
        label = Path("/sys/class/video4linux", device.name, "name")
        found.append(f"{device} ({label.read_text(encoding='utf-8').strip()})" if label.is_file() else str(device))
    return found
