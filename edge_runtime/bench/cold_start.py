"""How long a process needs from its start to its first result, measured in a process of its own.

    python -m edge_runtime.bench.cold_start BUNDLE CLOCK_NS SETTING_JSON FRAME.npy

is what `measure_cold_start` starts; it prints one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.bench.decoded import Decoded
from edge_runtime.bench.rig import Setting, open_rig
from edge_runtime.camera import Camera
from edge_runtime.counters import Counters
from edge_runtime.pipeline import Pipeline
from edge_runtime.sinks.sink import Deadline
from edge_runtime.stages import StageTimes
from fissura.bundle import load_bundle
from fissura.errors import EngineError
from fissura.imaging.images import RgbImage

TIMEOUT_S = 600.0  # some engines are built first
FLUSH_TIMEOUT_S = 30.0


def measure_cold_start(bundle: Path, setting: Setting, frame: RgbImage) -> dict[str, float | None]:
    """Start a process that looks at one frame.

    What the file system has in its memory it keeps: this is a process's start, not the device's.

    Returns:
        Seconds from the start of the process: `import_s` until the runtime is imported, `bundle_s` until the bundle is
        checked, `engine_s` until engine and output are open, `result_s` until the first frame's cracks are given
        to the output, `ack_s` until the broker has them; None: there is none, or no crack in the frame. And
        `first_inference_ms`.

    Raises:
        EngineError: the process fails.
    """
    with tempfile.TemporaryDirectory(prefix="fissura-cold-") as folder:
        path = Path(folder) / "frame.npy"
        np.save(path, frame)
        words = {"mode": setting.mode, "kind": setting.kind, "options": setting.options, "precision": setting.precision}
        command = [sys.executable, "-m", "edge_runtime.bench.cold_start", str(bundle)]
        command += [str(time.monotonic_ns()), json.dumps(words, default=str), str(path)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"the cold start gave no result in {TIMEOUT_S:g} s") from error
    if done.returncode:
        raise EngineError(f"the cold start failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    found: dict[str, float | None] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _start(bundle_path: Path, began_ns: int, setting: Setting, frame: RgbImage) -> dict[str, Any]:
    def passed_s() -> float:
        return round((time.monotonic_ns() - began_ns) / 1e9, 4)

    found: dict[str, Any] = {"import_s": passed_s()}
    bundle = load_bundle(bundle_path)
    found["bundle_s"] = passed_s()
    with open_rig(bundle, setting) as rig:
        found["engine_s"] = passed_s()
        counters, times = Counters(), StageTimes()
        camera = Camera(Decoded([frame], 1), "every_frame")
        pipeline = Pipeline([camera], rig.model, rig.thread, [rig.sink], rig.task, counters, times)
        pipeline.run()
        found["result_s"] = passed_s()
        found["ack_s"] = None
        if rig.broker and counters.snapshot().detections:
            deadline = Deadline(FLUSH_TIMEOUT_S)
            deadline.start()
            rig.sink.flush(deadline)
            if deadline.remaining_s() > 0:
                found["ack_s"] = passed_s()
        stages = times.medians()
        found["first_inference_ms"] = round(sum(stages.get(step.stage, 0.0) for step in rig.whole.steps), 3)
    return found


def main() -> None:
    """Print what was measured."""
    _, bundle, began_ns, setting, frame = sys.argv
    print(json.dumps(_start(Path(bundle), int(began_ns), Setting(**json.loads(setting)), np.load(frame))))


if __name__ == "__main__":
    main()
