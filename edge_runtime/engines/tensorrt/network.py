"""Networks and builder settings of each family of TensorRT versions; what differs between them stands apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge_runtime.engines.tensorrt.plan_header import Version
from edge_runtime.engines.tensorrt.request import Precision
from fissura.errors import EngineError

FIRST_STRONG = (10,)
FIRST_WITHOUT_WEAK = (11,)


def weak_typing_exists(version: Version) -> bool:
    """Whether builder flags can lower the precision of an fp32 graph."""
    return version < FIRST_WITHOUT_WEAK


def strong_typing_exists(version: Version) -> bool:
    """Whether each layer's type can be taken from the graph."""
    return version >= FIRST_STRONG


def create_network_8(trt: Any, builder: Any) -> Any:
    """Weakly typed; the batch is an axis like the others."""
    return builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))


def create_weak_network_10(builder: Any) -> Any:
    """Weakly typed."""
    return builder.create_network(0)


def create_strong_network(trt: Any, builder: Any) -> Any:
    """Strongly typed: 10 by this flag, 11 always."""
    return builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))


def lower_precision(trt: Any, config: Any, precision: Precision) -> None:
    """Let a weakly typed build lower the precision (8 and 10). INT8 may fall back to FP16, but not to FP32."""
    if precision in ("fp16", "int8"):
        config.set_flag(trt.BuilderFlag.FP16)
    if precision == "int8":
        config.set_flag(trt.BuilderFlag.INT8)


def allow_quantised_layers_8(trt: Any, config: Any) -> None:
    """8 runs the integer layers of a quantised graph only with this flag; 10 and newer take them from the graph."""
    config.set_flag(trt.BuilderFlag.INT8)


def share_profile_8(trt: Any, config: Any) -> None:
    """Let several contexts use one profile, which 10 and newer do by themselves."""
    config.set_preview_feature(trt.PreviewFeature.PROFILE_SHARING_0806, True)


def tactic_sources(trt: Any) -> Mapping[str, Any]:
    """Sources that this TensorRT can take kernels from, by name."""
    return dict(trt.TacticSource.__members__)


def choose_tactic_sources(trt: Any, config: Any, names: Sequence[str]) -> None:
    """Take kernels from these sources and TensorRT's own, and from no others.

    Raises:
        EngineError: TensorRT does not let them be chosen.
    """
    known = tactic_sources(trt)
    if not config.set_tactic_sources(sum(1 << int(known[name]) for name in set(names))):
        raise EngineError(
            f"TensorRT {trt.__version__} does not build with the tactic sources {', '.join(names) or 'none'}",
            fix="see the log; leave out `tactic_sources`",
        )


def cast_bytes_first(trt: Any, network: Any, name: str) -> None:
    """Turn the uint8 image into float before anything else is done with it.

    TensorRT takes uint8 inputs, but on many versions only into a cast: a graph that transposes its bytes first, as an
    NHWC graph may do, would be refused by the builder. Every value of a byte is exact in float.
    """
    image = next(tensor for tensor in _inputs(network) if tensor.name == name)
    readers = [
        (layer, index)
        for layer in _layers(network)
        for index in range(layer.num_inputs)
        if layer.get_input(index) is not None and layer.get_input(index).name == name
    ]
    if all(layer.type == trt.LayerType.CAST for layer, _ in readers):
        return
    cast = network.add_cast(image, trt.DataType.FLOAT)
    cast.name = f"{name}_as_float"
    for layer, index in readers:
        if layer.type != trt.LayerType.CAST:
            layer.set_input(index, cast.get_output(0))


def expected_precisions(trt: Any, network: Any, asked: Precision, *, weak: bool) -> dict[str, str]:
    """Precision that each convolution is to have, by name.

    Args:
        trt: the module.
        network: parsed.
        asked: of the whole.
        weak: the precision is lowered by flags: then it is `asked` for all.
    """
    convolutions = [
        layer for layer in _layers(network) if layer.type in (trt.LayerType.CONVOLUTION, trt.LayerType.DECONVOLUTION)
    ]
    if weak:
        return {layer.name: asked for layer in convolutions}
    made_by = {layer.get_output(index).name: layer for layer in _layers(network) for index in range(layer.num_outputs)}
    return {layer.name: _typed(trt, layer.get_input(0), made_by) for layer in convolutions}


def _typed(trt: Any, tensor: Any, made_by: Mapping[str, Any]) -> str:
    maker = made_by.get(tensor.name)
    if maker is not None and maker.type == trt.LayerType.DEQUANTIZE:
        return "int8"
    return "fp16" if tensor.dtype == trt.DataType.HALF else "fp32"


def parse_onnx(trt: Any, network: Any, path: str, logger: Any, version: Version) -> Any:
    """Fill a network from an ONNX file; returns the parser, which has to outlive the build.

    Raises:
        EngineError: the parser refuses it; names the node and the reason.
    """
    parser = trt.OnnxParser(network, logger)
    if parser.parse_from_file(path):
        return parser
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    told = [_reason_8(error) if version < FIRST_STRONG else _reason_10(error) for error in errors]
    raise EngineError(
        f"{path} cannot be loaded: {'; '.join(told[:3]) or 'the parser gives no reason'}",
        expected=f"an ONNX graph that TensorRT {trt.__version__} runs",
        fix="use another variant of the bundle, or a newer TensorRT",
    )


def _reason_8(error: Any) -> str:
    return f"node {error.node()}: {error.desc()}"


def _reason_10(error: Any) -> str:
    return f"node {error.node_name() or error.node()} ({error.node_operator()}): {error.desc()}"


def _layers(network: Any) -> list[Any]:
    return [network.get_layer(index) for index in range(network.num_layers)]


def _inputs(network: Any) -> list[Any]:
    return [network.get_input(index) for index in range(network.num_inputs)]
