"""A small real bundle: ONNX graphs that find what is darker than its surroundings, with a true manifest.

No training, and yet dark thin lines come out as cracks; the graphs' interfaces are those of exported networks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fissura.bundle import (
    MANIFEST_NAME,
    FileEntry,
    Graph,
    GraphInput,
    GraphOutput,
    Lineage,
    Manifest,
    Normalisation,
    Role,
)
from fissura.files import sha256

Layout = Literal["NHWC", "NCHW"]
SCALE = 2
MULTIPLE = 8
THRESHOLD = 0.5
NEIGHBOURHOOD_PX = 15
DARKER_BY = 0.12  # of full scale: so much darker than its surroundings is crack
STEEPNESS = 60.0
ROLES: tuple[Role, ...] = ("super_resolution", "segmentation", "fused")
CASCADE_ROLES: tuple[Role, ...] = ("fused", "tile", "proposal")
PROPOSAL_THRESHOLD = 0.2
TILE_HALO_PX = 9  # of frame pixels: the neighbourhood at full scale, and the enlargement


def make_bundle(
    folder: Path, *, roles: tuple[Role, ...] = ROLES, layout: Layout = "NHWC", multiple: int = MULTIPLE
) -> Path:
    """Write a bundle with the given graphs.

    Args:
        folder: where to; is made.
        roles: graphs to write; super-resolution, fused and tile enlarge by 2.
        layout: of every graph's input.
        multiple: which heights and widths must be multiples of, in pixels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    graphs: dict[Role, Graph] = {}
    for role in roles:
        name = f"{role}.onnx"
        onnx.save(_model(role, layout), folder / name)
        is_image = role == "super_resolution"
        graphs[role] = Graph(
            file=name,
            input=GraphInput(name="image", layout=layout, multiple=multiple, min_size=multiple),
            output=GraphOutput(
                name="output",
                kind="image" if is_image else "probability",
                scale=1 if role in ("segmentation", "proposal") else SCALE,
            ),
            threshold=None if is_image else THRESHOLD,
            halo=TILE_HALO_PX if role == "tile" else 0,
            proposal_threshold=PROPOSAL_THRESHOLD if role == "proposal" else None,
        )
    write_manifest(folder, graphs)
    return folder


def write_manifest(folder: Path, graphs: dict[Role, Graph]) -> None:
    """Write the manifest for the ONNX files and golden frames that lie in the folder."""
    manifest = Manifest(
        name="darker-than-around",
        scale=SCALE if "fused" in graphs or "super_resolution" in graphs else 1,
        normalisation=Normalisation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
        graphs=graphs,
        files={
            path.name: FileEntry(sha256=sha256(path), size_bytes=path.stat().st_size)
            for path in sorted([*folder.glob("*.onnx"), *folder.glob("*.npz")])
        },
        lineage=Lineage(recipe={}, dataset_fingerprint="none", seed=0, metrics={}, versions={"onnx": onnx.__version__}),
    )
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")


def _model(role: Role, layout: Layout) -> onnx.ModelProto:
    nodes = [helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT)]
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", ["float"], ["planar"], perm=[0, 3, 1, 2]))
    else:
        nodes.append(helper.make_node("Identity", ["float"], ["planar"]))
    nodes.append(helper.make_node("Div", ["planar", "full_scale"], ["unit"]))
    pixels = "unit"
    if role not in ("segmentation", "proposal"):
        nodes.append(
            helper.make_node(
                "Resize",
                ["unit", "", "scales"],
                ["enlarged"],
                mode="linear",
                coordinate_transformation_mode="half_pixel",
            )
        )
        pixels = "enlarged"
    if role == "super_resolution":
        last = (
            helper.make_node("Transpose", [pixels], ["output"], perm=[0, 2, 3, 1])
            if layout == "NHWC"
            else helper.make_node("Identity", [pixels], ["output"])
        )
        nodes.append(last)
    else:
        side = NEIGHBOURHOOD_PX if role in ("segmentation", "proposal") else 2 * NEIGHBOURHOOD_PX + 1
        nodes += [
            helper.make_node("ReduceMean", [pixels, "channel_axis"], ["grey"], keepdims=1),
            # Along one axis after the other: ONNX Runtime's pooling takes its time with large windows.
            helper.make_node("AveragePool", ["grey"], ["along"], kernel_shape=[1, side], pads=[0, side // 2] * 2),
            helper.make_node("AveragePool", ["along"], ["around"], kernel_shape=[side, 1], pads=[side // 2, 0] * 2),
            helper.make_node("Sub", ["around", "grey"], ["darker"]),
            helper.make_node("Sub", ["darker", "darker_by"], ["evidence"]),
            helper.make_node("Mul", ["evidence", "steepness"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["output"]),
        ]
    constants = {
        "full_scale": np.array(255.0, np.float32),
        "scales": np.array([1, 1, SCALE, SCALE], np.float32),
        "channel_axis": np.array([1], np.int64),
        "darker_by": np.array(DARKER_BY, np.float32),
        "steepness": np.array(STEEPNESS, np.float32),
    }
    used = {name for node in nodes for name in node.input}
    frame: list[str | int] = ["n", "h", "w", 3] if layout == "NHWC" else ["n", 3, "h", "w"]
    graph = helper.make_graph(
        nodes,
        role,
        [helper.make_tensor_value_info("image", TensorProto.UINT8, frame)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [None] * 4)],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    return model
