"""Histograms that grow, the four rules of a range, and what a graph's tensors are seen to hold."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from onnx import TensorProto, helper

from calibration.histogram import BINS, MOST_VALUES, Histogram
from calibration.ranges import (
    CALIBRATORS,
    Calibrator,
    Range,
    entropy,
    mse,
    observe,
    percentile,
    quantiser_of,
    ranges_by,
)

arrays = npst.arrays(np.float32, st.integers(1, 50), elements=st.floats(-1e6, 1e6, width=32))


def histogram_of(*parts: NDArray[np.float32]) -> Histogram:
    histogram = Histogram()
    for part in parts:
        histogram.add(part)
    return histogram


@settings(max_examples=100, deadline=None)
@given(st.lists(arrays, min_size=1, max_size=5))
def test_a_growing_histogram_counts_as_one_made_at_once(parts: list[NDArray[np.float32]]) -> None:
    histogram, values = histogram_of(*parts), np.concatenate(parts)
    assert (histogram.low, histogram.high) == (values.min(), values.max())
    assert histogram.counts.sum() == len(values)
    assert histogram.zeros == np.count_nonzero(values == 0) <= histogram.counts[BINS // 2]
    assert np.abs(values).max() <= histogram.reach
    # A value lies in its bin, or on the edge of it.
    width = 2 * histogram.reach / BINS
    nearest = np.abs(histogram.centres[histogram.counts > 0][:, None] - values[None]).min(axis=1)
    assert (nearest <= width * (0.5 + 1e-6)).all()


def test_only_a_sample_of_a_large_tensor_is_counted_but_no_extreme_is_missed() -> None:
    values = np.zeros(3 * MOST_VALUES, np.float32)
    values[1] = 7  # between the values of the sample
    histogram = histogram_of(values)
    assert histogram.high == 7
    assert histogram.counts.sum() == MOST_VALUES


@settings(max_examples=60, deadline=None)
@given(st.lists(arrays, min_size=1, max_size=3), st.sampled_from(sorted(CALIBRATORS)), st.booleans())
def test_every_range_holds_zero_and_lies_within_what_was_seen(
    parts: list[NDArray[np.float32]], calibrator: Calibrator, symmetric: bool
) -> None:
    values = np.concatenate(parts)
    low, high = ranges_by(calibrator, {"x": histogram_of(*parts)}, symmetric)["x"]
    assert min(values.min(), 0) <= low <= 0 <= high <= max(values.max(), 0)


def test_rules_differ_where_there_are_outliers() -> None:
    values = np.random.default_rng(0).normal(size=400_000).astype(np.float32)
    values[:2] = 1000, -1000
    histogram = histogram_of(values[::2], values[1::2])
    assert ranges_by("min_max", {"x": histogram}, False)["x"] == Range(-1000, 1000)
    low, high = percentile(histogram, False)
    assert 3 < high < 6
    assert low == pytest.approx(-high, rel=0.3)
    assert entropy(histogram, False).high < 1000


def test_percentile_leaves_out_one_in_ten_thousand_in_all() -> None:
    values = np.concatenate([np.linspace(-1, 1, 199_980), np.full(10, 30), np.full(10, -30)]).astype(np.float32)
    assert percentile(histogram_of(values), False).high == pytest.approx(1, abs=0.02)
    values = np.concatenate([values, np.full(2, 30), np.full(2, -30)]).astype(np.float32)
    assert percentile(histogram_of(values), False) == Range(-30, 30)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
def test_one_outlier_is_clipped(symmetric: bool, sign: int) -> None:
    values = np.random.default_rng(0).normal(size=2 * MOST_VALUES).astype(np.float32)
    values[1] = sign * 300  # between the values of the sample: seen as an extreme alone
    low, high = mse(histogram_of(values), symmetric)
    assert 2.5 < -low < 8 and 2.5 < high < 8
    rare = np.random.default_rng(0).normal(size=(10, MOST_VALUES)).astype(np.float32)
    rare[0, 0] = sign * 300  # counted: its error is part of the balance
    assert max(map(abs, mse(histogram_of(*rare), symmetric))) < (40 if symmetric else 85)


def brute(values: NDArray[np.float32], found: Range, symmetric: bool) -> float:
    """Mean squared error of the integers themselves."""
    if symmetric:
        step, zero, ends = max(-found.low, found.high) / 127, 0, (-128, 127)
    else:
        step = (found.high - found.low) / 255
        zero, ends = round(-found.low / step), (0, 255)
    integers = np.clip(np.rint(values / step) + zero, *ends)
    return float(np.mean((values - (integers - zero) * step) ** 2))


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("spread", ["normal", "relu", "heavy", "shifted"])
def test_mse_is_the_best_clipping_of_the_quantiser_that_is_used(symmetric: bool, spread: str) -> None:
    rng = np.random.default_rng(1)
    values = {
        "normal": lambda: rng.normal(size=150_000),
        "relu": lambda: np.maximum(rng.normal(-0.5, 1, 150_000), 0),
        "heavy": lambda: np.maximum(rng.standard_t(2, 150_000), 0),
        "shifted": lambda: rng.normal(1, 1, 150_000) ** 3,
    }[spread]().astype(np.float32)
    found = mse(histogram_of(values), symmetric)
    low, high = min(0.0, float(values.min())), float(values.max())
    best = min(
        brute(values, Range(max(low, -limit), min(high, limit)), symmetric)
        for limit in max(-low, high) * np.linspace(0.01, 1, 250)
    )
    assert brute(values, found, symmetric) <= 1.05 * best


def test_zeros_behind_a_relu_have_no_say_in_the_clipping() -> None:
    values = np.abs(np.random.default_rng(3).normal(size=2 * MOST_VALUES)).astype(np.float32)
    values[1] = 300  # makes bins so wide that a step is narrower
    zeros = [np.zeros(MOST_VALUES, np.float32)] * 10
    for symmetric in (True, False):
        assert mse(histogram_of(values, *zeros), symmetric) == mse(histogram_of(values), symmetric)


def test_the_symmetric_quantiser_has_half_the_levels_behind_a_relu() -> None:
    behind = np.maximum(np.random.default_rng(2).normal(size=150_000), 0).astype(np.float32)
    histogram = histogram_of(behind)
    assert quantiser_of(Range(0, 6), True) == (6 / 127, -128, 127)
    assert quantiser_of(Range(0, 6), False) == (6 / 255, 0, 255)
    # With half the levels a step is dearer, and more is clipped for a smaller one.
    assert mse(histogram, True).high < mse(histogram, False).high
    tailed = histogram_of((np.random.default_rng(2).exponential(size=150_000) ** 1.5).astype(np.float32))
    assert entropy(tailed, True).high < entropy(tailed, False).high
    both = histogram_of(np.random.default_rng(2).laplace(size=150_000).astype(np.float32))
    assert entropy(both, True) == entropy(both, False), "with both signs either has 128 levels for each"


def test_entropy_is_not_taken_in_by_the_zeros_behind_a_relu() -> None:
    values = np.maximum(np.random.default_rng(0).normal(-1, 1, 200_000), 0).astype(np.float32)  # 84 % zeros
    assert entropy(histogram_of(values), True).high > 0.5 * values.max()


def test_tensors_of_a_graph_are_seen() -> None:
    nodes = [helper.make_node("Neg", ["x"], ["minus"]), helper.make_node("Relu", ["minus"], ["y"])]
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "n"]) for name in "xy"]
    model = helper.make_model(
        helper.make_graph(nodes, "g", value[:1], value[1:]), opset_imports=[helper.make_opsetid("", 20)]
    )
    model.ir_version = 10
    onnx.checker.check_model(model)
    feeds = [{"x": np.array([[1, -2, 3]], np.float32)}, {"x": np.array([[-5]], np.float32)}]
    seen = observe(model, ["x", "minus", "y"], feeds)
    assert (seen["minus"].low, seen["minus"].high) == (-3, 5)
    assert (seen["y"].low, seen["y"].high) == (0, 5)
    assert [len(output.name) for output in model.graph.output] == [1], "the graph itself stays as it was"
