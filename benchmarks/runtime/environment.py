"""The environment of the peers, which have no place in fissura's own: 6 GB with PyTorch's libraries.

    python benchmarks/runtime/environment.py FOLDER      then FOLDER/bin/python is what peers.py wants

Ultralytics is under the AGPL: it is installed and run here for a comparison, nothing of fissura uses it.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

# torchvision has to fit torch; the rest is what there is.
PACKAGES = (
    "torch==2.14.1",
    "torchvision==0.29.1",
    "ultralytics",
    "onnx",
    "onnxruntime",
    "opencv-python-headless",
    "paho-mqtt",
)


def main() -> int:
    """Make the environment in the folder that the command line names; returns pip's exit code."""
    folder = Path(sys.argv[1])
    venv.create(folder, with_pip=True)
    return subprocess.run([folder / "bin" / "python", "-m", "pip", "install", *PACKAGES], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
