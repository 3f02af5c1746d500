"""A bundle whose graph has convolutions, with its variants: int8 by ONNX Runtime's own tools, and golden frames.

Dark pixels come out as cracks, without training: the first layer measures how dark a neighbourhood is, the others pass
it on among random channels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from fissura.bundle import Gate, Graph, GraphInput, GraphOutput, Parity, Tolerance, Variant, VariantName
from fissura.imaging.images import RgbImage
from tests.bundles import write_manifest

CHANNELS = 16
CONVOLUTIONS = 3
DARK = 0.45  # what is darker, on the scale [0, 1], is crack
LIMIT = Tolerance(max_abs=0.5, mean_abs=0.02)
GOLDEN_LIMIT = 1 / 255


def make_quantised_bundle(folder: Path, frames: list[RgbImage]) -> Path:
    """Write a bundle with a graph `segmentation` in fp32, int8-portable and int8-cpu.

    Args:
        folder: where to; is made.
        frames: NHWC images that the ranges are taken from, and the golden outputs made of.
    """
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(_model(), folder / "segmentation.onnx")
    variants: dict[VariantName, Variant] = {}
    for name in ("int8-portable", "int8-cpu"):
        _quantise(folder, f"segmentation.{name}.onnx", frames, portable=name == "int8-portable")
        variants[name] = Variant(
            file=f"segmentation.{name}.onnx", precision="int8", tolerance=LIMIT, parity=_parity(), gate=_gate()
        )
    _write_golden(folder, frames)
    graph = Graph(
        file="segmentation.onnx",
        input=GraphInput(name="image", multiple=8, min_size=8),
        output=GraphOutput(name="output", kind="probability"),
        threshold=0.5,
        variants=variants,
    )
    write_manifest(folder, {"segmentation": graph})
    return folder


def _model() -> onnx.ModelProto:
    random = np.random.default_rng(0)
    first = random.normal(0, 0.1, (CHANNELS, 3, 3, 3))
    first[0] = -1 / 27  # minus the mean of the neighbourhood
    second = random.normal(0, 0.1, (CHANNELS, CHANNELS, 3, 3))
    second[0] = 0
    second[0, 0, 1, 1] = 1
    last = random.normal(0, 0.01, (1, CHANNELS, 1, 1))
    last[0, 0] = 40
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planar"], perm=[0, 3, 1, 2]),
        helper.make_node("Div", ["planar", "full_scale"], ["unit"]),
        helper.make_node("Conv", ["unit", "w1", "b1"], ["c1"], name="first", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="second", pads=[1] * 4),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3", "b3"], ["logit"], name="last"),
        helper.make_node("Sigmoid", ["logit"], ["output"]),
    ]
    constants: dict[str, NDArray[np.float32]] = {
        "full_scale": np.array(255, np.float32),
        "w1": first.astype(np.float32),
        "b1": np.array([DARK] + [0] * (CHANNELS - 1), np.float32),
        "w2": second.astype(np.float32),
        "w3": last.astype(np.float32),
        "b3": np.array([-4], np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "segmentation",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 1, "h", "w"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


class _Frames(CalibrationDataReader):
    def __init__(self, frames: list[RgbImage]) -> None:
        self._batches = iter({"image": frame[None]} for frame in frames)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self._batches, None)


def _quantise(folder: Path, file: str, frames: list[RgbImage], *, portable: bool) -> None:
    quantize_static(
        folder / "segmentation.onnx",
        folder / file,
        _Frames(frames),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QInt8 if portable else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=["last"],
        extra_options={
            "ActivationSymmetric": portable,
            "WeightSymmetric": True,
            "QuantizeBias": not portable,
            "DedicatedQDQPair": portable,
        },
    )


def _write_golden(folder: Path, frames: list[RgbImage]) -> None:
    session = ort.InferenceSession(folder / "segmentation.onnx", providers=["CPUExecutionProvider"])
    arrays: dict[str, NDArray[np.generic]] = {"tolerance": np.array(GOLDEN_LIMIT)}
    for number, frame in enumerate(frames):
        output = session.run(None, {"image": frame[None]})[0][0, 0]
        arrays[f"segmentation/{number}/frame"] = frame
        arrays[f"segmentation/{number}/output"] = np.rint(output * 255).astype(np.uint8)
    np.savez_compressed(folder / "golden.npz", **arrays)


def _parity() -> Parity:
    return Parity(max_abs=0.1, mean_abs=0.001, sizes=((72, 96),), images=1, limit=None)


def _gate() -> Gate:
    return Gate(
        dataset="made-up",
        split="validation",
        fingerprint="0" * 64,
        images=1,
        metric="ods_f1",
        tolerance_px=2,
        score=90,
        drop=0.1,
        max_drop=0.5,
        probability_mean_abs=0.001,
    )
