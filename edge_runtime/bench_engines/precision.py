"""The precision that convolutions really run in: what a file or an option asks for is not always what is computed."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort

from edge_runtime.bench_engines.candidate import REFERENCE, Candidate, variant_of
from edge_runtime.inference import WHOLE, Mode
from edge_runtime.whole_frame import WholeFrame
from fissura.bundle import Bundle, Graph
from fissura.imaging.encode import encode
from fissura.imaging.images import RgbImage
from fissura.onnxruntime_options import disabled_optimizers

# Kernels of ONNX Runtime, by the way they end: QLinearConv, FusedConv, NhwcFusedConv, ConvTranspose, ...
CONVOLUTIONS = ("Conv", "ConvInteger", "ConvTranspose")
TYPES = {"float": "fp32", "float16": "fp16", "uint8": "int8", "int8": "int8"}


def computed_in(
    bundle: Bundle, mode: Mode, candidate: Candidate, whole: WholeFrame, frame: RgbImage
) -> dict[str, int] | None:
    """Number of convolutions by precision (fp32, fp16, bf16, int8), of all graphs of a mode.

    Args:
        bundle: the model.
        mode: a row of `WHOLE`.
        candidate: the row.
        whole: its graphs, which have run.
        frame: (H, W, 3) uint8 RGB, for engines that tell only while they run.

    Returns:
        None for an engine that does not tell here: its name then says it.
    """
    counts = Counter[str]()
    for role, step in zip(WHOLE[mode], whole.steps, strict=True):
        told: Mapping[str, int] | None = getattr(step.engine, "convolutions", None)
        if candidate.kind == REFERENCE:
            variant = variant_of(bundle, role, candidate)
            told = _profiled(bundle.graph_path(role, variant), bundle.graph(role, variant), frame)
        if told is None:
            return None
        counts.update(told)
    return dict(counts)


def _profiled(path: Path, graph: Graph, frame: RgbImage) -> dict[str, int]:
    """From the list of kernels that ONNX Runtime writes when it is asked to profile a run."""
    with tempfile.TemporaryDirectory(prefix="fissura-profile-") as folder:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder, "run"))
        session = ort.InferenceSession(
            str(path),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=disabled_optimizers(graph.precision),
        )
        batch, _ = encode(frame, graph.input)
        feed = {graph.input.name: batch}
        if graph.statistics is not None:
            feed[graph.statistics] = np.ones((2, 3), np.float32)
        session.run([graph.output.name], feed)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    kernels = {event["name"]: event["args"] for event in events if event["name"].endswith("_kernel_time")}
    inputs = [
        next(iter(kernel["input_type_shape"][0]))
        for kernel in kernels.values()
        if kernel["op_name"].endswith(CONVOLUTIONS)
    ]
    return dict(Counter(TYPES.get(name, name) for name in inputs))
