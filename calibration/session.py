"""A bundle's graph in ONNX Runtime on the CPU, one frame at a time: for calibration, parity and evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fissura.bundle import Bundle, GraphInput, GraphOutput, Role
from fissura.errors import EngineError, ModelShapeError
from fissura.imaging.encode import CHANNELS, crop, encode
from fissura.imaging.images import RgbImage

ERRORS_ONLY = 3  # of ONNX Runtime's log


class GraphSession:
    """One graph, loaded and checked against what the manifest says of it.

    Args:
        onnx: the file, or its content.
        feed: how the graph wants its frames.
        output: what it gives.

    Raises:
        EngineError: no graph, or ONNX Runtime cannot load it.
        ModelShapeError: its input or output is not what the manifest says.
    """

    def __init__(self, onnx: Path | bytes, feed: GraphInput, output: GraphOutput) -> None:
        self.feed, self.output = feed, output
        self.origin = str(onnx) if isinstance(onnx, Path) else "the exported graph"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERRORS_ONLY
        options.use_deterministic_compute = True
        content = onnx if isinstance(onnx, bytes) else str(onnx)
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise EngineError(f"{self.origin} cannot be loaded: {error}", expected="an ONNX graph") from error
        self._check()

    @classmethod
    def of(cls, bundle: Bundle, role: Role) -> GraphSession:
        """The graph of a bundle.

        Raises:
            BundleError: the bundle holds no graph of that role.
            EngineError, ModelShapeError: see the class.
        """
        graph = bundle.graph(role)
        return cls(bundle.graph_path(role), graph.input, graph.output)

    def run(self, frame: RgbImage) -> NDArray[np.float32]:
        """The graph's output for one frame of any size.

        Args:
            frame: (H, W, 3) uint8 RGB.

        Returns:
            (H*scale, W*scale) float32 probabilities, or (H*scale, W*scale, 3) float32 RGB in [0, 1].

        Raises:
            EngineError: ONNX Runtime fails.
            ModelShapeError: the output has another size than the manifest says.
        """
        batch, padding = encode(frame, self.feed)
        try:
            result = self._session.run([self.output.name], {self.feed.name: batch})[0]
        except Exception as error:
            raise EngineError(
                f"{self.origin} fails on a frame of {frame.shape[1]}x{frame.shape[0]}: {error}"
            ) from error
        planes = result[0]
        if self.output.kind == "probability":
            planes = planes[0]
        elif self.feed.layout == "NCHW":
            planes = planes.transpose(1, 2, 0)
        return crop(planes, padding, self.output.scale)

    def _check(self) -> None:
        inputs = {value.name: value for value in self._session.get_inputs()}
        outputs = {value.name: value for value in self._session.get_outputs()}
        channel_axis = 3 if self.feed.layout == "NHWC" else 1
        found = inputs.get(self.feed.name)
        expected = f"input {self.feed.name!r}: uint8 {self.feed.layout} with {CHANNELS} channels"
        if (
            found is None
            or len(inputs) != 1
            or found.type != "tensor(uint8)"
            or len(found.shape) != 4
            or found.shape[channel_axis] != CHANNELS
        ):
            raise self._misfit(inputs.values(), expected)
        made = outputs.get(self.output.name)
        if made is None or made.type != "tensor(float)" or len(made.shape) != 4:
            raise self._misfit(outputs.values(), f"output {self.output.name!r}: float32 with 4 axes")

    def _misfit(self, values: object, expected: str) -> ModelShapeError:
        listed = ", ".join(f"{v.name!r} {v.type} {v.shape}" for v in values)  # type: ignore[attr-defined]
        return ModelShapeError(
            f"{self.origin} has {listed or 'none'}", expected=expected, fix="export the bundle again"
        )
