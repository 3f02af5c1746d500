"""Clocks of the processor and of the GPU."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.hardware.sysfs import found, read_int

HIGHEST_MHZ = 20_000.0
# How devfreq names the GPUs of Jetsons: 17000000.ga10b or .gpu (Orin), 17000000.gv11b (Xavier), gpu-gpc-0 (Thor).
GPU_NAMES = ("gpu", "ga10b", "gv11b", "gp10b", "gm20b", "gb10b")


class Clocks:
    """Reads `cpu`, the fastest core at the moment, and `gpu`; idle cores of the same chip say nothing about its limit.

    Args:
        root: of the file system.
    """

    def __init__(self, root: Path) -> None:
        # Cores of one cluster share a policy, and a clock.
        cpu = found(root, "sys/devices/system/cpu/cpufreq/policy*/scaling_cur_freq")
        self._cpu_khz = cpu or found(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
        folders = found(root, "sys/class/devfreq/*")
        self._gpu_hz = [folder / "cur_freq" for folder in folders if any(name in folder.name for name in GPU_NAMES)]
        self._gpu_mhz = found(root, "sys/class/drm/card[0-9]*/gt_act_freq_mhz")  # Intel

    def read(self) -> dict[str, float]:
        """Megahertz by unit; units that do not say are left out."""
        units = {
            "cpu": _fastest(self._cpu_khz, 1e-3),
            "gpu": _fastest(self._gpu_hz, 1e-6) or _fastest(self._gpu_mhz, 1.0),
        }
        return {unit: clock for unit, clock in units.items() if clock is not None}


def _fastest(paths: list[Path], factor: float) -> float | None:
    values = [value * factor for path in paths if (value := read_int(path)) is not None]
    return max((value for value in values if 0 < value < HIGHEST_MHZ), default=None)
