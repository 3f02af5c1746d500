"""`tensorrt`, as far as it is used, with the surface of the version that `FAKE_TENSORRT_VERSION` names.

Faults, by `FAKE_TENSORRT_FAULT`:
    parse         the parser refuses the graph
    sources       the sources of tactics cannot be chosen
    refuse        the builder gives no plan
    raise         the builder raises
    crash         the building process is killed
    hang          the build never ends
    eat           the build takes ever more memory
    unloadable    the plan that is built does not load
    damage        a plan loads where it was built, and nowhere else
    fp32          every convolution comes out in fp32
    silent        the inspector names layers only
    run           no batch runs
    record        no batch can be recorded
"""

from __future__ import annotations

import ctypes
import enum
import json
import os
import signal
import struct
import sys
import time
from typing import Any

import fake_gpu
import numpy as np
import onnx
import onnxruntime

__version__ = os.environ.get("FAKE_TENSORRT_VERSION", "11.4.0.106")
FAULT = os.environ.get("FAKE_TENSORRT_FAULT", "")
_VERSION = tuple(int(part) for part in __version__.split("."))
_MAJOR = _VERSION[0]
_HEADER_VERSION = bytes((*_VERSION, 0, 0, 0, 0)[:4])
ACTIVATION_BYTES = 1 << 20


class _Flag(enum.Enum):
    def __int__(self) -> int:
        return int(self.value)


def _flags(name: str, *members: str) -> Any:
    return _Flag(name, {member: number for number, member in enumerate(members)})


if _MAJOR < 10:
    NetworkDefinitionCreationFlag = _flags("NetworkDefinitionCreationFlag", "EXPLICIT_BATCH", "EXPLICIT_PRECISION")
    PreviewFeature = _flags("PreviewFeature", "PROFILE_SHARING_0806")
elif _MAJOR < 11:
    NetworkDefinitionCreationFlag = _flags("NetworkDefinitionCreationFlag", "EXPLICIT_BATCH", "STRONGLY_TYPED")
else:
    NetworkDefinitionCreationFlag = _Flag("NetworkDefinitionCreationFlag", {"STRONGLY_TYPED": 1})
_LOWERING = ("FP16", "INT8") if _MAJOR < 11 else ()
BuilderFlag = _flags("BuilderFlag", "DEBUG", "TF32", *_LOWERING)
ProfilingVerbosity = _flags("ProfilingVerbosity", "LAYER_NAMES_ONLY", "NONE", "DETAILED")
MemoryPoolType = _flags("MemoryPoolType", "WORKSPACE")
_LIBRARIES = ("CUBLAS", "CUBLAS_LT", "CUDNN") if _MAJOR < 11 else ()
TacticSource = _flags("TacticSource", *_LIBRARIES, "EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS")
LayerInformationFormat = _flags("LayerInformationFormat", "ONELINE", "JSON")
TensorIOMode = _flags("TensorIOMode", "NONE", "INPUT", "OUTPUT")
DataType = _flags("DataType", "FLOAT", "HALF", "INT8", "INT32", "BOOL", "UINT8", *(("INT64",) if _MAJOR >= 10 else ()))
LayerType = _flags(
    "LayerType", "CONVOLUTION", "DECONVOLUTION", "CAST", "QUANTIZE", "DEQUANTIZE", "SHUFFLE", "ELEMENTWISE"
)
if _MAJOR >= 10:
    ExecutionContextAllocationStrategy = _flags(
        "ExecutionContextAllocationStrategy", "STATIC", "ON_PROFILE_CHANGE", "USER_MANAGED"
    )

_DTYPES = {1: DataType.FLOAT, 10: DataType.HALF, 3: DataType.INT8, 6: DataType.INT32, 9: DataType.BOOL}
_DTYPES |= {2: DataType.UINT8, 7: DataType.INT64 if _MAJOR >= 10 else DataType.INT32}
_LAYERS = {
    "Conv": LayerType.CONVOLUTION,
    "ConvTranspose": LayerType.DECONVOLUTION,
    "Cast": LayerType.CAST,
    "QuantizeLinear": LayerType.QUANTIZE,
    "DequantizeLinear": LayerType.DEQUANTIZE,
    "Transpose": LayerType.SHUFFLE,
}
_SPELLED = {"fp32": "Float", "fp16": "Half", "int8": "Int8"}


