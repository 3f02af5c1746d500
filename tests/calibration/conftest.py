"""A bundle whose answers are known without a network: probability = darkness of the pixel."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

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
from fissura.imaging.images import write_rgb


def darkness_graph(scale: int, layout: str = "NHWC") -> bytes:
    """uint8 RGB -> 1 - mean(RGB)/255, every pixel repeated `scale` times along both axes."""
    channel_axis = 3 if layout == "NHWC" else 1
    shape: list[int | str] = [1, "h", "w"]
    shape.insert(channel_axis, 3)
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "channel"], ["mean"], keepdims=1),
        helper.make_node("Div", ["mean", "white"], ["brightness"]),
        helper.make_node("Sub", ["one", "brightness"], ["dark"]),
        helper.make_node("Transpose", ["dark"], ["plane"], perm=[0, 3, 1, 2] if layout == "NHWC" else [0, 1, 2, 3]),
        helper.make_node("Concat", ["plane"] * scale**2, ["planes"], axis=1),
        helper.make_node("DepthToSpace", ["planes"], ["probability"], blocksize=scale),
    ]
    constants = [
        helper.make_tensor("channel", TensorProto.INT64, [1], [channel_axis]),
        helper.make_tensor("white", TensorProto.FLOAT, [], [255.0]),
        helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
    ]
    graph = helper.make_graph(
        nodes,
        "darkness",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [1, 1, "height", "width"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def write_darkness_bundle(folder: Path) -> Path:
    """A bundle with a segmentation and a fused graph of scale 2, both with the threshold 0.5."""
    scales: dict[Role, int] = {"segmentation": 1, "fused": 2}
    folder.mkdir(parents=True)
    graphs, files = {}, {}
    for role, scale in scales.items():
        content = darkness_graph(scale)
        (folder / f"{role}.onnx").write_bytes(content)
        output = GraphOutput(name="probability", kind="probability", scale=scale)
        graphs[role] = Graph(file=f"{role}.onnx", input=GraphInput(), output=output, threshold=0.5)
        files[f"{role}.onnx"] = FileEntry(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
    manifest = Manifest(
        name="darkness",
        scale=2,
        normalisation=Normalisation(mean=(0, 0, 0), std=(1, 1, 1)),
        graphs=graphs,
        files=files,
        lineage=Lineage(recipe={}, dataset_fingerprint="0" * 64, seed=0, metrics={}, versions={}),
    )
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return folder


def write_streets(root: Path, count: int = 3, *, crack: int = 50, pavement: int = 200) -> Path:
    """Grey pictures of 21x26 pixels with one crack, four pixels wide so that it survives halving."""
    for index in range(count):
        mask = np.zeros((21, 26), bool)
        mask[:, 4 + 2 * index : 8 + 2 * index] = True
        image = np.where(mask[..., None], crack, pavement).astype(np.uint8).repeat(3, axis=2)
        write_rgb(root / "images" / f"{index}.png", image)
        write_rgb(root / "masks" / f"{index}.png", mask.astype(np.uint8) * 255)
    (root / "train.txt").write_text("".join(f"{index}\n" for index in range(count)))
    (root / "test.txt").write_text("")
    return root


@pytest.fixture
def bundle_folder(tmp_path: Path) -> Path:
    return write_darkness_bundle(tmp_path / "bundle")


@pytest.fixture
def streets(tmp_path: Path) -> Path:
    return write_streets(tmp_path / "streets")
