"""Each guardrail holds, and a model that breaks none passes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.updates.guardrails import (
    CanaryConfig,
    ShadowConfig,
    TrialConfig,
    check_canary,
    check_shadow,
    check_trial,
)
from edge_runtime.updates.output_check import ENOUGH, OutputCheck
from fissura.errors import RejectedError

LIKE = {"mask_iou": 1.0, "crack_fraction": 0.0, "psi": 0.0, "components": 0.0}
WELL = {
    "frames": 300.0,
    "failed": 0.0,
    "dropped": 0.0,
    "p99_ms": 30.0,
    "engine_p99_ms": 20.0,
    "memory_mb": 500.0,
    "hottest_c": 60.0,
}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"mask_iou": 0.1}, "mask"),
        ({"crack_fraction": 2.0}, "fraction"),
        ({"psi": 1.0}, "confidence"),
        ({"components": 50.0}, "components"),
        ({"mask_iou": math.nan}, "mask"),
        ({"psi": math.nan}, "confidence"),
    ],
)
def test_a_model_that_finds_something_else_does_not_take_over(change: dict[str, float], word: str) -> None:
    check_shadow(LIKE, ShadowConfig())
    with pytest.raises(RejectedError, match=f"^{word}: "):
        check_shadow(LIKE | change, ShadowConfig())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"p99_ms": 60.0}, "latency"),
        ({"engine_p99_ms": 45.0}, "latency"),  # below the budget, and yet much slower than before
        ({"dropped": 0.3}, "dropped"),
        ({"failed": 1.0}, "failed"),
        ({"memory_mb": 2000.0}, "memory"),
        ({"hottest_c": 96.0}, "heat"),
        ({"p99_ms": math.nan}, "latency"),
    ],
)
def test_a_model_that_does_harm_goes_back(change: dict[str, float], word: str) -> None:
    limits = CanaryConfig(p99_ms=50, memory_mb=1000, hottest_c=95)
    before = {"engine_p99_ms": 20.0, "dropped": 0.1}
    check_canary(WELL, before, limits)
    with pytest.raises(RejectedError, match=f"^{word}: "):
        check_canary(WELL | change, before, limits)


def test_what_was_lost_before_is_not_the_new_models_fault() -> None:
    check_canary(WELL | {"dropped": 0.33}, {"dropped": 0.3}, CanaryConfig())
    with pytest.raises(RejectedError, match="dropped"):
        check_canary(WELL | {"dropped": 0.33}, {"dropped": 0.2}, CanaryConfig())


def test_a_trial_is_judged_by_golden_masks_and_latency() -> None:
    good = {"golden_iou": 0.99, "running_iou": 0.7, "p99_ms": 30.0}
    check_trial(good, TrialConfig())
    for change, word in (
        ({"golden_iou": 0.5}, "golden"),
        ({"running_iou": 0.0}, "golden"),
        ({"p99_ms": 90}, "latency"),
    ):
        with pytest.raises(RejectedError, match=f"^{word}: "):
            check_trial(good | change, TrialConfig(p99_ms=80))


@pytest.mark.parametrize(("value", "word"), [(np.nan, "nan"), (np.inf, "nan"), (1.5, "range"), (-0.5, "range")])
def test_what_is_no_probability_is_refused_at_once(value: float, word: str) -> None:
    found = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    OutputCheck().look(found)
    found[1, 2] = value
    with pytest.raises(RejectedError, match=f"^{word}: "):
        OutputCheck().look(found)


def test_the_same_number_everywhere_is_refused_where_something_was_to_be_seen() -> None:
    def look(value: float, *, should_vary: bool) -> None:
        check = OutputCheck()
        for _ in range(ENOUGH):
            check.look(np.full((4, 5), value, np.float32), should_vary=should_vary)

    look(0.0, should_vary=False)  # a road without a crack, and a graph in INT8
    for value, should_vary in ((0.0, True), (0.3, False)):
        with pytest.raises(RejectedError, match=r"^constant: "):
            look(value, should_vary=should_vary)


@given(values=st.lists(st.floats(0, 1, width=32), min_size=2, max_size=20), times=st.integers(1, 30))
def test_a_map_that_varies_is_never_constant(values: list[float], times: int) -> None:
    check = OutputCheck()
    check.look(np.array([[0.0, 1.0]], np.float32))
    for _ in range(times):
        check.look(np.array([values], np.float32), should_vary=True)