class _Severity(enum.Enum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class _NeedsInit:
    """A class of the bindings that a subclass has to initialise itself."""

    _ready = False

    def __init__(self) -> None:
        self._ready = True


class ILogger(_NeedsInit):
    Severity = _Severity


if _MAJOR >= 10:

    class IProgressMonitor(_NeedsInit):
        pass


if _MAJOR < 11:

    class IInt8EntropyCalibrator2(_NeedsInit):
        pass


def _complain(logger: Any, text: str) -> None:
    logger.log(_Severity.ERROR, text)


class _Tensor:
    def __init__(self, name: str, dtype: Any, shape: tuple[int, ...] = ()) -> None:
        self.name, self.dtype, self.shape = name, dtype, shape


class _Layer:
    def __init__(self, name: str, kind: Any, inputs: list[_Tensor], outputs: list[_Tensor]) -> None:
        self.name, self.type, self._inputs, self._outputs = name, kind, inputs, outputs
        self.num_inputs, self.num_outputs = len(inputs), len(outputs)

    def get_input(self, index: int) -> _Tensor:
        return self._inputs[index]

    def get_output(self, index: int) -> _Tensor:
        return self._outputs[index]

    def set_input(self, index: int, tensor: _Tensor) -> None:
        self._inputs[index] = tensor


class INetworkDefinition:
    def __init__(self, logger: Any, *, strong: bool) -> None:
        self._logger, self._strong = logger, strong
        self._layers: list[_Layer] = []
        self._inputs: list[_Tensor] = []
        self._outputs: list[_Tensor] = []
        self._model: Any = None

    num_layers = property(lambda self: len(self._layers))
    num_inputs = property(lambda self: len(self._inputs))
    num_outputs = property(lambda self: len(self._outputs))

    def get_layer(self, index: int) -> _Layer:
        return self._layers[index]

    def get_input(self, index: int) -> _Tensor:
        return self._inputs[index]

    def get_output(self, index: int) -> _Tensor:
        return self._outputs[index]

    def add_cast(self, tensor: _Tensor, dtype: Any) -> _Layer:
        layer = _Layer("cast", LayerType.CAST, [tensor], [_Tensor("cast_output", dtype, tensor.shape)])
        self._layers.append(layer)
        return layer

    def _fill(self, model: Any) -> None:
        self._model = model
        typed = onnx.shape_inference.infer_shapes(model).graph
        values = {value.name: value for value in (*typed.value_info, *typed.input, *typed.output)}
        tensors: dict[str, _Tensor] = {}

        def tensor(name: str) -> _Tensor:
            if name not in tensors:
                kind = values[name].type.tensor_type if name in values else None
                sizes = [axis.dim_value or -1 for axis in kind.shape.dim] if kind is not None else []
                dtype = _DTYPES.get(kind.elem_type, DataType.FLOAT) if kind is not None else DataType.FLOAT
                tensors[name] = _Tensor(name, dtype, tuple(sizes))
            return tensors[name]

        weights = {weight.name for weight in model.graph.initializer}
        for number, node in enumerate(model.graph.node):
            inputs = [tensor(name) for name in node.input if name and name not in weights]
            outputs = [tensor(name) for name in node.output if name]
            name = node.name or f"(Unnamed Layer* {number}) [{node.op_type}]"
            self._layers.append(_Layer(name, _LAYERS.get(node.op_type, LayerType.ELEMENTWISE), inputs, outputs))
        self._inputs = [tensor(value.name) for value in model.graph.input if value.name not in weights]
        self._outputs = [tensor(value.name) for value in model.graph.output]


class _ParserError:
    def node(self) -> int:
        return 3

    def desc(self) -> str:
        return "Assertion failed: no importer for this operator"

    if _MAJOR >= 10:

        def node_name(self) -> str:
            return "node_conv2d"

        def node_operator(self) -> str:
            return "Conv"


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: Any) -> None:
        assert logger._ready
        self._network = network
        self.num_errors = 0

    def parse_from_file(self, path: str) -> bool:
        try:
            model = onnx.load(path)
        except Exception:
            self.num_errors = 1
            return False
        if FAULT == "parse":
            self.num_errors = 1
            return False
        self._network._fill(model)
        return True

    def get_error(self, index: int) -> _ParserError:
        return _ParserError()


class IOptimizationProfile:
    def __init__(self) -> None:
        self.shapes: dict[str, tuple[Any, Any, Any]] = {}

    def set_shape(self, name: str, min: Any, opt: Any, max: Any) -> None:
        assert all(low <= mid <= high for low, mid, high in zip(min, opt, max, strict=True))
        self.shapes[name] = (tuple(min), tuple(opt), tuple(max))


