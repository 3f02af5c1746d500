"""Values, gradients and distance maps against independently computed figures."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.train.losses.batches import VECTORS, batch
from train.losses import LOSSES, build_loss
from train.losses.f1 import f1_weights
from train.losses.overlap import overlap

PX: dict[str, Any] = {"alpha": 0.5}
NORMALIZED: dict[str, Any] = {"alpha": 0.5, "normalized": True}
OFFICIAL: dict[str, Any] = {**NORMALIZED, "two_class": False}

OPTIONS: dict[str, dict[str, Any]] = {
    "bce": {"name": "bce"},
    "wce_eq2_mean_xie": {"name": "wce_xie"},
    "wce_power_.5_.5": {"name": "wce_power", "beta": 0.5, "gamma": 0.5},
    "wce_power_.85_1/3": {"name": "wce_power", "beta": 0.85, "gamma": 1 / 3},
    "wce_log_.9": {"name": "wce_log", "beta": 0.9},
    "wce_exp_.75": {"name": "wce_exp", "beta": 0.75},
    "wce_exp_1": {"name": "wce_exp", "beta": 1},
    "jaccard_lam1": {"name": "jaccard"},
    "holistic_.75exp_.5wj": {"name": "holistic", "a": 0.5, "b": 1, "wce": {"name": "wce_exp", "beta": 0.75}},
    "holistic_.75exp_20wj": {"name": "holistic", "a": 20, "b": 1, "wce": {"name": "wce_exp", "beta": 0.75}},
    "invfreq": {"name": "inverse_frequency"},
    "focal_g2": {"name": "focal"},
    "focal_g2_a.25": {"name": "focal", "alpha": 0.25},
    "asym_focal_g2": {"name": "asymmetric_focal"},
    "asym_margin_m0.5": {"name": "large_margin", "margin": 0.5},
    "asym_margin_m1": {"name": "large_margin", "margin": 1},
    "asym_margin_m1.5": {"name": "large_margin", "margin": 1.5},
    "asym_focal_margin_g2_m0.5": {"name": "focal_margin", "margin": 0.5},
    "asym_focal_margin_g2_m1": {"name": "focal_margin", "margin": 1},
    "asym_focal_margin_g2_m1.5": {"name": "focal_margin", "margin": 1.5},
    "sym_focal_margin_fg_only_m.5": {"name": "focal_margin", "symmetric": True, "background_weight": 0},
    "sym_focal_margin_fg_bg_m.5": {"name": "focal_margin", "symmetric": True},
    "sym_focal_margin_both_m.5": {"name": "focal_margin", "symmetric": True, "background_margin": 0.5},
    "dice_s1_p1_img": {"name": "dice"},
    "dice_s1_p1_batch": {"name": "dice", "reduction": "batch"},
    "dice_s1_p2_img": {"name": "dice", "power": 2},
    "dice_s1e-6_p2_img": {"name": "dice", "power": 2, "smooth": 1e-6},
    "bcedice_img": {"name": "bce_dice"},
    "tversky_.7_img": {"name": "tversky"},
    "tversky_.7_batch": {"name": "tversky", "reduction": "batch"},
    "focal_tversky_img": {"name": "focal_tversky"},
    "HF_aF+FT": {"name": "hybrid_focal"},
    "HFM_m0.5": {"name": "hybrid_focal_margin", "margin": 0.5},
    "HFM_m1": {"name": "hybrid_focal_margin", "margin": 1},
    "HFM_m1.5": {"name": "hybrid_focal_margin", "margin": 1.5},
    "HFM_crack500_m.5": {"name": "hybrid_focal_margin", "gamma": 0, "fn_weight": 0.5, "exponent": 1},
    "aUF": {"name": "unified_focal"},
    "sUF": {"name": "unified_focal", "symmetric": True},
    "neglogF1": {"name": "f1_log"},
    "pseudoF1_surrogate": {"name": "pseudo_f1"},
    "wce_wpos_.95": {"name": "wce_positive", "w": 0.95},
    "wce_wpos_20/21": {"name": "wce_positive", "w": 20 / 21},
    "boundary_px": {"name": "boundary"},
    "boundary_norm_official": {"name": "boundary", "normalized": True},
    "gdice_official_1ch": {"name": "generalized_dice", "two_class": False},
    "gdice_2class_w=1/max(n,1)^2": {"name": "generalized_dice"},
    "combo_.95": {"name": "combo", "w_pos": 0.95},
    "combo_.5": {"name": "combo", "w_pos": 0.5},
    "BC2_alpha.01_px": {"name": "boundary_combo"},
    "BC2_alpha.5_px": {"name": "boundary_combo", **PX},
    "BC2_alpha.5_norm": {"name": "boundary_combo", **NORMALIZED},
    "BC1_alpha.5_px": {"name": "boundary_combo", "w_pos": 0.95, **PX},
    "GBC2_alpha.5_px_2class": {"name": "generalized_boundary_combo", **PX},
    "GBC2_alpha.5_norm_official": {"name": "generalized_boundary_combo", **OFFICIAL},
    "B+GDice_.5_norm_official": {"name": "generalized_boundary_combo", "gamma": 0, **OFFICIAL},
}
# Not values of a loss: tested by themselves below.
OTHER = {"wce_eq1_mean", "pseudoF1_w_pos", "pseudoF1_w_neg", "pseudoF1_r"}
# Image B's second alone, which has no crack.
EMPTY: dict[str, float] = {
    "jaccard_lam1": 0.77558286,
    "dice_s1_p1_img": 0.77558286,
    "dice_s1e-6_p2_img": 0.99999934,
    "tversky_.7_img": 0.99999904,
    "gdice_2class_w=1/max(n,1)^2": 0.97252966,
    "gdice_official_1ch": 1,
    "boundary_px": 0,
    "aUF": 0.32569051,
    "pseudoF1_surrogate": 1.38937600,
    "neglogF1": 0,
}


@pytest.mark.parametrize("name", "ABC")
@pytest.mark.parametrize("vector", OPTIONS)
def test_values(vector: str, name: str) -> None:
    loss = build_loss(OPTIONS[vector])
    assert loss(*batch(name)).item() == pytest.approx(VECTORS["values"][vector][name], rel=0, abs=1e-7)


@pytest.mark.parametrize("vector", EMPTY)
def test_values_without_crack(vector: str) -> None:
    logits, target = batch("B")
    assert build_loss(OPTIONS[vector])(logits[1:], target[1:]).item() == pytest.approx(EMPTY[vector], rel=0, abs=1e-7)


def test_every_figure_and_every_loss_of_the_papers_is_compared() -> None:
    assert set(OPTIONS) | OTHER == set(VECTORS["values"])
    beyond_the_papers = {"soft_cldice", "skeleton_recall"}
    without_a_figure = {"wce_fixed"}  # its q is that of the others: see the identities
    assert {options["name"] for options in OPTIONS.values()} == set(LOSSES) - beyond_the_papers - without_a_figure


@pytest.mark.parametrize("name", "ABC")
def test_first_equation_is_the_positive_weighting_by_alpha(name: str) -> None:
    logits, target = batch(name)
    loss = build_loss({"name": "wce_positive", "w": 1 - target.mean().item()})
    assert loss(logits, target).item() == pytest.approx(VECTORS["values"]["wce_eq1_mean"][name], rel=0, abs=1e-7)


@pytest.mark.parametrize("name", "ABC")
def test_f1_weights(name: str) -> None:
    crack, background = f1_weights(overlap(*batch(name), "batch"))
    found = [crack.item(), background.item(), (crack / background).item()]
    expected = [VECTORS["values"][f"pseudoF1_{key}"][name] for key in ("w_pos", "w_neg", "r")]
    assert found == pytest.approx(expected, rel=0, abs=1e-7)


@pytest.mark.parametrize("name", "AB")
@pytest.mark.parametrize("loss", ["pseudo_f1", "f1_log"])
def test_gradients_of_the_f1_losses(loss: str, name: str) -> None:
    logits, target = batch(name)
    build_loss({"name": loss})(logits.requires_grad_(), target).backward()
    assert logits.grad is not None
    expected = torch.tensor(VECTORS["gradients"][loss][name], dtype=torch.float64)
    torch.testing.assert_close(logits.grad, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("name", "AC")
def test_boundary_with_a_given_map(name: str, normalized: bool) -> None:
    """The reference map makes the reference value whichever way it comes in; the gradient is phi p (1-p) / N."""
    logits, target = batch(name)
    loss = build_loss({"name": "boundary", "normalized": normalized})
    given = torch.tensor(VECTORS["distances"][loss.distance_kind][name], dtype=torch.float64)
    value = loss(logits.requires_grad_(), target, given)
    expected = VECTORS["values"]["boundary_norm_official" if normalized else "boundary_px"][name]
    assert value.item() == pytest.approx(expected, rel=0, abs=1e-9)
    value.backward()
    p = torch.sigmoid(logits.detach())
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, given * p * (1 - p) / p.numel())
