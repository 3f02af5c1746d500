"""A bundle whose answers are known without a network: probability = darkness of the pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from fissura.bundle import (
    MANIFEST_NAME,
    FileEntry,
    Gate,
    Graph,
    GraphInput,
    GraphOutput,
    Lineage,
    Manifest,
    Normalisation,
    Parity,
    Role,
    Tolerance,
    Variant,
    VariantName,
)
from fissura.imaging.images import Mask, write_rgb

SCALES: Mapping[Role, int] = MappingProxyType({"segmentation": 1, "fused": 2})
PARITY = Parity(max_abs=0.1, mean_abs=0.01, sizes=((8, 8),), images=1, limit=None, mask_iou=0.97)
VARIANT = Variant(
    file="",
    precision="int8",
    threshold=0.45,
    tolerance=Tolerance(max_abs=0.1, mean_abs=0.01),
    parity=PARITY,
    gate=Gate(
        dataset="streets",
        split="test",
        fingerprint="0" * 64,
        images=3,
        metric="ods_f1",
        tolerance_px=2.0,
        score=80.0,
        drop=0.1,
        max_drop=0.5,
        probability_mean_abs=0.01,
    ),
)


def darkness_graph(scale: int, layout: str = "NHWC", gain: float = 1.0) -> bytes:
    """uint8 RGB -> gain * (1 - mean(RGB)/255), every pixel repeated `scale` times along both axes."""
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
        helper.make_tensor("white", TensorProto.FLOAT, [], [255.0 / gain]),
        helper.make_tensor("one", TensorProto.FLOAT, [], [gain]),
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


def write_darkness_bundle(
    folder: Path, scales: Mapping[Role, int] = SCALES, variants: Mapping[VariantName, float] = MappingProxyType({})
) -> Path:
    """A bundle with a segmentation and a fused graph of scale 2, both with the threshold 0.5.

    Args:
        folder: where to; is made.
        scales: by graph.
        variants: at lower precision, by name: factor of their probabilities.
    """
    folder.mkdir(parents=True)
    graphs, files = {}, {}

    def write(file: str, content: bytes) -> None:
        (folder / file).write_bytes(content)
        files[file] = FileEntry(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))

    for role, scale in scales.items():
        write(f"{role}.onnx", darkness_graph(scale))
        output = GraphOutput(name="probability", kind="probability", scale=scale)
        made = {}
        for name, gain in variants.items():
            write(f"{role}.{name}.onnx", darkness_graph(scale, gain=gain))
            made[name] = VARIANT.model_copy(update={"file": f"{role}.{name}.onnx"})
        graphs[role] = Graph(file=f"{role}.onnx", input=GraphInput(), output=output, threshold=0.5, variants=made)
    manifest = Manifest(
        name="darkness",
        scale=2,
        normalisation=Normalisation(mean=(0, 0, 0), std=(1, 1, 1)),
        graphs=graphs,
        parity=dict.fromkeys(graphs, PARITY),
        files=files,
        lineage=Lineage(recipe={}, dataset_fingerprint="0" * 64, seed=0, metrics={}, versions={}),
    )
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return folder


def write_images(root: Path, *pictures: tuple[NDArray[np.uint8], Mask]) -> Path:
    """A list `train` of grey pictures and their masks, both (H, W)."""
    for index, (grey, mask) in enumerate(pictures):
        write_rgb(root / "images" / f"{index}.png", grey[..., None].repeat(3, axis=2))
        write_rgb(root / "masks" / f"{index}.png", mask.astype(np.uint8) * 255)
    (root / "train.txt").write_text("".join(f"{index}\n" for index in range(len(pictures))))
    return root


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
