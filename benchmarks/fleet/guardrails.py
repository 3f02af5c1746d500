"""How far apart two models are on the same frames: one and the same (A/A), another good one, and worse ones (A/B).

The limits of `ShadowConfig` lie between the first and the last. A/A is the shipped bundle against itself in another
engine, with weights rounded to FP16, and with weights that are off by as much as another training run leaves them
(noise of 1 % of each tensor's deviation); one that is off by 5 % is still taken for another training. The worse ones
are off by more, see too much or too little, see their image blurred, or are dead. Figures are of all frames, and of
blocks of 24, which is what a short shadow sees.

    python benchmarks/fleet/guardrails.py --data DATA [--bundle DIR] [--other DIR] [--frames 40]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edge_runtime.inference import open_inference
from edge_runtime.stages import StageTimes
from edge_runtime.updates.comparison import Comparison, Reading
from edge_runtime.updates.guardrails import ShadowConfig, check_shadow
from fissura.bundle import MANIFEST_NAME, load_bundle
from fissura.errors import RejectedError
from fissura.files import sha256, write_text
from fissura.imaging.images import RgbImage, read_rgb

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "fleet" / "guardrails.json"
SETS = {"cfd": "cfd/images", "masonry": "masonry224/images", "non_crack": "non_crack"}
BLOCK = 24  # frames
SEED = 7
Change = Callable[[onnx.ModelProto], None]


def main() -> int:
    """Measure, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FISSURA_DATA", "data")))
    parser.add_argument("--bundle", type=Path, default=ROOT / "examples" / "bundles" / "tiny")
    parser.add_argument("--other", type=Path, help="another good model, trained otherwise")
    parser.add_argument("--frames", type=int, default=40, help="of each set of images")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    frames = [image for folder in SETS.values() for image in _images(arguments.data / folder, arguments.frames)]
    np.random.default_rng(SEED).shuffle(frames)  # type: ignore[arg-type]  # so that each block has some of each
    reading, old = _maps(arguments.bundle, frames)
    rows = {}
    for name, kind, bundle, engine in _models(arguments.bundle, arguments.other):
        began_s = time.monotonic()
        rows[name] = {"kind": kind, **_compare(reading, old, *_maps(bundle, frames, engine))}
        print(f"{name}: {rows[name]['all']} {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)
    record = {
        "frames": len(frames),
        "sets": list(SETS),
        "bundle": load_bundle(arguments.bundle).id,
        "limits": ShadowConfig().model_dump(include={"mask_iou", "crack_fraction", "psi", "components"}),
        "models": rows,
    }
    write_text(arguments.out, json.dumps(record, indent=2) + "\n")
    return 0


def _images(folder: Path, most: int) -> list[RgbImage]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))
    chosen = paths[:: max(1, len(paths) // most)][:most]
    return [read_rgb(path) for path in chosen]


def _models(bundle: Path, other: Path | None) -> Iterator[tuple[str, str, Path, str]]:
    """Name, kind, bundle and engine of each."""
    yield "the same", "A/A", bundle, "onnxruntime"
    yield "in OpenVINO", "A/A", bundle, "openvino"
    changes: dict[str, tuple[str, Change]] = {
        "weights in FP16": ("A/A", lambda model: _weights(model, lambda w, _: w.astype(np.float16).astype(np.float32))),
        "noise 1 %": ("A/A", lambda model: _noise(model, 0.01)),
        "noise 5 %": ("mild", lambda model: _noise(model, 0.05)),
        "noise 20 %": ("A/B", lambda model: _noise(model, 0.2)),
        "sees too much": ("A/B", lambda model: _bias(model, 2.0)),
        "sees too little": ("A/B", lambda model: _bias(model, -4.0)),
        "blurred": ("A/B", _blur),
        "dead": ("A/B", lambda model: _bias(model, -100.0)),
    }
    if other is not None:
        yield "another good one", "other", other, "onnxruntime"
    for name, (kind, change) in changes.items():
        with tempfile.TemporaryDirectory() as folder:
            yield name, kind, _changed(bundle, Path(folder) / "bundle", change), "onnxruntime"


def _changed(bundle: Path, folder: Path, change: Change) -> Path:
    shutil.copytree(bundle, folder)
    model = onnx.load(folder / "fused.onnx")
    change(model)
    onnx.save(model, folder / "fused.onnx")
    document = json.loads((folder / MANIFEST_NAME).read_text())
    entry = {"sha256": sha256(folder / "fused.onnx"), "size_bytes": (folder / "fused.onnx").stat().st_size}
    document["files"]["fused.onnx"] = entry
    (folder / MANIFEST_NAME).write_text(json.dumps(document))
    return folder


def _weights(
    model: onnx.ModelProto, change: Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]
) -> None:
    random = np.random.default_rng(SEED)
    for tensor in model.graph.initializer:
        if tensor.name.endswith((".weight", ".bias")):
            tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor), random), tensor.name))


def _noise(model: onnx.ModelProto, share: float) -> None:
    def noisy(weight: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
        return (weight + share * weight.std() * random.standard_normal(weight.shape)).astype(np.float32)

    _weights(model, noisy)


def _bias(model: onnx.ModelProto, log_odds: float) -> None:
    last = next(tensor for tensor in model.graph.initializer if tensor.name == "model.segmentation.head.bias")
    last.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(last) + np.float32(log_odds), last.name))


def _blur(model: onnx.ModelProto) -> None:
    """As a camera out of focus would: a mean over 7 x 7 pixels before the super-resolution."""
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    source = first.input[0]
    model.graph.initializer.append(numpy_helper.from_array(np.full((3, 1, 7, 7), 1 / 49, np.float32), "blur"))
    node = helper.make_node("Conv", [source, "blur"], ["blurred"], group=3, pads=[3, 3, 3, 3])
    for user in model.graph.node:
        for index, name in enumerate(user.input):
            if name == source:
                user.input[index] = "blurred"
    model.graph.node.insert(list(model.graph.node).index(first), node)


def _maps(
    bundle: Path, frames: list[RgbImage], engine: str = "onnxruntime"
) -> tuple[Reading, list[NDArray[np.float32]]]:
    inference = open_inference(load_bundle(bundle), None, engine, {"threads": 1})
    times = StageTimes()
    maps = [inference.run(frame, times) for frame in frames]
    inference.close()
    return Reading(inference.threshold, inference.low_threshold, inference.temperature), maps


def _compare(
    old_reading: Reading, old: list[NDArray[np.float32]], new_reading: Reading, new: list[NDArray[np.float32]]
) -> dict[str, object]:
    def figures(start: int, stop: int) -> dict[str, float]:
        comparison = Comparison(old_reading, new_reading, ShadowConfig().rich_fraction)
        for one, other in zip(old[start:stop], new[start:stop], strict=True):
            comparison.add(one, other)
        return {name: round(value, 4) for name, value in comparison.figures().items()}

    blocks = [figures(at, at + BLOCK) for at in range(0, len(old) - BLOCK + 1, BLOCK)]
    whole = figures(0, len(old))
    return {
        "all": whole,
        "worst_block": {
            "mask_iou": min(block["mask_iou"] for block in blocks),
            **{name: max(block[name] for block in blocks) for name in ("crack_fraction", "psi", "components")},
        },
        "passes": _passes(whole),
        "blocks_that_pass": f"{sum(_passes(block) for block in blocks)} of {len(blocks)}",
    }


def _passes(figures: dict[str, float]) -> bool:
    try:
        check_shadow(figures, ShadowConfig())
    except RejectedError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
