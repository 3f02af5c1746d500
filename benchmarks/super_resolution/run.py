"""What super-resolution in front of a segmentation costs, and what it brings: DBPN, the light ABPN and interpolation.

    python benchmarks/super_resolution/trainings.py
    python benchmarks/super_resolution/run.py

The first trains the variants that have a recipe (`train/recipes/edge/deepcrack256-*.yaml`), one after another. The
second counts parameters and GFLOPs (two a multiply-accumulate) of all variants, times them in ONNX Runtime on one
thread, the super-resolution graph alone and fused with the segmentation of those recipes, and scores what is trained
with `fissura eval --protocol cssr`. It writes `benchmarks/results/super_resolution/`: `result.json`, `README.md`,
`cost.png` and, where something is trained, `quality.png`. FISSURA_DATA names the data sets. `--keep-times` scores anew
and leaves the times of `result.json` as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import summary
import torch
from timing import measure, session
from timing import summary as summary_of
from variants import REFERENCE, VARIANTS, Variant

from export.onnx import export_graph
from fissura.bundle import Role
from fissura.files import write_text
from train.config import load_recipe
from train.model import ModelConfig, build_model
from train.networks import NETWORKS, SUPER_RESOLUTION_NETWORKS, build_network
from train.networks.count import count

RESULTS = Path(__file__).parents[1] / "results" / "super_resolution"
FRAMES = {"64x64": (64, 64), "160x120": (120, 160)}  # width x height: (rows, columns)
ROLES: tuple[Role, ...] = ("super_resolution", "fused")
DATA, SPLIT = "deepcrack256", "test_clean"
Key = tuple[str, str, Role]  # variant, frame, graph


def model_config(variant: Variant) -> ModelConfig:
    """The reference's recipe with another super-resolution."""
    recipe = load_recipe(next(other.recipe for other in VARIANTS if other.label == REFERENCE and other.recipe), {})
    return ModelConfig.model_validate({**recipe.model.model_dump(), "super_resolution": variant.options})


def cost(variant: Variant) -> dict[str, Any]:
    """Parameters and GFLOPs of the super-resolution network."""
    with torch.device("meta"):
        network = build_network(SUPER_RESOLUTION_NETWORKS, variant.options)
        gflops = {frame: round(2 * count(network, size).gmacs, 4) for frame, size in FRAMES.items()}
        return {"parameters": sum(p.numel() for p in network.parameters()), "halo_px": network.halo, "gflops": gflops}


def segmentation_cost() -> dict[str, Any]:
    """Parameters and GFLOPs of the segmentation network on the enlarged frames."""
    options = model_config(VARIANTS[0]).segmentation
    scale = VARIANTS[0].options["scale"]
    with torch.device("meta"):
        network = build_network(NETWORKS, options)
        gflops = {
            frame: round(2 * count(network, (scale * rows, scale * columns)).gmacs, 4)
            for frame, (rows, columns) in FRAMES.items()
        }
    return {"options": options, "parameters": sum(p.numel() for p in network.parameters()), "gflops": gflops}


def timed(rounds: int, most_s: float) -> dict[str, Any]:
    """By variant, frame and graph; see `timing.summary`."""
    reference = calls(next(variant for variant in VARIANTS if variant.label == REFERENCE))
    found = {}
    for variant in VARIANTS:  # one at a time beside the reference: sessions keep the memory that they once took
        own = {} if variant.label == REFERENCE else calls(variant)
        times = measure(reference | own, rounds, most_s)
        found[variant.label] = {
            frame: {
                role: summary_of(times[variant.label, frame, role], times[REFERENCE, frame, role]) for role in ROLES
            }
            for frame in FRAMES
        }
        print(variant.label, json.dumps(found[variant.label]), flush=True)
    return found


def calls(variant: Variant) -> dict[Key, Callable[[], object]]:
    """Its graphs on each frame, by variant, frame and graph."""
    generator = np.random.default_rng(0)
    images = {frame: generator.integers(0, 256, (1, *size, 3), np.uint8) for frame, size in FRAMES.items()}
    torch.manual_seed(0)
    model = build_model(model_config(variant)).eval()
    runs = {role: session(export_graph(model, role).onnx) for role in ROLES}
    return {
        (variant.label, frame, role): partial(run, image)
        for role, run in runs.items()
        for frame, image in images.items()
    }


def quality(runs: Path) -> tuple[dict[str, dict[str, float]], str | None]:
    """Scores of the run folders that are complete, and the command that gave them."""
    found = {
        variant.label: runs / variant.recipe.replace("/", "-")
        for variant in VARIANTS
        if variant.recipe and (runs / variant.recipe.replace("/", "-") / "checkpoint" / "checkpoint.json").is_file()
    }
    if not found:
        return {}, None
    words = ["eval", "--protocol", "cssr", "--cross", DATA, "--split", SPLIT, "--json"]
    words += ["--models", *map(str, found.values()), "--names", *found]
    done = subprocess.run([sys.executable, "-m", "fissura", *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)  # it has said why
    models = json.loads(done.stdout)["models"]
    return {label: models[label]["scores"] for label in found}, f"fissura {' '.join(words)}"


def processor() -> str:
    """The processor's name, as the kernel gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main() -> None:
    """Count, time, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the run folders (default: runs)")
    parser.add_argument("--rounds", type=int, default=31, help="timed rounds (default: 31)")
    parser.add_argument("--most", type=float, default=15, metavar="S", help="seconds that a graph may take in all")
    parser.add_argument("--keep-times", action="store_true", help="take the times from the result that is there")
    parser.add_argument("--out", type=Path, default=RESULTS, help="result folder")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    stored = arguments.out / "result.json"
    if arguments.keep_times:
        result = json.loads(stored.read_text())
        times = {row["variant"]: row["times"] for row in result["variants"]}
    else:
        times = timed(arguments.rounds, arguments.most)
        result = {
            "command": f"python {' '.join(sys.argv)}",
            "rounds": arguments.rounds,
            "segmentation": segmentation_cost(),
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in ("torch", "onnx", "onnxruntime", "numpy")},
            "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()},
        }
    scores, command = quality(arguments.runs)
    result["scored_by"] = command
    result["variants"] = [
        {
            "variant": variant.label,
            "family": variant.family,
            "options": variant.options,
            "recipe": variant.recipe,
            **cost(variant),
            "times": times[variant.label],
            "quality": scores.get(variant.label),
        }
        for variant in VARIANTS
    ]
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_text(stored, json.dumps(result, indent=2) + "\n")
    print(summary.write(result, arguments.out))


if __name__ == "__main__":
    main()
