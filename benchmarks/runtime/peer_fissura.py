"""`fissura run` with all that it does: store on disk, MQTT, telemetry. The command itself, called in this process.

One more output stands beside the MQTT sink: it presses the stopwatch. Time ends when the broker has acknowledged all.

    python peer_fissura.py BUNDLE VIDEO PORT FOLDER [--threads 1] [--seconds 5]     prints one line of JSON
"""

from __future__ import annotations

import argparse
import io
import json
import platform
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from bare import engine_figures, frame_size, run_bare
from numpy.typing import NDArray
from stopwatch import Stopwatch

from edge_runtime.frame import Frame
from edge_runtime.plugins import Address
from edge_runtime.sinks import SINKS
from edge_runtime.sinks.sink import Deadline, Sink, SinkContext
from fissura.bundle import load_bundle
from fissura.cli import main as fissura
from fissura.config import Config
from fissura.errors import FissuraError
from fissura.messages import Detection

PACKAGES = {"opencv": "opencv-python-headless", "onnxruntime": "onnxruntime", "paho-mqtt": "paho-mqtt"}
stopwatch = Stopwatch()
figures: dict[str, Any] = {}


class StopwatchSink(Sink):
    """Presses the stopwatch at each frame; is flushed, and stops it, after the sinks before it."""

    config_class: ClassVar[type[Config]] = Config
    stage: ClassVar[str] = "stopwatch"

    def __init__(self, address: Address, config: Config, context: SinkContext) -> None:
        pass

    def put(self, frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32]) -> None:
        stopwatch.press()

    def flush(self, deadline: Deadline) -> None:
        figures.update(stopwatch.stop())

    def close(self, error: FissuraError | None = None) -> None:
        pass

    def totals(self) -> dict[str, int]:
        return {}


def main() -> None:
    """Run the command, and the bare engine before and after it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("port", type=int, help="of a broker on 127.0.0.1")
    parser.add_argument("folder", type=Path, help="for the message store")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0, help="of the bare engine, before and after")
    parser.add_argument("--size", type=frame_size, default=(480, 320))
    arguments = parser.parse_args()
    model = load_bundle(arguments.bundle).graph_path("segmentation")
    bare = partial(run_bare, model, arguments.threads, arguments.seconds / 2, arguments.size)
    before = bare()
    summary = run_command(arguments.bundle, arguments.video, arguments.port, arguments.folder, arguments.threads)
    engine = engine_figures(before + bare())
    sent = {name: summary[name] for name in ("published", "acknowledged", "left_in_spool", "drops")}
    print(json.dumps({**figures, "cracks": summary["detections"], **sent, **engine, "versions": versions()}))


def run_command(bundle: Path, video: Path, port: int, folder: Path, threads: int) -> dict[str, Any]:
    """Run the command; returns its summary."""
    SINKS["stopwatch"] = f"{__name__}:StopwatchSink"
    words = ["run", "--bundle", str(bundle), "--source", f"file:{video}", "--engine", "onnxruntime", "--json"]
    words += ["--threads", str(threads), "--spool", str(folder / "spool.sqlite"), "--serial", "bench"]
    words += ["--mode", "segmentation", "--flush-timeout", "60"]
    words += ["--sink", f"mqtt://127.0.0.1:{port}", "--sink", "stopwatch:"]
    with redirect_stdout(io.StringIO()) as printed:
        code = fissura(words)
    if code:
        raise SystemExit(code)
    summary: dict[str, Any] = json.loads(printed.getvalue().splitlines()[-1])
    return summary


def versions() -> dict[str, str]:
    """Of what ran."""
    found = {"python": platform.python_version(), "fissura": version("fissura"), "numpy": version("numpy")}
    return found | {name: version(package) for name, package in PACKAGES.items()}


if __name__ == "__main__":
    main()
