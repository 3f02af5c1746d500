"""What INT8 brings on a CPU, and what it costs in accuracy.

    fissura train edge/cfd-unet --out runs/edge-cfd-unet
    fissura train edge/cfd-light --out runs/edge-cfd-light
    fissura train cfd-fast --out runs/cfd-fast
    python benchmarks/precision/run.py unet=runs/edge-cfd-unet light=runs/edge-cfd-light strided=runs/cfd-fast

For each run: a bundle with every precision, made as `fissura export` makes it. Ranges come from 32 images of CFD's
training list, and the gate scores on what is left of it; the drop that is reported is measured on CFD's test list,
which had no part in either (the recipes score on it while they train, but nothing is chosen by that). Times are of the
bare engines at 480x320, one thread, all engines and precisions taking turns in an order that is drawn anew each round;
speed is the median over rounds of ONNX Runtime's fp32 time by the engine's.
Writes `benchmarks/results/precision/`: `result.json`, `README.md`, `speed.png`. FISSURA_DATA names the data sets.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import summary

from edge_runtime.engines import open_engine
from edge_runtime.engines.engine import Engine
from edge_runtime.probe import processor
from export.lower import LowerOptions
from export.package import PackageOptions, export_bundle
from fissura.bundle import Bundle, VariantName
from fissura.dataset import Dataset, find_dataset, load_dataset, read_sample
from fissura.files import write_text
from fissura.imaging.encode import crop, encode
from fissura.metrics.ods import Ods
from fissura.progress import progress
from train.checkpoint import load_checkpoint

RESULTS = Path(__file__).parents[1] / "results" / "precision"
WIDTH, HEIGHT = 480, 320
WARM_UP = 3
VARIANTS: tuple[VariantName, ...] = ("fp16", "int8-portable", "int8-cpu")
# Engine, its options, and the precisions that are worth their time in it.
ENGINES: dict[str, tuple[str, dict[str, object], tuple[VariantName | None, ...]]] = {
    "onnxruntime": ("onnxruntime", {"threads": 1}, (None, "int8-portable", "int8-cpu")),
    "openvino": ("openvino", {"threads": 1}, (None, "int8-portable", "int8-cpu")),
    "openvino bf16": ("openvino", {"threads": 1, "precision": "bf16"}, (None,)),
}
Row = dict[str, Any]


def export(run: Path, folder: Path) -> Bundle:
    """The run as a bundle with every precision."""
    calibration = load_dataset(find_dataset("cfd"), "train", drop=("042",))
    options = PackageOptions(name=folder.name, lower=LowerOptions(variants=VARIANTS))
    return export_bundle(load_checkpoint(run), folder, calibration, options)


def measure(bundle: Bundle, test: Dataset, rounds: int) -> list[Row]:
    """Every engine at every precision: speed, and scores on the test list."""
    batch = encode(read_sample(test.samples[0])[0][:HEIGHT, :WIDTH], bundle.graph("segmentation").input)[0].copy()
    with ExitStack() as stack:
        engines: dict[tuple[str, str], Engine] = {}
        for label, (kind, options, variants) in ENGINES.items():
            for variant in variants:
                graph = bundle.graph("segmentation", variant)
                engine = open_engine(kind, bundle.graph_path("segmentation", variant), graph, options)
                stack.callback(engine.close)
                engines[label, variant or "fp32"] = engine
        times = _times(engines, batch, rounds)
        base = ("onnxruntime", "fp32")
        rows, reference = [], None
        for key, engine in engines.items():
            f1, maps = _score(bundle, engine, test, f"{bundle.manifest.name}, {' '.join(key)}")
            reference = reference or (f1, maps)
            rows.append(
                {
                    "engine": key[0],
                    "precision": key[1],
                    "name": engine.name,
                    "ms": {f"p{q}": round(float(np.percentile(times[key], q)), 2) for q in (50, 90, 99)},
                    "speed": round(float(np.median(np.divide(times[base], times[key]))), 3),
                    "ods_f1": round(100 * f1, 2),
                    "drop": round(100 * (reference[0] - f1), 3),
                    "mean_abs": float(np.mean([np.abs(a - b).mean() for a, b in zip(maps, reference[1], strict=True)])),
                }
            )
    return rows


def _times(
    engines: dict[tuple[str, str], Engine], batch: np.ndarray, rounds: int
) -> dict[tuple[str, str], list[float]]:
    times: dict[tuple[str, str], list[float]] = {key: [] for key in engines}
    draw = random.Random(0)
    for number in range(rounds + WARM_UP):
        for key in draw.sample(list(engines), len(engines)):
            began = time.perf_counter()
            engines[key].run(batch)
            if number >= WARM_UP:
                times[key].append((time.perf_counter() - began) * 1e3)
    return times


def _score(bundle: Bundle, engine: Engine, test: Dataset, label: str) -> tuple[float, list[np.ndarray]]:
    ods, maps, spec = Ods(2.0), [], bundle.graph("segmentation").input
    for sample in progress(test.samples, label, len(test.samples)):
        image, mask = read_sample(sample)
        batch, padding = encode(image, spec)
        probability = crop(engine.run(batch)[0, 0], padding)
        ods.add(probability, mask)
        maps.append(probability.astype(np.float16))
    return ods.result().f1, maps


def gate(bundle: Bundle) -> dict[str, Any]:
    """What the bundle's own gate said."""
    graph = bundle.manifest.graphs["segmentation"]
    return {
        name: {"drop": round(variant.gate.drop, 3), "restored": list(variant.restored)}
        for name, variant in graph.variants.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN", help="run folders of `fissura train`")
    parser.add_argument("--rounds", type=int, default=60, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="(default: benchmarks/results/precision)")
    arguments = parser.parse_args()
    test = load_dataset(find_dataset("cfd"), "test")
    networks: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        for word in arguments.runs:
            name, _, run = word.partition("=")
            bundle = export(Path(run), Path(folder, name))
            networks[name] = {
                "recipe": bundle.manifest.lineage.recipe["name"],
                "network": bundle.manifest.lineage.recipe["model"]["segmentation"],
                "gate": gate(bundle),
                "rows": measure(bundle, test, arguments.rounds),
            }
    words = " ".join(f"{name}=runs/{network['recipe']}" for name, network in networks.items())
    result = {
        "command": f"python benchmarks/precision/run.py {words}",
        "frame_px": [WIDTH, HEIGHT],
        "threads": 1,
        "rounds": arguments.rounds,
        "test": {"data": f"cfd/{test.split}", "images": len(test.samples), "tolerance_px": 2},
        "load_average": round(os.getloadavg()[0], 1),
        "processor": processor(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("onnxruntime", "openvino", "onnx", "torch", "numpy")},
        },
        "networks": networks,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_text(arguments.out / "result.json", json.dumps(result, indent=2) + "\n")
    write_text(arguments.out / "README.md", summary.as_markdown(result))
    summary.draw(arguments.out / "speed.png", result)
    print(summary.as_markdown(result))


if __name__ == "__main__":
    main()
