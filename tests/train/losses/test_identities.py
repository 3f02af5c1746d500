"""Where two losses must agree, on random logits and masks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from train.losses import build_loss
from train.losses.overlap import overlap

Batch = tuple[Tensor, Tensor]


@st.composite
def batches(draw: st.DrawFn, *, cracks: bool = True) -> Batch:
    """1 to 3 images, logits in +-8 (+-1000 are the contract's), with both classes in each image where `cracks`."""
    count, height, width = draw(st.integers(1, 3)), draw(st.integers(2, 7)), draw(st.integers(2, 7))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    logits = 16 * torch.rand(count, 1, height, width, generator=generator, dtype=torch.float64) - 8
    share = draw(st.sampled_from((0.0, 0.02, 0.2, 0.7, 1.0)))
    target = (torch.rand(logits.shape, generator=generator) < share).double()
    if cracks:
        target[..., 0, 0], target[..., -1, -1] = 1, 0
    return logits, target


def value(batch: Batch, name: str, **options: Any) -> float:
    return build_loss({"name": name, **options})(*batch).item()


def same(left: float, right: float) -> bool:
    return left == pytest.approx(right, rel=1e-9, abs=1e-12)


few = settings(max_examples=60, deadline=None)


@few
@given(batches(cracks=False))
def test_cases_of_cross_entropy(batch: Batch) -> None:
    bce = value(batch, "bce")
    assert same(bce, torch.nn.functional.binary_cross_entropy_with_logits(*batch).item())
    assert same(value(batch, "wce_fixed", q=1), bce)
    assert same(2 * value(batch, "wce_positive", w=0.5), bce)
    assert same(value(batch, "focal", gamma=0), bce)
    assert same(value(batch, "asymmetric_focal", gamma=0), bce)
    assert same(value(batch, "large_margin", margin=0), bce)
    assert same(value(batch, "focal_margin", gamma=0, margin=0), bce)


@few
@given(batches())
def test_weights_of_the_batch(batch: Batch) -> None:
    alpha = 1 - batch[1].mean().item()
    first = value(batch, "wce_positive", w=alpha)  # paper 000, equation (1)
    assert same(first, (1 - alpha) * value(batch, "wce_xie"))
    assert same(first, alpha * (1 - alpha) * value(batch, "inverse_frequency"))
    assert same(value(batch, "wce_xie"), value(batch, "wce_fixed", q=alpha / (1 - alpha)))
    assert same(value(batch, "wce_power", beta=1, gamma=1), value(batch, "wce_xie"))
    assert same(value(batch, "wce_power", beta=0.3, gamma=0), value(batch, "wce_fixed", q=0.3))
    assert same(value(batch, "wce_exp", beta=0.3, gamma=0), value(batch, "wce_fixed", q=0.3))
    cracks, pixels = batch[1].sum().item(), batch[1].numel()
    smoothed = (pixels - cracks + 1) / (cracks + 1)
    power = {"beta": 0.5, "gamma": 0.5, "laplace": True}
    assert same(value(batch, "wce_power", **power), value(batch, "wce_fixed", q=0.5 * smoothed**0.5))


@few
@given(batches(cracks=False), st.floats(0, 3), st.floats(0, 2))
def test_focal_and_margin_in_one(batch: Batch, gamma: float, margin: float) -> None:
    assert same(value(batch, "focal_margin", gamma=gamma, margin=0), value(batch, "asymmetric_focal", gamma=gamma))
    assert same(value(batch, "focal_margin", gamma=0, margin=margin), value(batch, "large_margin", margin=margin))
    assert same(value(batch, "focal_margin", gamma=gamma, margin=0, symmetric=True), value(batch, "focal", gamma=gamma))
    assert same(2 * value(batch, "focal", gamma=gamma, alpha=0.5), value(batch, "focal", gamma=gamma))


@few
@given(batches(cracks=False))
def test_cases_of_overlap(batch: Batch) -> None:
    dice = value(batch, "dice", smooth=1)
    assert same(value(batch, "tversky", fn_weight=0.5, smooth=0.5), dice)
    assert same(value(batch, "focal_tversky", fn_weight=0.5, gamma=1, smooth=0.5), dice)
    assert same(value(batch, "bce_dice"), value(batch, "bce") + dice)
    crack500 = {"gamma": 0, "fn_weight": 0.5, "exponent": 1, "margin": 0, "smooth": 0.5}
    assert same(value(batch, "hybrid_focal_margin", **crack500), value(batch, "bce_dice"))
    assert same(value(batch, "hybrid_focal_margin", margin=0), value(batch, "hybrid_focal"))
    assert same(value(batch, "hybrid_focal"), value(batch, "asymmetric_focal") + value(batch, "focal_tversky"))
    whole = tuple(part.reshape(1, 1, 1, -1) for part in batch)
    for name in ("dice", "tversky"):
        assert same(value(batch, name, reduction="batch"), value((whole[0], whole[1]), name))


@few
@given(batches())
def test_f1_dice_and_jaccard(batch: Batch) -> None:
    dice = value(batch, "dice", smooth=0, reduction="batch")
    found = overlap(*batch, "batch")
    f1 = (2 * found.hits / (found.cracks + found.predicted)).item()
    assert same(f1, 1 - dice)
    assert same(value(batch, "f1_log"), -torch.log(torch.tensor(f1, dtype=torch.float64)).item())
    assert same(value(batch, "jaccard", smooth=0), 2 * dice / (1 + dice))


@few
@given(batches(cracks=False))
def test_mixtures(batch: Batch) -> None:
    jaccard = value(batch, "jaccard")
    for wce in ("wce_xie", "wce_fixed", "wce_power", "wce_log", "wce_exp", "wce_positive"):
        assert same(value(batch, "holistic", a=3, b=2, wce={"name": wce}), 3 * value(batch, wce) + 2 * jaccard)
    squared = value(batch, "dice", power=2, smooth=1e-6)
    combo = 0.25 * squared + 0.75 * value(batch, "wce_positive", w=0.9)
    assert same(value(batch, "combo", gamma=0.75, w_pos=0.9), combo)
    boundary = value(batch, "boundary")
    assert same(value(batch, "boundary_combo", gamma=0.75, w_pos=0.9, alpha=0.2), 0.2 * boundary + 0.8 * combo)
    mixed = 0.2 * boundary + 0.8 * value(batch, "generalized_dice")
    assert same(value(batch, "generalized_boundary_combo", gamma=0, alpha=0.2), mixed)
    cldice = {"iterations": 2, "smooth": 1}
    centre = value(batch, "soft_cldice", share=1, **cldice)
    half = (value(batch, "dice") + centre) / 2
    assert same(value(batch, "soft_cldice", share=0.5, **cldice), half)
    recall = value(batch, "skeleton_recall", weight=1) - value(batch, "bce_dice")
    assert -1e-12 <= recall <= 1
    assert same(value(batch, "skeleton_recall", weight=0), value(batch, "bce_dice"))


@few
@given(batches(cracks=False))
def test_pseudo_gradient(batch: Batch) -> None:
    """Paper 002, equation (11): sigma - 1 on crack and sigma elsewhere, times the slope of -log F1 by p."""
    logits, target = batch
    logits.requires_grad_()
    build_loss({"name": "pseudo_f1"})(logits, target).backward()
    assert logits.grad is not None
    p = torch.sigmoid(logits.detach())
    total = target.sum() + p.sum()
    on_crack = 1 / (p * target).sum() - 1 / total if target.any() else torch.zeros(())
    expected = torch.where(target > 0, on_crack * (p - 1), p / total)
    torch.testing.assert_close(logits.grad, expected, rtol=1e-9, atol=1e-12)
    if not target.any():
        assert logits.grad.sum().item() == pytest.approx(1)
    mean = build_loss({"name": "pseudo_f1", "reduction": "mean"})(logits, target) * target.numel()
    assert same(mean.item(), value((logits.detach(), target), "pseudo_f1"))
