"""A bundle's graph in ONNX Runtime on the CPU, one frame at a time: for calibration.

Whether a graph is what the manifest says was proven when the bundle was exported, on the vehicle's engine, and the
files' hashes say that it still is that graph. Here ONNX Runtime's own complaint does.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fissura.bundle import Bundle, Role, VariantName
from fissura.errors import EngineError
from fissura.imaging.encode import crop, encode
from fissura.imaging.images import RgbImage
from fissura.onnxruntime_options import disabled_optimizers

ERRORS_ONLY = 3  # of ONNX Runtime's log
RE_EXPORT = "export the bundle again, or install a newer onnxruntime"


class GraphSession:
    """One graph of a bundle, loaded.

    Args:
        bundle: where it lies.
        role: which graph.
        variant: of which precision; None: as it is.

    Raises:
        BundleError: the bundle holds no graph of that role, or not in that variant.
        EngineError: ONNX Runtime cannot load it.
    """

    def __init__(self, bundle: Bundle, role: Role, variant: VariantName | None = None) -> None:
        self._graph = bundle.graph(role, variant)
        self._path = bundle.graph_path(role, variant)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERRORS_ONLY
        options.use_deterministic_compute = True
        try:
            self._session = onnxruntime.InferenceSession(
                str(self._path),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=disabled_optimizers(self._graph.precision),
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise EngineError(
                f"{self._path} cannot be loaded: {error}", expected="an ONNX graph", fix=RE_EXPORT
            ) from error

    def run(self, frame: RgbImage) -> NDArray[np.float32]:
        """The graph's probabilities for one frame of any size.

        Args:
            frame: (H, W, 3) uint8 RGB.

        Returns:
            (H*scale, W*scale) float32.

        Raises:
            EngineError: ONNX Runtime fails, for one because the graph has other inputs than the manifest says.
            ModelShapeError: the output has another size than the manifest says.
        """
        graph = self._graph
        batch, padding = encode(frame, graph.input)
        try:
            result = self._session.run([graph.output.name], {graph.input.name: batch})[0]
        except Exception as error:
            raise EngineError(
                f"{self._path} fails on a frame of {frame.shape[1]}x{frame.shape[0]}: {error}", fix=RE_EXPORT
            ) from error
        return crop(result[0, 0], padding, graph.output.scale)
