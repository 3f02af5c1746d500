"""From a graph to a plan on the GPU: out of the cache, or built now."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_runtime.engines.tensorrt.building_folder import building_folder
from edge_runtime.engines.tensorrt.calibrator import calibration_images
from edge_runtime.engines.tensorrt.config import TensorRtConfig
from edge_runtime.engines.tensorrt.library import library_version
from edge_runtime.engines.tensorrt.memory import Device, Memory
from edge_runtime.engines.tensorrt.network import tactic_sources, weak_typing_exists
from edge_runtime.engines.tensorrt.plan_cache import Found, PlanCache, PlanKey, default_folder
from edge_runtime.engines.tensorrt.plan_header import version_text
from edge_runtime.engines.tensorrt.request import BuildRequest
from edge_runtime.engines.tensorrt.runner import PlanDamagedError, PlanRunner
from edge_runtime.engines.tensorrt.shapes import profile_for
from edge_runtime.engines.tensorrt.supervise import Limits, run_build
from edge_runtime.engines.tensorrt.timing_cache import timing_cache_path
from fissura.bundle import Graph
from fissura.errors import ConfigError, EngineError
from fissura.files import sha256

logger = logging.getLogger(__name__)

RANGES_NAME = "ranges.json"
VARIANT_OF = {"fp16": "fp16", "int8": "int8-portable"}


def open_plan(
    trt: Any, path: Path, graph: Graph, config: TensorRtConfig, memory: Memory
) -> tuple[PlanRunner, Mapping[str, str]]:
    """Load the plan of a graph; build it where there is none that fits.

    A plan that is undamaged and yet does not load is built once more.

    Returns:
        The plan, ready to run, and the precision that each of its convolutions really has.

    Raises:
        ConfigError: options that this graph or this TensorRT does not have.
        ModelShapeError: graph and manifest do not belong together.
        EngineError: there is no plan to be had, or not enough memory to run it.
    """
    cache = PlanCache(config.cache or default_folder())
    request = _request(trt, path, graph, config)
    key = _key(trt, path, memory.device(), request)
    found = cache.find(key)
    if found.plan is not None:
        try:
            return PlanRunner(trt, found.plan, path, graph, config, memory), found.layers
        except PlanDamagedError as error:
            cache.forget(key)
            logger.warning("%s; it is built again", error.found)
    else:
        logger.info("%s: building the TensorRT plan, since %s; this takes minutes", path.name, found.reason)
    found = _build(cache, key, request, memory.device(), config)
    assert found.plan is not None
    return PlanRunner(trt, found.plan, path, graph, config, memory), found.layers


def _request(trt: Any, path: Path, graph: Graph, config: TensorRtConfig) -> BuildRequest:
    if config.precision is not None and graph.precision != "fp32":
        raise ConfigError(
            f"`precision: {config.precision}` for a graph that is {graph.precision} already",
            expected="an fp32 graph, or no `precision`",
        )
    if config.precision is not None and not weak_typing_exists(library_version(trt)):
        raise ConfigError(
            f"`precision: {config.precision}` with TensorRT {trt.__version__}, which takes precision from the graph",
            expected="TensorRT 8 or 10",
            fix=f"choose the variant of the bundle: --precision {VARIANT_OF[config.precision]}",
        )
    unknown = sorted({*(config.tactic_sources or ())} - {*tactic_sources(trt)})
    if unknown:
        raise ConfigError(
            f"`tactic_sources` that TensorRT {trt.__version__} does not have: {', '.join(unknown)}",
            expected=f"some of {', '.join(tactic_sources(trt))}",
        )
    ranges = config.ranges or path.parent / RANGES_NAME
    calibrated = config.precision == "int8"
    if calibrated and not ranges.is_file() and config.calibration_images is None:
        raise ConfigError(
            f"`precision: int8` without scales: {ranges} is not there",
            expected="the ranges of the activations, or `calibration_images`",
            fix="export the bundle again with --precision int8",
        )
    return BuildRequest(
        onnx=str(path),
        plan="",
        timing_cache="",
        graph=graph,
        size=config.first_size,
        max_batch=config.max_batch,
        precision=config.precision or graph.precision,
        weak=config.precision is not None,
        ranges=str(ranges) if calibrated and ranges.is_file() else None,
        calibration_images=str(config.calibration_images) if calibrated and config.calibration_images else None,
        cuda=config.cuda,
        workspace_mb=config.workspace_mb,
        tactic_sources=config.tactic_sources,
        optimization_level=config.optimization_level,
    )


def _key(trt: Any, path: Path, device: Device, request: BuildRequest) -> PlanKey:
    settings = list[str]()
    if request.weak:
        settings.append(f"flags {_scales(request)}".strip())
    if request.tactic_sources is not None:
        settings.append(f"sources {' '.join(sorted(set(request.tactic_sources)))}".strip())
    if request.optimization_level is not None:
        settings.append(f"level {request.optimization_level}")
    return PlanKey(
        onnx_sha256=_digest(path),
        tensorrt=version_text(library_version(trt)),
        gpu=device.name,
        compute_capability=device.capability,
        precision=request.precision,
        settings=", ".join(settings),
        profile=profile_for(request.graph.input, request.size, request.max_batch).text(),
    )


def _scales(request: BuildRequest) -> str:
    """What the scales of weak int8 come from; empty for fp16, which needs none."""
    if request.precision != "int8":
        return ""
    try:
        if request.ranges is not None:
            return sha256(Path(request.ranges))
        assert request.calibration_images is not None  # `_request` refuses to have neither
        paths = calibration_images(Path(request.calibration_images))
        listed = "".join(f"{sha256(path)}  {path.name}\n" for path in paths)
    except OSError as error:
        raise EngineError(f"the scales of int8 cannot be read: {error}") from error
    return f"images {hashlib.sha256(listed.encode(errors='surrogateescape')).hexdigest()}"


def _digest(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise EngineError(f"{path} cannot be loaded: {error}", fix="fetch the bundle again") from error


def _build(cache: PlanCache, key: PlanKey, request: BuildRequest, device: Device, config: TensorRtConfig) -> Found:
    try:
        with building_folder(cache.folder, config.build_time_s) as folder:
            built = folder / "plan"
            timing = timing_cache_path(cache.folder, key.tensorrt, device.name, device.capability)
            ready = request.model_copy(update={"plan": str(built), "timing_cache": str(timing)})
            done = run_build(ready, Limits.of(config.build_time_s, config.build_memory_mb))
            return cache.keep(key, built, done.layers, done.build_s)
    except OSError as error:
        raise EngineError(
            f"the plan cannot be kept in {cache.folder}: {error}", fix="make room, or set `cache` to another folder"
        ) from error
