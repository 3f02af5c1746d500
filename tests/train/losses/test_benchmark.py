"""The benchmark of the losses: what it times, how it judges, what it writes."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from train.config import load_recipe
from train.losses import LOSSES

pytest.importorskip("monai", reason="MONAI is not installed: pip install 'fissura[bench]'")
FOLDER = Path(__file__).parents[3] / "benchmarks" / "losses"
MODULES = ("run", "timing", "cases")


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The benchmark's modules, which lie beside its script and in no package."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield {name: importlib.import_module(name) for name in MODULES}
    for name in MODULES:
        sys.modules.pop(name, None)


def test_every_loss_is_timed(modules: dict[str, ModuleType]) -> None:
    cases = modules["cases"].CASES
    assert {case.options["name"] for case in cases} == set(LOSSES)
    labels = [case.label for case in cases]
    assert len(set(labels)) == len(labels)
    free = {case.options["name"] for case in cases if not case.step_bar}
    assert free == {"soft_cldice", "skeleton_recall", "boundary", "boundary_combo", "generalized_boundary_combo"}


@pytest.mark.parametrize(
    ("share", "ratio", "failures"), [(0.029, 1.09, 0), (0.031, 1.09, 1), (0.029, 1.11, 1), (0.031, 1.11, 2)]
)
def test_bars(modules: dict[str, ModuleType], share: float, ratio: float, failures: int) -> None:
    case = next(case for case in modules["cases"].CASES if case.label == "dice")
    row = modules["timing"].row(case, [0.001, share, 1.0], [0.1, ratio, 9.0])
    assert (row["share_of_step"], row["ratio_to_monai"]) == (share, ratio)
    assert len(row["failed"]) == failures


def test_no_bar_where_skeletons_or_maps_are_made(modules: dict[str, ModuleType]) -> None:
    for label in ("soft_cldice", "skeleton_recall", "boundary_combo"):
        case = next(case for case in modules["cases"].CASES if case.label == label)
        assert modules["timing"].row(case, [0.9], [])["failed"] == []


def test_measures_in_turn(modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    timing = modules["timing"]
    monkeypatch.setattr(timing, "HEIGHT", 32)
    monkeypatch.setattr(timing, "WIDTH", 48)
    wanted = ("dice", "boundary (map given)", "bce")
    cases = tuple(case for case in modules["cases"].CASES if case.label in wanted)
    recipe = load_recipe("cfd-small", {"model.segmentation.widths": [2, 4]})
    rows = timing.measure(cases, recipe, rounds=2, calls=2)
    assert {row["loss"]: row["monai"] for row in rows} == {
        "dice": "DiceLoss",
        "boundary (map given)": None,
        "bce": None,
    }
    for row in rows:
        first, third = row["share_of_step_quartiles"]
        assert 0 < first <= row["share_of_step"] <= third
        assert (row["ratio_to_monai"] is None) == (row["monai"] is None)


@pytest.mark.parametrize("failed", [[], ["3.20 % of the step, bar 3 %"]])
def test_writes_a_table_and_ends_with_1_over_a_bar(
    modules: dict[str, ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failed: list[str],
) -> None:
    run: Any = modules["run"]
    case = next(case for case in modules["cases"].CASES if case.label == "dice")
    row = {**modules["timing"].row(case, [0.002], [0.9]), "failed": failed}
    monkeypatch.setattr(run, "measure", lambda *_: [row])
    monkeypatch.setattr(run.torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(run.cv2, "setNumThreads", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["run.py", "--out", str(tmp_path / "results"), "dice"])
    if failed:
        with pytest.raises(SystemExit, match=r"over the bar:\ndice: 3.20 % of the step"):
            run.main()
    else:
        run.main()
    assert json.loads((tmp_path / "results" / "result.json").read_text())["losses"] == [row]
    assert "| dice | 0.20% | 3% | DiceLoss | 0.9 | 1.1 |" in (tmp_path / "results" / "README.md").read_text()
