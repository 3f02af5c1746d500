"""How much memory a frame takes, by its size: in one piece, in tiles, and by the cascade.

    python benchmarks/cascade/memory.py BUNDLE FRAME

runs `fissura run` on one frame of each size, made by repeating the picture FRAME, and takes the highest resident memory
of each process. What must grow with the frame is the probability map (4 bytes for each pixel at full scale) and what
finding cracks in it takes; what tiles keep constant is the engine's part. It writes
`benchmarks/results/cascade/memory.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import numpy as np

from edge_runtime.probe import processor
from fissura.bundle import load_bundle
from fissura.files import write_text
from fissura.imaging.images import RgbImage, read_rgb, write_rgb
from fissura.table import format_table

RESULTS = Path(__file__).parents[1] / "results" / "cascade" / "memory.json"
SIZES = {"480x320": (320, 480), "960x640": (640, 960), "1920x1080": (1080, 1920), "3840x2160": (2160, 3840)}
WAYS = {
    "one piece": ("--mode", "fused"),
    "full": ("--mode", "full"),
    "cascade": ("--mode", "cascade"),
    "lr-only": ("--mode", "lr-only"),
}
LARGEST_IN_ONE_PIECE_PX = 960 * 640  # beyond, the machine's memory would not do
MB = 2**20


def peak_mb(words: list[str]) -> float:
    """The highest resident memory of a command, MB.

    Raises:
        RuntimeError: it fails.
    """
    with TemporaryFile() as errors:
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)  # the usage of this very child
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(words)} failed: {errors.read().decode(errors='replace')[-500:]}")
    return usage.ru_maxrss * 1024 / MB


def repeated(picture: RgbImage, height: int, width: int) -> RgbImage:
    """A frame of that size, every second copy mirrored so that they meet."""
    block = np.concatenate([picture, picture[:, ::-1]], axis=1)
    block = np.concatenate([block, block[::-1]], axis=0)
    times = (-(-height // block.shape[0]), -(-width // block.shape[1]), 1)
    return np.ascontiguousarray(np.tile(block, times)[:height, :width])


def main() -> None:
    """Run every way at every size, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("frame", type=Path)
    parser.add_argument("--sizes", nargs="+", choices=tuple(SIZES), default=tuple(SIZES))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    scale, picture = load_bundle(arguments.bundle).manifest.scale, read_rgb(arguments.frame)
    rows: list[dict[str, Any]] = []
    for name in arguments.sizes:
        height, width = SIZES[name]
        with TemporaryDirectory(prefix="fissura-memory-") as folder:
            write_rgb(Path(folder, "frame.png"), repeated(picture, height, width))
            for way, mode in WAYS.items():
                if way == "one piece" and height * width > LARGEST_IN_ONE_PIECE_PX:
                    continue
                words = [sys.executable, "-m", "fissura", "run", "--bundle", str(arguments.bundle), "--threads", "1"]
                words += ["--source", f"folder:{folder}", "--sink", f"jsonl:{folder}/found.jsonl", *mode]
                map_mb = 0.0 if way == "lr-only" else height * width * scale**2 * 4 / MB
                rows.append({"frame": name, "way": way, "peak_mb": round(peak_mb(words)), "map_mb": round(map_mb, 1)})
                print(rows[-1], flush=True)
    result = {
        "command": "python benchmarks/cascade/memory.py BUNDLE FRAME",
        "bundle": load_bundle(arguments.bundle).manifest.name,
        "scale": scale,
        "processor": processor(),
        "rows": rows,
    }
    write_text(arguments.out, json.dumps(result, indent=2) + "\n")
    print(
        format_table(
            ("frame", "way", "peak MB", "map MB"), [tuple(map(str, row.values())) for row in rows], right=(2, 3)
        )
    )


if __name__ == "__main__":
    main()
