"""Every name of TensorRT that our engine uses exists in the versions that it serves; no GPU and no TensorRT needed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import edge_runtime.engines
from tests.edge_runtime.engines.tensorrt_api.bindings import DISTRIBUTIONS, FOLDER, CannotMake, introspected
from tests.edge_runtime.engines.tensorrt_api.surface import Surface, committed
from tests.edge_runtime.engines.tensorrt_api.uses import Use, missing, uses

SOURCES = Path(edge_runtime.engines.__file__).parent / "tensorrt"
SURFACES = {version: committed(version) for version in DISTRIBUTIONS}

# Major versions that a function is for, or one name in it, where that is not all: what is around it has looked at the
# version.
CLAIMS: dict[str, set[int]] = {
    "builder.py:build_plan IBuilderConfig.progress_monitor": {10, 11},
    "builder.py:_lowered IBuilderConfig.int8_calibrator": {8, 10},
    "builder.py:_lowered IBuilderConfig.set_calibration_profile": {8, 10},
    "calibrator.py:make_calibrator": {8, 10},
    "contexts.py:_activation_bytes_8": {8},
    "contexts.py:_activation_bytes_10": {10, 11},
    "contexts.py:_create_8": {8},
    "contexts.py:_create_10": {10, 11},
    "network.py:create_network_8": {8},
    "network.py:create_strong_network": {10, 11},
    "network.py:lower_precision": {8, 10},
    "network.py:allow_quantised_layers_8": {8},
    "network.py:share_profile_8": {8},
    "network.py:_reason_10": {10, 11},
    "progress.py:make_monitor": {10, 11},
}
# Methods of our own on classes that extend TensorRT's; any other one is taken for a misspelt override.
OWN_METHODS = {"IInt8EntropyCalibrator2.free"}

EXAMPLE = """
import tensorrt as trt
from typing import Any

class Built:
    engine: trt.ICudaEngine

class Watch(trt.IProgressMonitor):
    def phase_start(self, name, parent, steps): ...
    def step_completed(self, name, step): ...
    def _draw(self): ...

def build(path: str, layer: Any) -> trt.IHostMemory | None:
    builder = trt.Builder(trt.Logger(trt.Logger.WARNING))
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, builder.logger)
    if not parser.parse(path.encode()):
        raise ValueError(parser.get_error(0).desc().strip())
    with builder.create_builder_config() as config:
        config.set_flag(trt.BuilderFlag.FP16)
        config.progress_monitor = Watch()
        config.unheard_of = 1
    if hasattr(config, "asked_for"):
        print(layer.precision, layer.colour, layer.name.upper())
    return builder.build_serialized_network(network, config)

def tensors(network: Any) -> list[Any]:
    return [network.get_input(index) for index in range(network.num_inputs)]

def shapes(network: Any) -> dict:
    for tensor in tensors(network):
        print(tensor.dtyp)
    return {tensor.name: tensor.shape for tensor in tensors(network)}

class Runner:
    def __init__(self, trt: Any, built: Built) -> None:
        self._trt = trt
        self._context = built.engine.create_execution_context()
        self._threads = built.threads

    def run(self) -> None:
        for name in map(self._context.engine.get_tensor_name, range(2)):
            self._context.set_tensor_adress(name, 0)
        self._trt.OnnxParzer()
        print(self._trt.__version__, self._threads.colour)
