"""The search for an int8 graph that passes, with a judge whose verdicts are known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.histogram import Histogram
from calibration.ranges import ranges_by
from export import gate
from export.gate import Limits, Trial, table_of, try_fp16, try_int8
from export.gate_report import gate_json, write_frontier
from export.judge import Metric, Verdict
from export.onnx import ExportedGraph
from export.quantize import to_int8
from fissura.bundle import VariantName
from fissura.errors import DataError, EngineError
from tests.export.test_quantize import FLAVOURS, exported, histograms_of, quantised

LAYERS = [f"layer{index}" for index in range(12)]


class KnownJudge:
    """Each layer costs what the test says; a rule of ranges adds its own."""

    metric: Metric = "ods_f1"
    tolerance_px = 2.0
    images = 5

    def __init__(self, costs: dict[str, float], rules: dict[str, float]) -> None:
        self.costs, self.rules = costs, rules
        self.looked = 0

    def verdict(self, candidate: ExportedGraph) -> Verdict:
        self.looked += 1
        drop = self._drop(candidate)
        return Verdict(90 - drop, drop, 0.0, 0.001)

    def difference(self, candidate: ExportedGraph, images: int) -> float:
        return self._drop(candidate)

    def _drop(self, candidate: ExportedGraph) -> float:
        rule, *kept = candidate.onnx.decode().split()
        return self.rules[rule] + sum(cost for layer, cost in self.costs.items() if layer not in kept)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, float], dict[str, float], float], tuple[Trial, int]]:
    """Runs the search with graphs that are only names."""

    def search(costs: dict[str, float], rules: dict[str, float], limit: float) -> tuple[Trial, int]:
        return _search(monkeypatch, costs, rules, limit)

    return search


def _search(
    monkeypatch: pytest.MonkeyPatch, costs: dict[str, float], rules: dict[str, float], limit: float
) -> tuple[Trial, int]:
    class Named:
        def __init__(self, text: str) -> None:
            self.text = text

        def SerializeToString(self, deterministic: bool) -> bytes:  # protobuf's name
            return self.text.encode()

    monkeypatch.setattr(gate, "layers_of", lambda model, role: dict.fromkeys(costs, ""))
    monkeypatch.setattr(gate, "ranges_by", lambda rule, histograms, symmetric: rule)
    monkeypatch.setattr(
        gate, "to_int8", lambda model, role, variant, ranges, restored: Named(" ".join([ranges, *restored]))
    )
    judge = KnownJudge(costs, rules)
    rule_names = tuple(rules)
    trial = try_int8(
        exported("unet"),
        "int8-cpu",
        dict[str, Histogram](),
        judge,
        Limits(limit),
        rule_names,  # type: ignore[arg-type]
    )
    return trial, judge.looked


def test_the_best_rule_is_taken_and_nothing_is_restored_without_need(
    known: Callable[[dict[str, float], dict[str, float], float], tuple[Trial, int]],
) -> None:
    trial, looked = known(dict.fromkeys(LAYERS, 0.01), {"min_max": 0.3, "mse": 0.0, "entropy": 5.0}, 0.5)
    assert trial.passed is not None
    assert (trial.passed.calibrator, trial.passed.restored) == ("mse", ())
    assert looked == 3
    assert trial.sensitivity == {}


def test_the_worst_layers_go_first_and_only_as_many_as_need_to(
    known: Callable[[dict[str, float], dict[str, float], float], tuple[Trial, int]],
) -> None:
    costs = dict.fromkeys(LAYERS, 0.01) | {"layer3": 2.0, "layer7": 1.0, "layer9": 0.8}
    trial, looked = known(costs, {"min_max": 0.0, "percentile": 1.0}, 0.5)
    assert trial.passed is not None
    assert trial.passed.calibrator == "min_max"
    assert set(trial.passed.restored) == {"layer3", "layer7", "layer9"}
    assert max(trial.sensitivity, key=lambda layer: trial.sensitivity[layer]) == "layer3"
    assert looked <= 2 + 4 + 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=12),
    st.floats(0, 1.5),
    st.floats(0.01, 3),
)
def test_what_passes_is_within_the_limit_and_as_small_as_it_can_be(
    values: list[float], rule: float, limit: float
) -> None:
    costs = {f"layer{index}": value for index, value in enumerate(values)}
    with pytest.MonkeyPatch.context() as patch:
        trial, _ = _search(patch, costs, {"min_max": rule}, limit)
    worst_first = sorted(costs.values(), reverse=True)

    def drop_without(count: int) -> float:
        return rule + sum(worst_first[count:])

    possible = [count for count in range(len(costs)) if drop_without(count) <= limit - 1e-9]
    if trial.passed is None:
        assert not possible
    else:
        assert trial.passed.drop <= limit
        assert len(trial.passed.restored) <= (possible[0] if possible else len(costs) - 1)
        assert len(trial.passed.restored) < len(costs), "with every layer restored it is no int8"


def test_nothing_passes_where_even_the_last_layer_costs_too_much(
    known: Callable[[dict[str, float], dict[str, float], float], tuple[Trial, int]],
) -> None:
    trial, _ = known(dict.fromkeys(LAYERS, 1.0), {"min_max": 0.0}, 0.5)
    assert trial.passed is None
    assert len(trial.sensitivity) == len(LAYERS)
    document = json.loads(gate_json({"segmentation": [trial]}))["segmentation"]["int8-cpu"]
    assert document["passed"] is None
    assert len(document["attempts"]) == len(trial.attempts)


class EvenJudge(KnownJudge):
    """Nothing costs anything, but entropy."""

    def __init__(self) -> None:
        super().__init__({}, {})

    def _drop(self, candidate: ExportedGraph) -> float:
        return -0.01


def test_real_graphs_go_through_and_are_drawn(tmp_path: Path) -> None:
    original, judge = exported("unet"), EvenJudge()
    fp16 = try_fp16(original, judge, Limits())
    int8 = try_int8(original, "int8-portable", histograms_of("unet"), judge, Limits(), ("min_max", "mse"))
    assert fp16.passed is not None
    assert int8.passed is not None
    assert int8.passed.graph.onnx == quantised("unet", "int8-portable").onnx
    trials = {original.role: [fp16, int8]}
    write_frontier(tmp_path / "report", {original.role: original}, trials)
    document = json.loads((tmp_path / "report" / "gate.json").read_text())
    speeds = [made["speed"] for made in document["segmentation"]["int8-portable"]["attempts"]]
    assert len(speeds) == 2
    assert min(speeds) > 0
    assert (tmp_path / "report" / "frontier-segmentation.png").read_bytes().startswith(b"\x89PNG")
    assert "speed" not in gate_json(trials), "what the clock says is not the same twice"


class FailingJudge(EvenJudge):
    """Some candidates cannot be scored."""

    def __init__(self, failure: Exception | float) -> None:
        super().__init__()
        self.failure = failure

    def verdict(self, candidate: ExportedGraph) -> Verdict:
        if candidate.variant != "fp16":
            return super().verdict(candidate)
        if isinstance(self.failure, Exception):
            raise self.failure
        return Verdict(self.failure, self.failure, None, self.failure)


@pytest.mark.parametrize("failure", [EngineError("no kernel"), DataError("not a number"), math.nan, math.inf])
def test_a_graph_that_cannot_be_scored_is_refused_and_the_others_go_on(
    failure: Exception | float, tmp_path: Path
) -> None:
    original, judge = exported("unet"), FailingJudge(failure)
    fp16 = try_fp16(original, judge, Limits())
    int8 = try_int8(original, "int8-cpu", histograms_of("unet"), judge, Limits(), ("min_max",))
    assert fp16.passed is None
    assert int8.passed is not None
    attempt = json.loads(gate_json({"segmentation": [fp16, int8]}))["segmentation"]["fp16"]["attempts"][0]
    assert attempt["failure"] in ("no kernel", "not a number", "it gives what is no number")
    write_frontier(tmp_path, {"segmentation": original}, {"segmentation": [fp16, int8]})


def test_the_ranges_are_for_the_quantiser_of_the_flavour() -> None:
    original, histograms = exported("unet"), histograms_of("unet")
    for flavour in FLAVOURS:
        trial = try_int8(original, flavour, histograms, EvenJudge(), Limits(), ("mse",))
        own, other = (ranges_by("mse", histograms, symmetric) for symmetric in _ways(flavour))
        assert table_of(trial, histograms) == own != other
        assert trial.passed is not None
        model = onnx.load_from_string(original.onnx)
        assert trial.passed.graph.onnx == original.as_variant(flavour, to_int8(model, original.role, flavour, own)).onnx


def _ways(flavour: VariantName) -> tuple[bool, bool]:
    """Whether a flavour's quantiser is symmetric, and the opposite."""
    symmetric = flavour == "int8-portable"
    return symmetric, not symmetric