class ITimingCache:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def serialize(self) -> bytes:
        return self.data + b"measured;"


class IBuilderConfig:
    profiling_verbosity = ProfilingVerbosity.LAYER_NAMES_ONLY
    builder_optimization_level = 3
    if _MAJOR >= 10:
        progress_monitor: Any = None
    if _MAJOR < 11:
        int8_calibrator: Any = None

    def __init__(self) -> None:
        self._flags = {BuilderFlag.TF32}
        self._sources = ["by default"]
        self._profiles: list[IOptimizationProfile] = []
        self._cache = ITimingCache(b"")

    def set_flag(self, flag: Any) -> None:
        self._flags.add(flag)

    def clear_flag(self, flag: Any) -> None:
        self._flags.discard(flag)

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        assert size > 0

    def set_tactic_sources(self, tactic_sources: int) -> bool:
        self._sources = [source.name for source in TacticSource if tactic_sources & 1 << int(source)]
        return FAULT != "sources"

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self._profiles.append(profile)
        return len(self._profiles) - 1

    def create_timing_cache(self, data: bytes) -> ITimingCache:
        return ITimingCache(data)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        if cache.data and not cache.data.endswith(b";"):
            return False
        self._cache = cache
        return True

    def get_timing_cache(self) -> ITimingCache:
        return self._cache

    if _MAJOR < 11:

        def set_calibration_profile(self, profile: IOptimizationProfile) -> bool:
            assert all(len({*shapes}) == 1 for shapes in profile.shapes.values())
            self._calibration = profile
            return True

    if _MAJOR < 10:

        def set_preview_feature(self, feature: Any, on: bool) -> None:
            self._flags.add(feature)


class Builder:
    def __init__(self, logger: Any) -> None:
        assert logger._ready
        if FAULT == "start":
            _complain(logger, "Error Code 2: Internal Error (no kernels for this GPU)")
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self._logger = logger

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        if _MAJOR < 10:
            assert flags == 1, "8 builds explicit batches only"
            return INetworkDefinition(self._logger, strong=False)
        strong = _MAJOR >= 11 or bool(flags & (1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED.value))
        return INetworkDefinition(self._logger, strong=strong)

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> Any:
        _report(config, "Building Engine")
        _do_fault(self._logger)
        if FAULT == "refuse":
            _complain(self._logger, "Could not find any implementation for node node_conv2d")
            return None
        for layer in network._layers:
            bytes_in = [one for one in layer._inputs if one.dtype == DataType.UINT8]
            if bytes_in and layer.type != LayerType.CAST:
                _complain(self._logger, f"{layer.name}: UINT8 inputs must feed into a cast")
                return None
        dynamic = {one.name for one in network._inputs if -1 in one.shape}
        if dynamic - config._profiles[0].shapes.keys():
            _complain(self._logger, "Network has dynamic inputs, but no optimization profile has been defined")
            return None
        scales = self._calibrate(config) if _MAJOR < 11 and config.int8_calibrator is not None else {}
        about = {
            "profile": config._profiles[0].shapes,
            "layers": _inspected(network, config, scales),
            "sources": config._sources,
            "level": config.builder_optimization_level,
        }
        body = json.dumps(about).encode()
        head = b"ftrt" + bytes(20) + _HEADER_VERSION
        if FAULT == "unloadable":
            body = b"{"
        return head + struct.pack("<I", len(body)) + body + network._model.SerializeToString()

    def _calibrate(self, config: IBuilderConfig) -> dict[str, float]:
        calibrator = config.int8_calibrator
        assert calibrator._ready and config._calibration is not None
        table = calibrator.read_calibration_cache()
        major, minor, patch = _VERSION[:3]
        number = major * 10000 + minor * 100 + patch if major >= 10 else major * 1000 + minor * 100 + patch
        if table is not None and table.startswith(f"TRT-{number}-EntropyCalibration2\n".encode()):
            lines = [line.split(": ") for line in table.decode().splitlines()[1:]]
            return {name: struct.unpack(">f", bytes.fromhex(digits))[0] for name, digits in lines}
        batches = 0
        while (addresses := calibrator.get_batch(["image"])) is not None:
            size = int(np.prod(config._calibration.shapes["image"][1]))
            fake_gpu.check(fake_gpu.device_blocks, addresses[0], size)
            batches += 1
        calibrator.write_calibration_cache(b"")
        return {"measured": float(batches)} if batches else {}


