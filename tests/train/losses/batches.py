"""Reference batches and figures in float64 (`vectors.json`), and batches that are hard on a loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from train.losses import LOSSES

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))


def batch(name: str) -> tuple[Tensor, Tensor]:
    """Logits and mask of batch A (thin crack), B (A beside an image without crack) or C (thick crack)."""
    logits, target = (torch.tensor(VECTORS["batches"][name][key], dtype=torch.float64) for key in ("logits", "target"))
    return logits, target


def mask(kind: str, dtype: torch.dtype = torch.float64) -> Tensor:
    """Two masks of 6 x 6 pixels: "none" or "all" of it crack, "half" of each, or crack in "one" image only."""
    target = torch.zeros(2, 1, 6, 6, dtype=dtype)
    if kind == "all":
        target += 1
    elif kind == "half":
        target[..., :3, :] = 1
    elif kind == "one":
        target[0, :, 2] = 1
    return target


# Options beside the defaults, so that each branch of each loss meets every test of the contract.
VARIANTS: list[dict[str, Any]] = [
    {"name": "wce_power", "beta": 0.85, "gamma": 1 / 3, "laplace": True},
    {"name": "wce_log", "laplace": True},
    {"name": "wce_exp", "beta": 1, "beta_end": 0.5, "anneal_epochs": 2},
    {"name": "holistic", "a": 2, "wce": {"name": "wce_power"}},
    {"name": "jaccard", "smooth": 0},
    {"name": "focal", "gamma": 0.5, "alpha": 0.25},
    {"name": "focal", "gamma": 0},
    {"name": "asymmetric_focal", "gamma": 0.5},
    {"name": "focal_margin", "gamma": 0.5, "margin": 1.5, "symmetric": True},
    {"name": "focal_margin", "background_margin": 0.5},
    {"name": "dice", "power": 2, "smooth": 0},
    {"name": "dice", "reduction": "batch", "smooth": 0},
    {"name": "tversky", "smooth": 0, "reduction": "batch"},
    {"name": "focal_tversky", "gamma": 0.5, "smooth": 0},
    {"name": "unified_focal", "symmetric": True},
    {"name": "pseudo_f1", "reduction": "mean"},
    {"name": "boundary", "normalized": True},
    {"name": "generalized_dice", "two_class": False},
    {"name": "boundary_combo", "alpha": 0.5},
    {"name": "generalized_boundary_combo", "normalized": True, "two_class": False, "alpha": 0.5},
    {"name": "soft_cldice", "iterations": 1, "share": 1},
]
CASES: list[dict[str, Any]] = [{"name": name} for name in LOSSES] + VARIANTS


def name_of(options: Any) -> str:
    return " ".join(str(value) for value in options.values()) if isinstance(options, dict) else str(options)
