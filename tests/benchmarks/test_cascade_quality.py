"""Recall of a crack map within 2 pixels, and what the benchmark of the cascade makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from edge_runtime.tiles import TileCounts

MARGIN = 4
Masks = numpy_strategies.arrays(np.bool_, st.tuples(st.integers(2, 12), st.integers(2, 12)))
MASKS = Masks.filter(np.any).map(lambda mask: np.pad(mask, MARGIN))
SHIFTS_OF_2 = st.sampled_from([(2, 0), (0, 2), (-2, 0), (0, -2), (1, 1), (-1, 1)])
SHIFTS_OF_3 = st.sampled_from([(3, 0), (0, 3), (-3, 0), (0, -3)])


def agree(cascade: Any, found: np.ndarray, reference: np.ndarray) -> Any:
    return cascade.quality.agreement(cascade.quality.CrackMap(found), cascade.quality.CrackMap(reference))


@settings(max_examples=25, deadline=None)
@given(mask=MASKS)
def test_a_map_has_all_of_itself(cascade: Any, mask: np.ndarray) -> None:
    agreement = agree(cascade, mask, mask)
    assert set(agreement.figures().values()) == {1.0}


@settings(max_examples=25, deadline=None)
@given(mask=MASKS)
def test_an_empty_map_has_nothing(cascade: Any, mask: np.ndarray) -> None:
    agreement = agree(cascade, np.zeros_like(mask), mask)
    assert set(agreement.figures().values()) == {0.0}
    assert agreement.recall.all == mask.sum()


@settings(max_examples=25, deadline=None)
@given(mask=MASKS, shift=SHIFTS_OF_2)
def test_a_shift_within_the_tolerance_costs_nothing(cascade: Any, mask: np.ndarray, shift: tuple[int, int]) -> None:
    agreement = agree(cascade, np.roll(mask, shift, (0, 1)), mask)
    assert set(agreement.figures().values()) == {1.0}


@settings(max_examples=25, deadline=None)
@given(mask=MASKS, shift=SHIFTS_OF_3)
def test_a_larger_shift_costs_recall_and_precision(cascade: Any, mask: np.ndarray, shift: tuple[int, int]) -> None:
    agreement = agree(cascade, np.roll(mask, shift, (0, 1)), mask)
    assert agreement.recall.value < 1
    assert agreement.precision.value < 1


@settings(max_examples=25, deadline=None)
@given(mask=MASKS, other=st.data())
def test_recall_one_way_is_precision_the_other_way(cascade: Any, mask: np.ndarray, other: Any) -> None:
    found = other.draw(numpy_strategies.arrays(np.bool_, mask.shape))
    there, back = agree(cascade, found, mask), agree(cascade, mask, found)
    assert there.recall == back.precision
    assert there.precision_by_length == back.recall_by_length


def test_counts_are_pooled_over_frames(cascade: Any) -> None:
    agreement, share = cascade.quality.Agreement, cascade.quality.Share
    pooled = agreement(recall=share(1, 10)) + agreement(recall=share(90, 90))
    assert pooled.recall.value == pytest.approx(0.91)


def run_of(cascade: Any, variant: Any, ms: float, met: int, tiles: TileCounts | None = None) -> Any:
    share = cascade.quality.Share
    agreement = cascade.quality.Agreement(share(met, 100), share(met, 100))
    return cascade.run.Run("0000.png", variant, ms, ms / 100, tiles, agreement, agreement)


def test_a_summary_takes_medians_of_times_and_pools_recall(cascade: Any) -> None:
    variant = cascade.modes.Variant("cascade", 0.1, 8)
    counts = (TileCounts(150, 20, 20), TileCounts(150, 10, 10), TileCounts(150, 30, 27))
    runs = [
        run_of(cascade, variant, ms, met, t) for ms, met, t in zip((20, 90, 30), (100, 90, 98), counts, strict=True)
    ]
    runs.append(run_of(cascade, cascade.run.FULL, 100, 100))
    row = cascade.run.summarise(runs, variant)
    assert (row["ms"], row["time_of_full"]) == (30, 0.3)
    assert row["against_full"]["recall"] == 0.96
    assert row["tiles"] == {"total": 150, "proposed": 20, "refined": 19, "left_out": 1}
    assert cascade.run.summarise(runs, cascade.run.FULL)["tiles"] is None


@pytest.mark.parametrize(
    ("mode", "budget", "ms", "met", "expected"),
    [
        ("cascade", None, 35, 95, True),
        ("cascade", None, 36, 95, False),
        ("cascade", None, 35, 94, False),
        ("cascade", 50.0, 35, 95, True),
        ("lr-only", None, 35, 95, False),
    ],
)
def test_the_bar(cascade: Any, mode: Any, budget: float | None, ms: float, met: int, expected: bool) -> None:
    variant = cascade.modes.Variant(mode, None, None, budget)
    assert cascade.run.passes(cascade.run.summarise([run_of(cascade, variant, ms, met)], variant)) is expected


def test_every_variant_meets_every_frame_in_each_round(cascade: Any) -> None:
    class Runner:
        def __init__(self, variant: Any, ms: float, crack: np.ndarray) -> None:
            self.variant, self.outcome = variant, cascade.modes.Outcome(crack, ms, None)

        def run(self, image: np.ndarray) -> Any:
            return self.outcome

    truth = np.zeros((8, 8), bool)
    truth[4] = True
    half = truth.copy()
    half[:, 4:] = False
    low = cascade.modes.Variant("lr-only")
    frames = [cascade.clips.ClipFrame(f"{n}.png", np.zeros((2, 2, 3), np.uint8), truth, 0.1) for n in range(3)]
    runs = cascade.run.measure([Runner(cascade.run.FULL, 50, truth), Runner(low, 5, half)], frames, 2, seed=0)
    assert sorted((run.frame, run.variant.mode) for run in runs) == sorted(
        (f"{n}.png", mode) for n in range(3) for mode in ("full", "lr-only") for _ in range(2)
    )
    row = cascade.run.summarise(runs, low)
    assert row["time_of_full"] == 0.1
    assert row["against_truth"]["recall"] == row["against_full"]["recall"] == 0.75  # 4 columns and 2 beside them
    assert row["against_full"]["precision"] == 1


def test_report_and_plots(cascade: Any, tmp_path: Path) -> None:
    variants = [
        cascade.run.FULL,
        cascade.modes.Variant("lr-only"),
        cascade.modes.Variant("cascade", 0.1, 8),
        cascade.modes.Variant("cascade", 0.1, 8, 40.0),
    ]
    rows = [
        cascade.run.summarise([run_of(cascade, variant, 30, 97, TileCounts(150, 20, 19))], variant)
        for variant in variants
    ]
    result = {
        "clips": {"cracks-10": {"target_share": 0.1, "mean_share": 0.1, "summary": rows}},
        "bundle": {"name": "tiny", "id": "0", "scale": 4},
        "frame_px": [480, 320],
        "tile_px": 32,
        "halo_px": 8,
        "proposal_threshold": 0.1,
        "batch": 4,
        "tolerance_px": 2.0,
        "engine": "onnxruntime",
        "threads": 1,
        "processor": "a processor",
        "bars": {"target_share": 0.1, "recall": 0.95, "time_of_full": 0.35},
        "passing": ["cascade, threshold 0.1, halo 8"],
    }
    json.dumps(result)
    text = cascade.report.markdown(result)
    assert "| cascade, threshold 0.1, halo 8 | 30.0 | 30.0% | 0.970 |" in text
    assert "| cascade, threshold 0.1, halo 8, budget 40 ms | 30.0 |" in text
    assert "1 settings do so" not in text
    cascade.report.draw_times(result, tmp_path / "times.png")
    cascade.report.draw_budgets(result, tmp_path / "budgets.png")
    assert all((tmp_path / name).stat().st_size > 5000 for name in ("times.png", "budgets.png"))


def test_the_deadline_is_judged_by_the_99th_percentile(cascade: Any) -> None:
    steady = [90.0] * 990
    kept = cascade.deadline.judge([*steady, *[110.0] * 5, *[500.0] * 5], 100.0)
    assert kept["kept"]
    assert (kept["frames"], kept["most"], kept["over_budget"]) == (1000, 5.0, 0.01)
    assert kept["of_budget"]["p50"] == 0.9
    assert not cascade.deadline.judge([*steady, *[130.0] * 30], 100.0)["kept"]