def _report(config: IBuilderConfig, phase: str) -> None:
    monitor = config.progress_monitor if _MAJOR >= 10 else None
    if monitor is not None:
        monitor.phase_start(phase, None, 2)
        for step in range(2):
            assert monitor.step_complete(phase, step)
        monitor.phase_finish(phase)


def _do_fault(logger: Any) -> None:
    if FAULT == "raise":
        raise RuntimeError("Failed to allocate resources")
    if FAULT == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if FAULT == "hang":
        time.sleep(3600)
    held = []
    while FAULT == "eat":
        held.append(np.ones(4_000_000))
        time.sleep(0.01)


def _inspected(network: INetworkDefinition, config: IBuilderConfig, scales: dict[str, float]) -> list[Any]:
    if config.profiling_verbosity != ProfilingVerbosity.DETAILED or FAULT == "silent":
        return [layer.name for layer in network._layers]
    made_by = {output.name: layer for layer in network._layers for output in layer._outputs}
    found: list[Any] = []
    for layer in network._layers:
        if layer.type not in (LayerType.CONVOLUTION, LayerType.DECONVOLUTION):
            continue
        precision = _precision(network, config, scales, layer, made_by)
        spelled = _SPELLED["fp32" if FAULT == "fp32" else precision]
        found.append(
            {
                "Name": f"Reformatting CopyNode for Input Tensor 0 to {layer.name}",
                "LayerType": "Reformat",
                "Inputs": [{"Name": "x", "Format/Datatype": "Row major linear FP32"}],
                "Metadata": "",
            }
        )
        found.append(
            {
                "Name": f"{layer.name} + relu_after_{layer.name}",
                "LayerType": "CaskConvolution",
                "Inputs": [{"Name": layer.get_input(0).name, "Format/Datatype": spelled}],
                "ParameterType": "Convolution",
                "Weights": {"Type": spelled, "Count": 1},
                "Metadata": f"[ONNX Layer: {layer.name}]\x1e[ONNX Layer: relu_after_{layer.name}]",
            }
        )
    return found


def _precision(network: Any, config: Any, scales: dict[str, float], layer: _Layer, made_by: Any) -> str:
    maker = made_by.get(layer.get_input(0).name)
    if maker is not None and maker.type == LayerType.DEQUANTIZE:
        return "int8"
    if network._strong:
        return "fp16" if layer.get_input(0).dtype == DataType.HALF else "fp32"
    flags = {flag.name for flag in config._flags}
    if "INT8" in flags and ("measured" in scales or layer.get_input(0).name in scales):
        return "int8"
    return "fp16" if "FP16" in flags else "fp32"


class Runtime:
    def __init__(self, logger: Any) -> None:
        assert logger._ready
        self._logger = logger

    def deserialize_cuda_engine(self, plan: Any) -> Any:
        data = bytes(plan)
        if not data.startswith(b"ftrt") or data[24:28] != _HEADER_VERSION:
            _complain(self._logger, "The engine plan file is not compatible with this version of TensorRT")
            return None
        building = any("tensorrt.build" in part for part in sys.orig_argv)
        if FAULT == "damage" and not building:
            _complain(self._logger, "Serialization assertion magicTag failed")
            return None
        size = struct.unpack("<I", data[28:32])[0]
        try:
            about = json.loads(data[32 : 32 + size])
            return ICudaEngine(self._logger, about, data[32 + size :])
        except Exception:
            _complain(self._logger, "Serialization assertion failed")
            return None


