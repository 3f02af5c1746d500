"""Building a plan: ONNX -> network -> plan -> what its layers really are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_runtime.engines.checks import check_ports
from edge_runtime.engines.tensorrt.calibration_table import calibration_table, read_scales
from edge_runtime.engines.tensorrt.calibrator import image_batches, make_calibrator
from edge_runtime.engines.tensorrt.inspection import achieved_precisions, check_precisions
from edge_runtime.engines.tensorrt.library import library_version, make_logger
from edge_runtime.engines.tensorrt.memory import open_memory
from edge_runtime.engines.tensorrt.network import (
    allow_quantised_layers_8,
    cast_bytes_first,
    choose_tactic_sources,
    create_network_8,
    create_strong_network,
    create_weak_network_10,
    expected_precisions,
    lower_precision,
    parse_onnx,
    share_profile_8,
    strong_typing_exists,
)
from edge_runtime.engines.tensorrt.plan_header import Version
from edge_runtime.engines.tensorrt.ports import network_ports
from edge_runtime.engines.tensorrt.progress import make_monitor
from edge_runtime.engines.tensorrt.request import BuildRequest, Done, Progress
from edge_runtime.engines.tensorrt.shapes import Profile, clamped, profile_for
from edge_runtime.engines.tensorrt.timing_cache import keep_timing_cache, use_timing_cache
from fissura.errors import EngineError


def build_plan(trt: Any, request: BuildRequest, report: Callable[[Progress], None]) -> Done:
    """Build the plan and write it to `request.plan`.

    Args:
        trt: the module.
        request: what to build.
        report: is told how far it is, from TensorRT's threads.

    Raises:
        ModelShapeError: graph and manifest do not belong together.
        EngineError: TensorRT does not build it, or not in the precision asked for.
    """
    version = library_version(trt)
    began = time.monotonic()
    problems: list[str] = []
    logger = make_logger(trt, problems)
    builder = _builder(trt, logger, problems)
    network = _network(trt, builder, request, version)
    parser = parse_onnx(trt, network, request.onnx, logger, version)
    image = check_ports(Path(request.onnx), request.graph, *network_ports(network))
    cast_bytes_first(trt, network, request.graph.input.name)
    profile = clamped(profile_for(request.graph.input, request.size, request.max_batch), image.shape)
    expected = expected_precisions(trt, network, request.precision, weak=request.weak)

    config = _config(trt, builder, request, profile)
    if strong_typing_exists(version):
        monitor = make_monitor(trt, report)  # TensorRT 8.6 cannot report
        config.progress_monitor = monitor
    use_timing_cache(config, Path(request.timing_cache))
    with _lowered(trt, builder, config, request, version, profile):
        plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(
            f"TensorRT does not build {request.onnx}: {'; '.join(problems[-2:]) or 'it gives no reason'}",
            fix="see the log; a smaller `size`, `max_batch` or `workspace_mb` takes less memory",
        )
    del parser  # whose weights the network used until now
    keep_timing_cache(config, Path(request.timing_cache))
    layers = _achieved(trt, logger, plan, expected)
    check_precisions(layers, expected, request.precision)
    Path(request.plan).write_bytes(memoryview(plan))
    return Done(layers=layers, build_s=time.monotonic() - began)


def _builder(trt: Any, logger: Any, problems: list[str]) -> Any:
    try:
        return trt.Builder(logger)
    except TypeError as error:  # what a constructor in C++ that gives nothing looks like from here
        raise EngineError(
            f"TensorRT does not start: {'; '.join(problems[-2:]) or error}",
            fix="look at nvidia-smi, and whether driver and TensorRT belong together",
        ) from error


def _by_flags(request: BuildRequest, version: Version) -> bool:
    """Whether flags decide the precision: when they were asked for, and for fp16 where typing is always weak."""
    return request.weak or (not strong_typing_exists(version) and request.precision == "fp16")


def _network(trt: Any, builder: Any, request: BuildRequest, version: Version) -> Any:
    if not strong_typing_exists(version):
        return create_network_8(trt, builder)
    return create_weak_network_10(builder) if request.weak else create_strong_network(trt, builder)


def _config(trt: Any, builder: Any, request: BuildRequest, profile: Profile) -> Any:
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # without it, the inspector gives names only
    config.clear_flag(trt.BuilderFlag.TF32)  # on by default: 10 bits of mantissa under the name of fp32
    if request.workspace_mb is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, int(request.workspace_mb * 1e6))
    if request.tactic_sources is not None:
        choose_tactic_sources(trt, config, request.tactic_sources)
    if request.optimization_level is not None:
        config.builder_optimization_level = request.optimization_level
    shapes = builder.create_optimization_profile()
    shapes.set_shape(request.graph.input.name, profile.smallest, profile.usual, profile.largest)
    config.add_optimization_profile(shapes)
    return config


@contextmanager
def _lowered(
    trt: Any, builder: Any, config: Any, request: BuildRequest, version: Version, profile: Profile
) -> Iterator[None]:
    """The builder's flags, and the calibrator while it is needed."""
    if not strong_typing_exists(version):
        share_profile_8(trt, config)
        if request.precision == "int8" and not request.weak:
            allow_quantised_layers_8(trt, config)
    if _by_flags(request, version):
        lower_precision(trt, config, request.precision)
    if not (request.weak and request.precision == "int8"):
        yield
        return
    table = None
    if request.ranges is not None:
        table = calibration_table(read_scales(Path(request.ranges), Path(request.onnx).stem), version)
    one = (1, *profile.usual[1:])
    images = request.calibration_images
    batches = iter(()) if images is None else image_batches(Path(images), request.graph.input, one)
    memory = open_memory(request.cuda)
    calibrator = make_calibrator(trt, table, batches, memory)
    config.int8_calibrator = calibrator
    shapes = builder.create_optimization_profile()
    shapes.set_shape(request.graph.input.name, one, one, one)
    config.set_calibration_profile(shapes)
    try:
        yield
    finally:
        calibrator.free()
        memory.close()


def _achieved(trt: Any, logger: Any, plan: Any, expected: dict[str, str]) -> dict[str, str]:
    runtime = trt.Runtime(logger)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise EngineError("TensorRT does not load what it has just built", fix="see the log")
    inspector = engine.create_engine_inspector()
    return achieved_precisions(inspector.get_engine_information(trt.LayerInformationFormat.JSON), expected)
