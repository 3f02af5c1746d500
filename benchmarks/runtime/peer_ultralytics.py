"""Ultralytics' `predict(stream=True)` on a segmentation network in ONNX Runtime; the results are taken, not published.

The network is ultralytics' own description of YOLO11 for segmentation, at its scales n, s and m and at widths between
them, so that one costs about as much as the network it stands beside. Its weights are random: it finds nothing, and no
time goes into masks. Ultralytics passes no number of threads on to ONNX Runtime: the session gets it from here.

    python peer_ultralytics.py export FOLDER [--size 480x320]      makes FOLDER/yolo11-*.onnx
    python peer_ultralytics.py run MODEL.onnx VIDEO [--threads 1] [--seconds 5]     prints one line of JSON
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from functools import partial
from pathlib import Path
from typing import Any

from bare import engine_figures, frame_size, run_bare, session_options
from stopwatch import Stopwatch

# Depth, width and most channels, as ultralytics' description has them for its scales n, s and m.
SCALES = {
    "w12": (0.5, 0.125, 1024),
    "w17": (0.5, 0.17, 1024),
    "n": (0.5, 0.25, 1024),
    "w35": (0.5, 0.35, 1024),
    "s": (0.5, 0.5, 1024),
    "w60": (0.5, 0.6, 1024),
    "w75": (0.5, 0.75, 768),
    "m": (0.5, 1.0, 512),
}
OFFLINE = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser("export")
    export.add_argument("folder", type=Path)
    run = commands.add_parser("run")
    run.add_argument("model", type=Path)
    run.add_argument("video", type=Path)
    run.add_argument("--threads", type=int, default=1)
    run.add_argument("--seconds", type=float, default=5.0, help="of the bare engine, before and after")
    for command in (export, run):
        command.add_argument("--size", type=frame_size, default=(480, 320))
    arguments = parser.parse_args()
    folder = arguments.folder if arguments.command == "export" else arguments.model.parent
    os.environ.update(OFFLINE, YOLO_CONFIG_DIR=str(folder.absolute()))  # and not the user's own settings
    if arguments.command == "export":
        export_models(arguments.folder, arguments.size)
        return
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # of PyTorch, which prepares frames
    give_threads(arguments.threads)
    bare = partial(run_bare, arguments.model, arguments.threads, arguments.seconds / 2, arguments.size)
    before = bare()
    figures = run_predict(arguments.model, arguments.video, arguments.size)
    print(json.dumps({**figures, **engine_figures(before + bare()), "versions": versions()}))


def export_models(folder: Path, size: tuple[int, int]) -> None:
    """Export every scale that is not there yet."""
    import yaml
    from ultralytics import YOLO  # type: ignore[import-not-found]
    from ultralytics.utils import ROOT  # type: ignore[import-not-found]

    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)  # where ultralytics leaves its files
    description = yaml.safe_load((ROOT / "cfg/models/11/yolo11-seg.yaml").read_text(encoding="utf-8"))
    for scale, constants in SCALES.items():
        name = f"yolo11-{scale}-{size[0]}x{size[1]}"
        if Path(f"{name}.onnx").exists():
            continue
        text = yaml.safe_dump(description | {"scales": {scale: list(constants)}})
        Path(f"{name}.yaml").write_text(text, encoding="utf-8")
        YOLO(f"{name}.yaml", task="segment").export(format="onnx", imgsz=[size[1], size[0]], simplify=False)


def give_threads(threads: int) -> None:
    """Make every session of ONNX Runtime in this process as the other peers make theirs."""
    import onnxruntime

    plain = onnxruntime.InferenceSession

    def session(path: Any, options: Any = None, **more: Any) -> Any:
        return plain(path, options or session_options(threads), **more)

    onnxruntime.InferenceSession = session


def run_predict(model: Path, video: Path, size: tuple[int, int]) -> dict[str, Any]:
    """Every frame of the video."""
    from ultralytics import YOLO

    stopwatch, found = Stopwatch(), 0
    results = YOLO(str(model), task="segment").predict(
        str(video), stream=True, imgsz=[size[1], size[0]], device="cpu", verbose=False
    )
    for result in results:
        found += 0 if result.masks is None else len(result.masks)
        stopwatch.press()
    return stopwatch.stop() | {"cracks": found}


def versions() -> dict[str, str]:
    """Of what ran."""
    import cv2
    import numpy
    import onnxruntime
    import torch
    import ultralytics

    return {
        "python": platform.python_version(),
        "ultralytics": ultralytics.__version__,
        "torch": torch.__version__,
        "opencv": cv2.__version__,
        "onnxruntime": onnxruntime.__version__,
        "numpy": numpy.__version__,
    }


if __name__ == "__main__":
    main()