class ICudaEngine:
    def __init__(self, logger: Any, about: dict[str, Any], model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        graph = onnx.load_from_string(model).graph
        self._values = {value.name: value for value in (*graph.input, *graph.output)}
        self._modes = {value.name: TensorIOMode.INPUT for value in graph.input}
        self._modes |= {value.name: TensorIOMode.OUTPUT for value in graph.output}
        self._about, self._logger = about, logger
        self._shapes: dict[Any, dict[str, tuple[int, ...]]] = {}
        self.num_io_tensors = len(self._modes)

    if _MAJOR < 10:
        device_memory_size = ACTIVATION_BYTES
    else:
        device_memory_size_v2 = ACTIVATION_BYTES

    def get_tensor_name(self, index: int) -> str:
        return list(self._modes)[index]

    def get_tensor_mode(self, name: str) -> Any:
        return self._modes[name]

    def get_tensor_dtype(self, name: str) -> Any:
        return _DTYPES[self._values[name].type.tensor_type.elem_type]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(axis.dim_value or -1 for axis in self._values[name].type.tensor_type.shape.dim)

    def create_engine_inspector(self) -> EngineInspector:
        return EngineInspector(self)

    if _MAJOR < 10:

        def create_execution_context_without_device_memory(self) -> IExecutionContext:
            return IExecutionContext(self)

    else:

        def create_execution_context(self, strategy: Any = None) -> IExecutionContext:
            assert strategy == ExecutionContextAllocationStrategy.USER_MANAGED
            return IExecutionContext(self)


class EngineInspector:
    def __init__(self, engine: ICudaEngine) -> None:
        self._engine = engine

    def get_engine_information(self, format: Any) -> str:
        assert format == LayerInformationFormat.JSON
        tensors = list(self._engine._modes)
        outside = {"Bindings": tensors} if _MAJOR < 11 else {"I/O Tensors": [{"Name": name} for name in tensors]}
        return json.dumps({"Layers": self._engine._about["layers"], **outside})


class IExecutionContext:
    def __init__(self, engine: ICudaEngine) -> None:
        self._engine = engine
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._state = 0
        self._has_run = False
        self._memory = 0

    if _MAJOR < 10:
        device_memory = property(lambda self: self._memory, lambda self, address: self.__use(address))

        def __use(self, address: int) -> None:
            self._memory = address

    else:

        def set_device_memory(self, address: int, size: int) -> None:
            assert size >= ACTIVATION_BYTES
            self._memory = address

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        least, _, most = self._engine._about["profile"][name]
        if not all(low <= axis <= high for low, axis, high in zip(least, shape, most, strict=True)):
            _complain(self._engine._logger, f"{shape} is outside of the profile")
            return False
        self._shapes[name] = tuple(shape)
        self._state += 1
        self._has_run = False
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        if self._engine.get_tensor_mode(name) == TensorIOMode.INPUT:
            return self._shapes.get(name) or self._engine.get_tensor_shape(name)
        key = tuple(sorted(self._shapes.items()))
        if key not in self._engine._shapes:
            inputs = {one: np.zeros(self.get_tensor_shape(one), self._dtype(one)) for one in self._inputs()}
            outputs = self._engine._session.run(None, inputs)
            names = [one.name for one in self._engine._session.get_outputs()]
            self._engine._shapes[key] = {one: found.shape for one, found in zip(names, outputs, strict=True)}
        return self._engine._shapes[key][name]

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        self._state += 1
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        stream = fake_gpu.streams[stream_handle]
        if FAULT == "run":
            _complain(self._engine._logger, "CUDA failure: out of memory")
            return False
        if stream.recording is not None and not self._has_run:
            _complain(self._engine._logger, "the first run after a change of shape cannot be captured")
            return False
        if stream.recording is not None and FAULT == "record":
            stream.refused = fake_gpu.last_error = True
            _complain(self._engine._logger, "operation not permitted when stream is capturing")
            return False
        if fake_gpu.last_error:
            _complain(self._engine._logger, "an error of an earlier call was left standing")
            return False
        self._has_run = True
        fake_gpu.check(fake_gpu.device_blocks, self._memory, ACTIVATION_BYTES)
        state = self._state

        def do() -> None:
            assert state == self._state, "the context changed after its work was recorded"
            outputs = self._engine._session.run(None, {name: self._array(name).copy() for name in self._inputs()})
            for one, found in zip(self._engine._session.get_outputs(), outputs, strict=True):
                np.copyto(self._array(one.name), found)

        stream.enqueue(do)
        return True

    def _inputs(self) -> list[str]:
        return [name for name, mode in self._engine._modes.items() if mode == TensorIOMode.INPUT]

    def _dtype(self, name: str) -> Any:
        return np.uint8 if self._engine.get_tensor_dtype(name) == DataType.UINT8 else np.float32

    def _array(self, name: str) -> Any:
        shape, dtype = self.get_tensor_shape(name), np.dtype(self._dtype(name))
        size = int(np.prod(shape)) * dtype.itemsize
        fake_gpu.check(fake_gpu.device_blocks, self._addresses[name], size)
        memory = (ctypes.c_uint8 * size).from_address(self._addresses[name])
        return np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