"""


def found_in(source: str) -> dict[str, Use]:
    return {use.name: use for use in uses({"example.py": source}, list(SURFACES.values()))}


def test_uses_are_collected_with_the_class_of_their_object() -> None:
    found = found_in(EXAMPLE)
    for name in (
        "Logger.WARNING",
        "Builder.create_network",
        "NetworkDefinitionCreationFlag.STRONGLY_TYPED",
        "OnnxParser.parse",
        "?.desc",
        "IBuilderConfig.set_flag",
        "BuilderFlag.FP16",
        "IProgressMonitor.phase_start",
        "IBuilderConfig.progress_monitor",
        "ILayer.precision",
        "Builder.build_serialized_network",
        "ICudaEngine.create_execution_context",
        "IExecutionContext.engine",
        "INetworkDefinition.get_input",
        "ITensor.shape",
        "__version__",
    ):
        assert name in found, f"{name} is not among {sorted(found)}"
    assert found["IExecutionContext.set_tensor_adress"].where == "example.py:Runner.run"
    assert found["IBuilderConfig.asked_for"].asked and not found["BuilderFlag.FP16"].asked


@pytest.mark.parametrize("version", DISTRIBUTIONS)
def test_made_up_names_are_missing(version: str) -> None:
    """What is no TensorRT name at all, and the misspelt ones; what the code asks for is not."""
    absent = {use.name for use in missing(list(found_in(EXAMPLE).values()), SURFACES[version])}
    made_up = {
        "IBuilderConfig.unheard_of",
        "IProgressMonitor.step_completed",
        "ILayer.colour",
        "ITensor.dtyp",
        "IExecutionContext.set_tensor_adress",
        "OnnxParzer",
    }
    of_version = {
        "8.6.1": {"NetworkDefinitionCreationFlag.STRONGLY_TYPED", "IProgressMonitor.phase_start", "IProgressMonitor"},
        "11.4.0.106": {"BuilderFlag.FP16", "ILayer.precision"},
    }
    assert absent - {"IBuilderConfig.progress_monitor"} == made_up | of_version.get(version, set())


def our_sources() -> dict[str, str]:
    return {path.relative_to(SOURCES).as_posix(): path.read_text("utf-8") for path in SOURCES.rglob("*.py")}


@cache
def our_uses() -> list[Use]:
    return uses(our_sources(), list(SURFACES.values()))


def test_our_source_is_looked_into() -> None:
    names = {use.name for use in our_uses()}
    assert len(names) > 40
    assert {"Builder.build_serialized_network", "IExecutionContext.execute_async_v3"} <= names


@pytest.mark.parametrize(
    "name", ["execute_async_v3", "set_tensor_address", "build_serialized_network", "DETAILED", "phase_start"]
)
def test_a_slip_of_the_pen_in_our_source_is_found(name: str) -> None:
    slipped = {file: text.replace(name, f"{name}_slip") for file, text in our_sources().items()}
    absent = missing(uses(slipped, list(SURFACES.values())), SURFACES["10.3.0"])
    assert f"{name}_slip" in {use.name.rpartition(".")[2] for use in absent}


def major(version: str) -> int:
    return int(version.split(".")[0])


def is_within(use: Use, claim: str) -> bool:
    """Whether a use is what an entry of `CLAIMS` is about."""
    function, _, name = claim.partition(" ")
    return (use.where == function or use.where.startswith(f"{function}.")) and name in ("", use.name)


@pytest.mark.parametrize("version", DISTRIBUTIONS)
def test_every_name_that_we_use_exists(version: str) -> None:
    elsewhere = [claim for claim, majors in CLAIMS.items() if major(version) not in majors]
    absent = [
        f"{use.where}, line {use.line}: {use.name}"
        for use in missing(our_uses(), SURFACES[version])
        if use.name not in OWN_METHODS and not any(is_within(use, claim) for claim in elsewhere)
    ]
    assert not absent, f"TensorRT {version} lacks: {'; '.join(absent)}"


@pytest.mark.parametrize("claim", CLAIMS)
def test_claims_are_needed(claim: str) -> None:
    """An entry for what every version has would hide the next mistake there."""
    inside = [use for use in our_uses() if is_within(use, claim)]
    lacking = {major(version) for version, surface in SURFACES.items() if list(missing(inside, surface))}
    assert lacking - CLAIMS[claim]


def test_what_the_code_asks_for_exists_somewhere() -> None:
    never = [use for use in our_uses() if use.asked and all(s.find(use.name) is None for s in SURFACES.values())]
    assert not never


def test_the_lists_know_what_became_of_int8_calibration() -> None:
    """Between 10.16 and 11 weak typing and calibrators went: a list that shows otherwise is not what it says."""
    for version, surface in SURFACES.items():
        before = not version.startswith("11")
        for name in ("IInt8EntropyCalibrator2", "BuilderFlag.INT8", "IBuilderConfig.int8_calibrator"):
            assert (surface.find(name) is not None) is before, f"{name} in {version}"
        assert surface.find("IExecutionContext.execute_async_v3") is not None
        assert (surface.find("Builder.build_engine") is not None) is (version == "8.6.1")
        assert surface.result("Builder.create_network") == "INetworkDefinition"
        assert surface.find("IConvolutionLayer.name") == "ILayer.name", "inherited members count"


def test_a_list_is_read_with_its_inheritance() -> None:
    surface = Surface("0", "Builder\nBuilder.reset\nIBase.name -> str\nIBase\nIThing : IBase\n")
    assert surface.find("IThing.name") == "IBase.name" and surface.find("IThing.reset") is None
    assert surface.find("?.reset") and not surface.find("?.rest")


@pytest.mark.slow
@pytest.mark.parametrize("version", DISTRIBUTIONS)
def test_the_lists_made_anew(version: str, tmp_path: Path) -> None:
    """Download the bindings, import them over stub libraries, compare."""
    try:
        made = introspected(version, tmp_path)
    except CannotMake as reason:
        pytest.skip(str(reason))
    expected = (FOLDER / f"{version}.txt").read_text(encoding="utf-8")
    assert made == expected, "python -m tests.edge_runtime.engines.tensorrt_api.bindings"
