"""The averaged weights: their formula, the warm-up of the decay, and that they are what is scored and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from train.averaging import AveragingConfig, moving_average
from train.config import Recipe
from train.fit import fit


def averaged(config: AveragingConfig, values: list[float]) -> float:
    """The average after a weight took these values in turn."""
    model = nn.Linear(1, 1, bias=False)
    average = AveragedModel(model, multi_avg_fn=moving_average(config), use_buffers=True)
    for value in values:
        nn.init.constant_(model.weight, value)
        average.update_parameters(model)
    return float(average.module.weight.detach())


def test_average_without_warm_up() -> None:
    config = AveragingConfig(decay=0.75, warm_up=False)
    assert averaged(config, [4.0]) == 4.0
    assert averaged(config, [4.0, 8.0, 0.0]) == pytest.approx(0.75 * (0.75 * 4 + 0.25 * 8))


def test_warm_up_forgets_the_start_and_ends_at_the_decay() -> None:
    config = AveragingConfig(decay=0.99)
    decays = [config.at(step) for step in range(2000)]
    assert decays == sorted(decays)
    assert decays[0] == 0.1
    assert decays[-1] == 0.99
    slow = AveragingConfig(decay=0.999, warm_up=False)
    start_then_one = [100.0] + [1.0] * 60
    assert averaged(AveragingConfig(decay=0.999), start_then_one) == pytest.approx(1, abs=0.01)
    assert averaged(slow, start_then_one) > 90


def test_counters_are_copied_and_statistics_averaged() -> None:
    model = nn.BatchNorm2d(1)
    average = AveragedModel(
        model, multi_avg_fn=moving_average(AveragingConfig(decay=0.5, warm_up=False)), use_buffers=True
    )
    for count, mean in ((1, 0.0), (2, 4.0)):
        model.num_batches_tracked.fill_(count)
        model.running_mean.fill_(mean)
        average.update_parameters(model)
    assert int(average.module.num_batches_tracked) == 2
    assert float(average.module.running_mean) == 2.0


def recipe(**changes: Any) -> Recipe:
    synth = {"kind": "synth", "count": 4, "pavement": {"width": 32, "height": 32}}
    return Recipe.model_validate(
        {
            "name": "average",
            "epochs": 1,
            "precision": "fp32",
            "data": {"train": [synth], "validation": [{**synth, "seed": 5}], "steps_per_epoch": 6, "workers": 0},
            "model": {"segmentation": {"name": "unet", "widths": [4, 8]}},
            "loss": {"name": "holistic"},
            "optimiser": {"learning_rate": 1e-2},
            **changes,
        }
    )


def test_the_checkpoint_holds_the_average_and_the_scores_are_its_own(tmp_path: Path) -> None:
    plain = fit(recipe(), tmp_path / "plain", resume=False, progress=False)
    same = fit(recipe(averaging={"decay": 0, "warm_up": False}), tmp_path / "same", resume=False, progress=False)
    smooth = fit(recipe(averaging={"decay": 0.9}), tmp_path / "smooth", resume=False, progress=False)
    weights = {
        run: safetensors.torch.load_file(tmp_path / run / "checkpoint" / "weights.safetensors")
        for run in ("plain", "same", "smooth")
    }
    key = "segmentation.head.weight"
    assert torch.equal(weights["plain"][key], weights["same"][key]), "a decay of 0 is no average"
    assert not torch.equal(weights["plain"][key], weights["smooth"][key])
    assert torch.equal(weights["plain"]["mean"], weights["smooth"]["mean"])
    assert smooth["train_loss"] == plain["train_loss"], "the average must not touch the weights that learn"
    assert {k: v for k, v in same.items() if k != "seconds"} == {k: v for k, v in plain.items() if k != "seconds"}
    assert any(smooth[score] != plain[score] for score in ("f1", "iou", "ois_f1"))
