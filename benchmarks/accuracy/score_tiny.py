"""Score the shipped bundle and write `examples/bundles/scores.json`, with the commands that made the figures.

FISSURA_DATA=... python benchmarks/accuracy/score_tiny.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUNDLE = "examples/bundles/tiny"
LISTS = {
    "sample images": ("examples/images",),
    "cracksc test list": ("cracksc",),
    "cracksc test list, full resolution": ("cracksc", "--mode", "segmentation"),
    "cfd test list, full resolution": ("cfd", "--mode", "segmentation"),
}
KEPT = (
    "f1",
    "precision",
    "recall",
    "threshold",
    "ois_f1",
    "iou",
    "images",
    "mode",
    "tolerance_px",
    "at_bundle_threshold",
)


def main() -> None:
    """Score each list."""
    results = {}
    for label, (data, *mode) in LISTS.items():
        words = ["eval", BUNDLE, data, "--protocol", "ods", "--tolerance", "2", *mode, "--json"]
        finished = subprocess.run(
            [sys.executable, "-m", "fissura", *words], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT
        )
        scores = json.loads(finished.stdout)
        results[label] = {"command": " ".join(("fissura", *words)), **{key: scores[key] for key in KEPT}}
        print(f"{label}: F1 {scores['f1']:.4f}")
    path = ROOT / "examples" / "bundles" / "scores.json"
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
