"""The joint loss is equation (6) of paper 004."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from train.config import Recipe
from train.losses import build_loss
from train.model import build_model
from train.task import CrackTask

SET = {"kind": "synth", "count": 1}


def joint_task(beta: float, high_resolution: float = 0.0, order: str = "super_resolution_first") -> CrackTask:
    recipe = Recipe.model_validate(
        {
            "name": "joint",
            "epochs": 1,
            "data": {"train": [SET], "validation": [SET]},
            "model": {
                "segmentation": {"name": "unet", "widths": [4, 8]},
                "super_resolution": {"name": "dbpn", "scale": 2, "stages": 2, "width": 4, "features": 8},
                "order": order,
            },
            "loss": {"name": "bce"},
            "joint": {"beta": beta, "high_resolution": high_resolution},
        }
    )
    torch.manual_seed(0)
    model = build_model(recipe.model)
    return CrackTask(model, build_loss(recipe.loss), recipe, steps_per_epoch=1)


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_joint_loss_weighs_pixels_against_cracks(beta: float, share: float) -> None:
    task = joint_task(beta, share)
    frame, image = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 16, 16)
    mask = (torch.rand(2, 1, 16, 16) > 0.8).float()
    enlarged = task.model.enlarge(frame)
    on_enlarged = F.binary_cross_entropy_with_logits(task.model.segment(enlarged.clamp(0, 1)), mask)
    on_image = F.binary_cross_entropy_with_logits(task.model.segment(image), mask)
    expected = (1 - beta) * (enlarged - image).abs().mean() + beta * ((1 - share) * on_enlarged + share * on_image)
    assert torch.allclose(task._joint_loss(frame, image, {"mask": mask}), expected, atol=1e-6)


def test_inverse_loss_weighs_the_enlarged_mask_against_the_frame_s() -> None:
    task = joint_task(0.3, order="segmentation_first")
    frame = torch.rand(2, 3, 8, 8)
    mask, low_mask = ((torch.rand(2, 1, side, side) > 0.8).float() for side in (16, 8))
    logits = task.model.segment(frame)
    enlarged = task.model.enlarge(torch.sigmoid(logits))
    expected = 0.7 * (enlarged - mask).abs().mean() + 0.3 * F.binary_cross_entropy_with_logits(logits, low_mask)
    found = task._joint_loss(frame, torch.rand(2, 3, 16, 16), {"mask": mask, "frame_mask": low_mask})
    assert torch.allclose(found, expected, atol=1e-6)


def test_both_networks_learn_from_the_joint_loss() -> None:
    task = joint_task(0.3)
    task._joint_loss(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 16, 16), {"mask": torch.zeros(1, 1, 16, 16)}).backward()
    assert task.model.super_resolution is not None
    for network in (task.model.super_resolution, task.model.segmentation):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_joint_and_super_resolution_go_together() -> None:
    with pytest.raises(ValueError, match="go together"):
        Recipe.model_validate(
            {
                "name": "x",
                "epochs": 1,
                "data": {"train": [SET], "validation": [SET]},
                "loss": {"name": "bce"},
                "joint": {},
            }
        )
