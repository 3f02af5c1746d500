"""What a figure depends on: bundle, engine, machine, its state, versions. Without them no two results compare."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import cv2

from edge_runtime.bench.rig import Rig, Setting
from edge_runtime.hardware.sensors import Reading, Sensors
from edge_runtime.local_broker import find_mosquitto
from edge_runtime.probe import package_version, processor
from fissura.bundle import Bundle
from fissura.imaging.images import RgbImage

PACKAGES = ("numpy", "opencv-python-headless", "paho-mqtt", "onnxruntime", "openvino", "tensorrt")


class DeviceState:
    """What the device says about itself before and after.

    Attributes:
        sensors: read at the beginning and at the end.
    """

    def __init__(self) -> None:
        self.sensors = Sensors()
        self._before = self.sensors.read()
        self._load_before = os.getloadavg()[0]

    def figures(self) -> dict[str, Any]:
        """Before and after, side by side; None where the device does not say."""
        before, after = self._before, self.sensors.read()
        return {
            "load_average": [round(self._load_before, 2), round(os.getloadavg()[0], 2)],
            "clocks_mhz": _both(before.clocks_mhz, after.clocks_mhz),
            "temperatures_c": _both(before.temperatures_c, after.temperatures_c),
            "throttled": _throttled(before, after),
        }


def conditions(bundle: Bundle, rig: Rig, setting: Setting, scenes: Sequence[RgbImage], origin: str) -> dict[str, Any]:
    """What was measured, and with what.

    Args:
        bundle: the model.
        rig: what was measured.
        setting: how it was run.
        scenes: the frames.
        origin: where they come from.
    """
    height, width = scenes[0].shape[:2]
    return {
        "frame_px": [width, height],
        "frames_from": origin,
        "mode": rig.whole.mode,
        "precision": setting.precision or "fp32",
        "threads": setting.options["threads"],
        "engine": rig.whole.engine,
        "engine_options": {name: value for name, value in setting.options.items() if name != "threads"},
        "bundle": bundle.manifest.name,
        "bundle_id": bundle.id,
        "processor": processor(),
        "output": "mqtt" if rig.broker else "file",
        "versions": {
            "fissura": version("fissura"),
            "python": platform.python_version(),
            **{name: found for name in PACKAGES if (found := package_version(name)) is not None},
            "opencv": cv2.__version__,
            "mosquitto": _mosquitto_version(),
        },
    }


def _both(before: dict[str, float], after: dict[str, float]) -> dict[str, list[float]] | None:
    return {name: [value, after[name]] for name, value in before.items() if name in after} or None


def _throttled(before: Reading, after: Reading) -> bool | None:
    said = [reading.throttled for reading in (before, after) if reading.throttled is not None]
    return any(said) if said else None


def _mosquitto_version() -> str | None:
    """As the broker says it: its first line of help is ``mosquitto version 2.0.11``."""
    program = find_mosquitto()
    if program is None:
        return None
    try:
        said = subprocess.run([program, "-h"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = said.split("\n", 1)[0].split()
    return words[2] if len(words) > 2 else None
