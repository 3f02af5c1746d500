"""Soft skeletons, and the tubes around true ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.morphology import skeletonize
from torch import Tensor

from train.losses import build_loss
from train.losses.skeleton_recall import skeleton_tube
from train.losses.soft_cldice import soft_skeleton


def bar(width: int) -> Tensor:
    """A horizontal bar right across an image."""
    image = torch.zeros(1, 1, 21, 30)
    image[..., 10 - width // 2 : 10 - width // 2 + width, :] = 1
    return image


@pytest.mark.parametrize("width", [1, 3, 5, 9])
def test_a_bar_thins_to_its_centre_line(width: int) -> None:
    torch.testing.assert_close(soft_skeleton(bar(width), width // 2), bar(1))


def test_too_few_iterations_leave_a_wide_bar_without_a_skeleton() -> None:
    assert soft_skeleton(bar(9), 2).sum() == 0


def test_a_gap_costs_more_than_a_thinner_crack() -> None:
    """Same number of missed pixels: clDice tells them apart, Dice does not."""
    crack = bar(3)
    thin, broken = bar(1), bar(3)
    broken[..., :20] = 0
    assert thin.sum() == broken.sum()
    for name, options in (("soft_cldice", {"share": 1, "iterations": 3}), ("skeleton_recall", {})):
        loss = build_loss({"name": name, **options})
        assert loss(40 * thin - 20, crack) < loss(40 * broken - 20, crack)
    dice = build_loss({"name": "dice"})
    assert dice(40 * thin - 20, crack) == pytest.approx(dice(40 * broken - 20, crack).item())


def test_soft_skeleton_of_probabilities_stays_a_probability() -> None:
    torch.manual_seed(0)
    found = soft_skeleton(F.avg_pool2d(torch.rand(2, 1, 32, 32), 3, 1, 1), 5)
    assert found.min() >= 0
    assert found.max() <= 1


def test_tube_is_the_skeleton_and_two_steps_around_it_in_the_mask() -> None:
    mask = np.zeros((15, 15), bool)
    mask[7, 7] = True
    np.testing.assert_array_equal(skeleton_tube(mask), mask)  # never beyond the mask
    mask[1:14, 1:14] = True
    rows, columns = np.indices(mask.shape)
    tube, skeleton = skeleton_tube(mask), skeletonize(mask)
    steps = [abs(rows - row) + abs(columns - column) for row, column in np.argwhere(skeleton)]
    np.testing.assert_array_equal(tube, (np.min(steps, axis=0) <= 2) & mask)
    assert tube.sum() < mask.sum()
    assert not skeleton_tube(np.zeros((4, 4), bool)).any()


def test_recall_counts_only_the_tube() -> None:
    crack = bar(9)
    recall = build_loss({"name": "skeleton_recall", "weight": 1})
    without = build_loss({"name": "skeleton_recall", "weight": 0})
    centre = 40 * bar(5) - 20  # the tube: the centre line and two pixels to each side
    missed = recall(centre, crack) - without(centre, crack)
    assert missed.item() == pytest.approx(0, abs=0.05)  # the skeleton's ends are all that may stick out
    nothing = torch.full_like(crack, -20)
    assert (recall(nothing, crack) - without(nothing, crack)).item() == pytest.approx(1, abs=0.05)
